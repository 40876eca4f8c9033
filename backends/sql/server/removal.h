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

/* Whose failure is it? For the removals of settles and of dead letters. */
enum sql_failure {
    SQL_FAILURE_OF_ALL,   /* the connection's, the ownership's, the server's: op->removal.error is the end */
    SQL_FAILURE_UNPROVEN, /* a row's, if the statement works without rows: try that */
    SQL_FAILURE_OF_ROWS,  /* a row's: try fewer rows */
    SQL_FAILURE_OF_LOCK   /* another session has locked a row */
};
/* Counts the failure of a statement that was to remove so many rows; keeps the error in op->removal.error. */
enum sql_failure sql_removal_failed(struct sql_op *op, const struct outbox_error *error, uint64_t rows);
/* The statement that failed took so long that its operation should end. */
bool sql_removal_took_long(const struct sql_op *op);

/* May the content of a row, or a trigger or a constraint, be the cause of this failure? */
bool sql_may_be_a_row(const struct outbox_error *error);
/* A failure of one statement, which a new connection does not cure, becomes AGAIN. */
void sql_keep_connection(struct outbox_error *error);

#endif
