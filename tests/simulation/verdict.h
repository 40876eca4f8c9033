/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/verdict.h - at the end of a run, tests/oracle checks the published and the remaining events
 *
 * The same code checks the topics and files of real servers. It reads the committed events, then the events that a
 * consumer could read from the topics (recorded here as they are appended) or the files, then the rows in the database.
 * It cannot see reports, memory and time; oracle.c checks these during the run.
 */
#ifndef OBX_TESTS_SIMULATION_VERDICT_H
#define OBX_TESTS_SIMULATION_VERDICT_H

#include <outbox/plugin.h>

#include "../oracle/oracle.h"
#include "db.h"

struct sim_record;

void verdict_init(void);
/* The hashes of a message as the broker got it. */
void verdict_hash(const struct outbox_message *message, uint64_t *payload, uint64_t *content);
void verdict_append(const struct sim_record *record);      /* to a topic */
void verdict_sighting(const struct oracle_sighting *seen); /* of a file, at the end */
void verdict_check(void);

uint64_t sim_payload_hash(const struct sim_event *event);

#endif
