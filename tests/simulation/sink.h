/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/sink.h - runs with a file broker: brokers/file itself, on the simulated disk
 *
 * A decorator observes publishes and reports. After each sync it checks the new lines on the disk: each is a whole
 * event, none is torn, and their order is checked like that of a topic. An event is durable when its line, and the name
 * of its file, are synced. Only then may it be reported as delivered and leave the outbox, and its line must never be
 * cut off.
 */
#ifndef OBX_TESTS_SIMULATION_SINK_H
#define OBX_TESTS_SIMULATION_SINK_H

#include <outbox/plugin.h>

#include "disk.h"

extern const struct outbox_plugin sim_watch_plugin, outbox_broker_file;

void sim_sink_after_sync(void);                          /* after a sync */
void sim_sink_cut(struct sim_file *file, uint64_t size); /* before a file is cut */
void sim_sink_power(void);                               /* every process ends, the disk loses unsynced content */
/* At the end: one more power cut; the verdict reads the remaining content of the disk. */
void sim_sink_end(void);

#endif
