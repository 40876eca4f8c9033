/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/low_mark.h - how far a log is not needed any more, for stores that read one (store.h)
 *
 * A row is passed when it is settled or in the spool. The low mark is the position before the first row of the log that
 * is not passed.
 * Happy path: a claimed batch is added, its rows are passed in any order, each settle and each spool stores the mark,
 * the batch is released. A batch that is released before an earlier one leaves its end with that one. So the mark costs
 * one link for each batch in the pipeline, and each row is visited about twice.
 * Failure modes: when the ownership is lost nothing is known until the next rewind, and the mark is zero. When a stop
 * gives rows up, the mark stays before them. Loop thread only.
 */
#ifndef OBX_RELAY_LOW_MARK_H
#define OBX_RELAY_LOW_MARK_H

#include "relay/batch.h"
#include "relay/keys.h"
#include "relay/stages.h"

struct obx_low_mark *obx_low_mark_new(struct obx_stages *stages); /* NULL: no memory */
void obx_low_mark_free(struct obx_low_mark *mark);                /* NULL is fine */

/* A claim with REWIND begins. The pipeline is empty. */
void obx_low_mark_rewind(struct obx_low_mark *mark);
/* The ownership is lost: no row is spooled any more, nothing is known. */
void obx_low_mark_close(struct obx_low_mark *mark);
/* Claimed rows of the log were not kept: no batch is added until the next rewind. */
void obx_low_mark_seal(struct obx_low_mark *mark);
bool obx_low_mark_sealed(const struct obx_low_mark *mark);
/* A claimed batch: of the log, or with rows of the spool. */
void obx_low_mark_add(struct obx_low_mark *mark, struct obx_batch *batch, bool of_log);
/* A batch of the log is released. */
void obx_low_mark_remove(struct obx_low_mark *mark, struct obx_batch *batch);

/* The mark when the delivered rows of all batches in SETTLING are settled. Zero: nothing is known. */
struct outbox_position obx_low_mark_settling(struct obx_low_mark *mark);
/* All rows up to this position were copied to the spool or are settled. */
void obx_low_mark_set_spooled(struct obx_low_mark *mark, struct outbox_position low);
/* A row that waits can be claimed by its position and dead-lettered: it is in the spool, or the store is a table. */
bool obx_low_mark_in_spool(const struct obx_low_mark *mark, struct outbox_position position);

/* Batches of the log with rows that may not be passed, in its order; NULL: none. */
struct obx_batch *obx_low_mark_first(const struct obx_low_mark *mark);
struct obx_batch *obx_low_mark_next(const struct obx_low_mark *mark, const struct obx_batch *batch);
/* The mark now; obx_low_mark_first() begins with the first row that is not passed, its `passed_rows`. */
struct outbox_position obx_low_mark_advance(struct obx_low_mark *mark);
/* Since when the oldest row that is not passed is claimed, in monotonic nanoseconds; 0: there is none. */
uint64_t obx_low_mark_held_since(const struct obx_low_mark *mark);

#endif
