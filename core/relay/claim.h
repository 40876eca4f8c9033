/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/claim.h - when to claim rows, how many, and what to do with the answer
 *
 * When:   poll_schedule.h.
 * Bounds: max_in_flight_bytes, ready batches, blocked events (max_blocked_events), rejected events. Each only pauses.
 * Keys whose pause is over (retry_claim.h) go first. When a poll is due, too, the two take turns, so that keys that
 * fail again and again delay no others.
 * Failure modes: the link handles a claim whose connection is lost. Rows that arrive too late, such as after the
 * request of a rewind, or without memory for them, are read again by a rewind, once the pipeline is empty. Loop thread
 * only.
 */
#ifndef OBX_RELAY_CLAIM_H
#define OBX_RELAY_CLAIM_H

#include "relay/stages.h"

struct obx_claimer *obx_claimer_new(struct obx_stages *stages); /* NULL: no memory */
void obx_claimer_free(struct obx_claimer *claimer);             /* NULL is fine */

void obx_claimer_step(struct obx_claimer *claimer);
void obx_claimer_wake(struct obx_claimer *claimer); /* there may be new rows: poll soon */
/* The next poll begins with the first row of the outbox. Rows of a claim in flight are not used. */
void obx_claimer_rewind(struct obx_claimer *claimer);
/* The same, soon, when rows were skipped: until then nothing is published that could overtake them. */
void obx_claimer_reread(struct obx_claimer *claimer);
void obx_claimer_reset(struct obx_claimer *claimer); /* ownership is new: rewind, poll now, start with small claims */

bool obx_claimer_rewinding(const struct obx_claimer *claimer); /* a rewind is requested and not begun */
/* max_blocked_events is reached: nothing new is claimed. */
bool obx_claimer_too_many_blocked(const struct obx_claimer *claimer);
const struct obx_backlog *obx_claimer_backlog(const struct obx_claimer *claimer);
bool obx_claimer_fails(const struct obx_claimer *claimer);     /* for so long that it was logged */
bool obx_claimer_saw_empty(const struct obx_claimer *claimer); /* the last poll found no new rows */
/* Rows that the store never returns, for an id that is no position. */
uint64_t obx_claimer_unusable(const struct obx_claimer *claimer);

#endif
