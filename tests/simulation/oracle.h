/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/oracle.h - the promises of docs/GUARANTEES.md, checked during the run
 *
 * 1 no loss, 5 settled after durable   oracle_settled: only events that were appended, and reported so, leave the table
 * 2 no phantom, byte-identical         oracle_submitted: every message is the event of a committed row, in every byte
 * 3 order                              oracle_appended: no first occurrence before that of an earlier event of its key
 * 4 no duplicates, exactly-once        oracle_appended: no event is committed twice
 *   duplicates only after a fault      oracle_submitted: an event reported DELIVERED is not sent again by its owner
 * 6 no outage costs an attempt         oracle_dead_lettered: only events that can never go, or follow such an event
 *   ... and is not hammered at         oracle_reconnects: after many failures a second passes before the next start
 * 7 memory                             oracle_step: the budget, and one batch
 * 9 a clean stop                       oracle_stopped, and node.c
 *   liveness, one key delays no other  oracle_drained
 */
#ifndef OBX_TESTS_SIMULATION_ORACLE_H
#define OBX_TESTS_SIMULATION_ORACLE_H

#include <outbox/plugin.h>

#include "db.h"

struct sim_node;

void oracle_init(void);
void oracle_committed(struct sim_event *event);
void oracle_lost(struct sim_event *event);
/* A relay submits the message to the broker. Returns its event. */
struct sim_event *oracle_submitted(const struct sim_node *node, const struct outbox_message *message);
void oracle_appended(struct sim_event *event);
void oracle_reported(uint32_t life, uint32_t generation, struct sim_event *event, enum outbox_outcome outcome);
void oracle_settled(uint32_t life, const struct sim_event *event);
/* The operator has replayed or dropped it: from now on the order of its key ignores dead letters. */
void oracle_intervened(const struct sim_event *event);
void oracle_dead_lettered(struct sim_event *event);
bool oracle_is_behind_poison(const struct sim_event *event); /* of its key, in the outbox */
void oracle_stopped(const struct sim_node *node);
void oracle_settled_all(const struct sim_node *node); /* the events that were reported as delivered to it */
/* The broker is about to be started; it has failed so many times in a row, the last time then. */
void oracle_reconnects(const struct sim_node *node, uint32_t failures, uint64_t failed_ns);
void oracle_step(const struct sim_node *node);
/* Are all relayable events relayed? */
bool oracle_drained(void);
_Noreturn void oracle_stuck(void); /* not in time: report the missing events */
void oracle_end(void);
/* It may come late or not at all: later events of its key need not wait for it. */
bool oracle_has_no_place(const struct sim_event *event);

uint64_t oracle_appends(void);
uint64_t oracle_duplicates(void);
uint64_t oracle_digest(void);

/* The payload of an event, as it must be published; size bytes at `to`. */
size_t sim_payload_size(const struct sim_event *event);
void sim_payload_write(const struct sim_event *event, char *to);
const char *sim_topic_text(const struct sim_event *event); /* the aggregatetype */
/* The header that a transform adds, with the id of the event. */
#define SIM_TRANSFORMED "transformed"
struct sim_event *
sim_message_find(const struct outbox_message *message); /* by its payload or id; nothing is compared */
/* The event of the message, after comparing all of it. */
struct sim_event *sim_message_event(const struct outbox_message *message);

#endif
