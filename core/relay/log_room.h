/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/log_room.h - how much of the log may still be kept: the warning at 50 %, and relief
 *
 * Stores that read a log report with each claim how much of it is kept for this outbox. A log that reaches its limit
 * loses events. From 75 % on the store demands relief: the relay publishes nothing new, copies everything that is not
 * settled to the spool, and so everything that it claims (spool.h). When the store no longer demands it, the relay
 * reads the spool again from its start, then the log. While there is no room for rows a claim measures the log once a
 * second. A log that has lost events halts the relay. Loop thread only.
 */
#ifndef OBX_RELAY_LOG_ROOM_H
#define OBX_RELAY_LOG_ROOM_H

#include "relay/stages.h"

struct obx_log_room *obx_log_room_new(struct obx_stages *stages); /* NULL: no memory */
void obx_log_room_free(struct obx_log_room *room);                /* NULL is fine */
void obx_log_room_reset(struct obx_log_room *room);               /* ownership is new: nothing is known */

/* The answer of a claim that succeeded. True: the store demands relief. */
bool obx_log_room_note(struct obx_log_room *room, const struct outbox_claim *claim);
bool obx_log_room_relieving(const struct obx_log_room *room);
/* Rows go to the spool, and none is published: from a demand for relief to the rewind after it. */
bool obx_log_room_moves_rows(const struct obx_log_room *room);
void obx_log_room_rewound(struct obx_log_room *room); /* a rewind begins */
/* A claim that failed: the log no longer has a position that is needed. Events are lost, and only people can decide
 * what is right: the relay halts, and claims again, from its first event, when they let it go on. False: not such a
 * failure. */
bool obx_log_room_halts(struct obx_log_room *room, const struct outbox_error *error);
/* In a tick in which nothing can be claimed: is a claim due that only measures? */
bool obx_log_room_measure_due(const struct obx_log_room *room);

uint64_t obx_log_room_bytes(const struct obx_log_room *room); /* kept; 0: unknown, or no log */
uint32_t obx_log_room_percent(const struct obx_log_room *room);

#endif
