/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/pipeline.h - where each claimed batch is
 *
 *   claim -> READY -> IN_FLIGHT -> DONE -> SETTLING -> released
 *
 * A batch is in exactly one list, so the lists are the gauges. A batch goes back from IN_FLIGHT to READY to be sent
 * again, and from SETTLING to DONE when a settle failed, or when rows of it wait for the spool. A batch in DONE without
 * delivered rows is released at once, unless rows of it wait for the spool.
 * The pipeline also knows which ownership of the outbox its rows are from (the epoch). Loop thread only.
 */
#ifndef OBX_RELAY_PIPELINE_H
#define OBX_RELAY_PIPELINE_H

#include "relay/batch.h"
#include "relay/stages.h"

struct obx_pipeline *obx_pipeline_new(struct obx_stages *stages); /* NULL: no memory */
void obx_pipeline_free(struct obx_pipeline *pipeline);            /* all batches are released; NULL is fine */

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* Claimed rows become a batch in READY. NULL: no memory, and the rows stay the caller's. */
struct obx_batch *obx_pipeline_add(struct obx_pipeline *pipeline, struct outbox_batch *rows, bool is_retry);
/* READY is kept in order of claiming; to the other lists a batch is appended. */
void obx_pipeline_move(struct obx_pipeline *pipeline, struct obx_batch *batch, enum obx_batch_stage stage);
/* A retry batch lets the next retry be claimed. Its keys that are in no lane wait again. */
void obx_pipeline_free_retry_slot(struct obx_pipeline *pipeline, struct obx_batch *batch);
/* The batch is transformed: its memory counts, and no longer what was reserved for it at the claim. */
void obx_pipeline_count_transformed(struct obx_pipeline *pipeline, struct obx_batch *batch);
/* Out of its list: give the rows back to the store, recycle the batch. */
void obx_pipeline_release(struct obx_pipeline *pipeline, struct obx_batch *batch);

struct obx_batch *obx_pipeline_first(const struct obx_pipeline *pipeline, enum obx_batch_stage stage); /* or NULL */
struct obx_batch *obx_pipeline_next(const struct obx_pipeline *pipeline, const struct obx_batch *batch);
uint32_t obx_pipeline_count(const struct obx_pipeline *pipeline, enum obx_batch_stage stage); /* batches */
bool obx_pipeline_empty(const struct obx_pipeline *pipeline);

void obx_pipeline_unsettle(struct obx_pipeline *pipeline);         /* SETTLING goes back to the head of DONE */
void obx_pipeline_release_finished(struct obx_pipeline *pipeline); /* of DONE */
/* Waiting rows of READY stay in the outbox, for a later claim. Batches that workers transform stay in READY. */
void obx_pipeline_skip_ready(struct obx_pipeline *pipeline);
/* Delivered rows of DONE cannot be settled any more; a later claim reads them again. */
void obx_pipeline_skip_delivered(struct obx_pipeline *pipeline);

/* ---- order ------------------------------------------------------------------------------------------------------- */

/* Rule 3 of order.h: until this batch has left IN_FLIGHT no later one is published. */
void obx_pipeline_hold_order(struct obx_pipeline *pipeline, struct obx_batch *batch);
bool obx_pipeline_order_held(const struct obx_pipeline *pipeline);

/* The positions of rows that were claimed before this call are no longer valid: they may name other rows. */
void obx_pipeline_next_epoch(struct obx_pipeline *pipeline);
/* The ownership was lost, and ready rows were skipped. Rows that come back from a publish are skipped, too, until the
 * outbox is read again from its start: else they could overtake the skipped rows. */
void obx_pipeline_set_reread(struct obx_pipeline *pipeline, bool reread);
bool obx_pipeline_rereading(const struct obx_pipeline *pipeline);
/* enum obx_after_fact of a batch that comes back from a publish. */
unsigned obx_pipeline_after_facts(const struct obx_pipeline *pipeline, const struct obx_batch *batch);

#endif
