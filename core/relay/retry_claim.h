/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/retry_claim.h - which blocked events are claimed again, by position
 *
 * Happy path: obx_retry_claim_due(), obx_retry_claim_collect(), the claim, obx_retry_claim_note() for its answer; the
 * rows go through the pipeline as one batch; obx_retry_claim_wait_again() when that is released.
 * Of the keys whose pause is over, those that have waited longest come first. One such batch is in the pipeline at a
 * time. Positions that exceed an answer are claimed next time; positions that are no longer in the outbox are removed.
 * After a claim that failed, or an answer without memory for it, the keys wait again. Loop thread only.
 */
#ifndef OBX_RELAY_RETRY_CLAIM_H
#define OBX_RELAY_RETRY_CLAIM_H

#include "relay/keys.h"
#include "relay/stages.h"

struct obx_retry_claim *obx_retry_claim_new(struct obx_stages *stages); /* NULL: no memory */
void obx_retry_claim_free(struct obx_retry_claim *retry);               /* NULL is fine */

/* In a tick: the pause of a key is over, no retry is in the pipeline, and there is memory for the positions. */
bool obx_retry_claim_due(struct obx_retry_claim *retry);
/* So many events wait that it is faster to read the outbox again, in order. Only if no key has failed since an event of
 * it was delivered; exhausted keys do not count. */
bool obx_retry_claim_is_slow(const struct obx_retry_claim *retry);
/* Choose keys, which are RETRYING from now on, and events of theirs. How many; obx_retry_claim_positions() has them,
 * ascending, until the next call. */
uint32_t obx_retry_claim_collect(struct obx_retry_claim *retry);
const struct outbox_position *obx_retry_claim_positions(const struct obx_retry_claim *retry);
/* The answer; NULL: none of the events is in the outbox any more. */
void obx_retry_claim_note(struct obx_retry_claim *retry, const struct outbox_batch *rows);

/* In a tick: log events that have left the outbox, at most once a minute. */
void obx_retry_claim_log_step(struct obx_retry_claim *retry);
/* At the end of a stop: log what the last minute has left. */
void obx_retry_claim_log_vanished(struct obx_retry_claim *retry);

/* A batch of retried rows is in the pipeline. */
void obx_retry_claim_set_in_pipeline(struct obx_retry_claim *retry, bool in_pipeline);
bool obx_retry_claim_in_pipeline(const struct obx_retry_claim *retry);

/* All keys that are RETRYING wait for the pause. */
void obx_retry_claim_wait_again(struct obx_retry_claim *retry, uint64_t pause_ns);

#endif
