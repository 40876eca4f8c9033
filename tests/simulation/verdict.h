/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/verdict.h - at the end of a run: what was published and what is left, judged by tests/oracle
 *
 * The same code that judges the topics and files of real servers. It gets what was written, then what a consumer
 * could read of the topics (kept here as it is appended) or of the files, then what is in the database. What it cannot
 * see, and what oracle.c checks as it happens: reports, memory, time.
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
void verdict_judge(void);

uint64_t sim_payload_hash(const struct sim_event *event);

#endif
