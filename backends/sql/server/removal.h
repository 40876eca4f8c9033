/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/removal.h - removing rows, around those that the server refuses to remove
 *
 *   chunk -> DELETE -> as many rows as ids -> next chunk, of twice as many rows
 *                   -> fewer rows: which of the ids remain? those are refused -> next chunk
 *                   -> it failed: does it work without rows? -> the same rows, in chunks of half the size
 *                                                            -> a chunk of one row: the row is refused -> next chunk
 *
 * A foreign key, a trigger or a rule of the application may refuse one row, and the server then undoes the whole
 * statement. A refused row goes to refused.h; the other rows are removed. A row that another session has locked goes to
 * locked_rows.h, after a first wait.
 *
 * Failure modes: a statement that fails without rows as well fails the removal, with AGAIN. So do too many failing
 * statements in one removal, and one that took too long, after what was removed until then; the next removal continues.
 * Errors of the connection and of the ownership end the removal as they are.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_REMOVAL_H
#define OBX_BACKENDS_SQL_SERVER_REMOVAL_H

#include "sql/server/op.h"

/* Remove the rows of these ranges, on the owner's lane. limit: rows of one transaction, at most. The ranges are used
 * up, and must stay until done(). op->request.sql is used. */
void sql_remove(struct sql_op *op, struct obx_sql_ranges *ranges, int64_t limit,
                void (*done)(struct sql_op *op, const struct outbox_error *error));
/* The same, of rows that another session had locked: no statement waits for long. then: for done(). */
void sql_remove_locked(struct sql_op *op, struct obx_sql_ranges *ranges, void (*then)(struct sql_op *op),
                       void (*done)(struct sql_op *op, const struct outbox_error *error));

#endif
