/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/unreadable.h - a claim that fails because of the content of one row
 *
 *   the claim failed -> the same claim of half as many rows -> ... -> of one row: which id is it?
 *     -> each column of that row alone: which of them fail? -> the claim of one row, without these columns
 *
 * Bytes that the session's encoding lacks, a virtual column whose expression raises, or a damaged value make a server
 * refuse the whole statement. The rows before such a row are claimed as ever. The row itself comes alone in a batch,
 * without the values that fail, and with the reason: the host rejects it. Later claims grow again.
 *
 * Failure modes: a claim that fails for another reason, or without any row, fails as it would have.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_UNREADABLE_H
#define OBX_BACKENDS_SQL_SERVER_UNREADABLE_H

#include "sql/server/op.h"

/* How many rows this claim requests. */
uint32_t sql_claim_rows(const struct sql_op *op);
/* How many rows more the statement requests: one, where ids are not unique; see claim.c. */
static inline uint32_t sql_claim_extra(const struct sql_op *op)
{
    return op->store->shared_ids && !op->found;
}
static inline bool sql_is_left_out(const struct sql_selected *selected) /* comes as null */
{
    return !selected->encoding || selected->unreadable;
}
/* Is any column left out because its value cannot be read? */
bool sql_unreadable_any(const struct sql_store *store);

/* The claim has failed. True: the search goes on, and calls again() or ends the operation. */
bool sql_unreadable_search(struct sql_op *op, const struct outbox_error *error, void (*again)(struct sql_op *op));
/* The claim has rows. False: they are not those that the search was for; claim again. */
bool sql_unreadable_is_found(struct sql_op *op, const struct sql_reading *reading);
/* Its batch is made: adds the reason. Ends the search. */
void sql_unreadable_mark(struct sql_op *op, struct obx_sql_batch *batch);
void sql_unreadable_reset(struct sql_store *store);

#endif
