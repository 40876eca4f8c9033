/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/sink.h - runs of which the broker is a file: brokers/file itself, on the simulated disk
 *
 * A decorator observes what is published and reported. Whenever something was synced the new lines on the disk
 * are checked: each is a whole event, none is torn, and their order is checked like that of a topic. An event is
 * on the disk when its line was synced, in a file whose name was: only then may it be reported as delivered and leave
 * the outbox, and nothing of it is ever cut off again.
 */
#ifndef OBX_TESTS_SIMULATION_SINK_H
#define OBX_TESTS_SIMULATION_SINK_H

#include <outbox/plugin.h>

#include "disk.h"

extern const struct outbox_plugin sim_watch_plugin, outbox_broker_file;

void sim_sink_look(void);                                /* something was synced */
void sim_sink_cut(struct sim_file *file, uint64_t size); /* a file is about to be cut */
void sim_sink_power(void);                               /* every process ends, the disk forgets */
/* At the end: the power goes once more; what is then on the disk goes to the verdict. */
void sim_sink_end(void);

#endif
