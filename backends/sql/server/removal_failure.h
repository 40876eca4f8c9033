/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/removal_failure.h - whose fault is it that a removal failed? For settles and dead letters
 *
 * A statement that removes many rows fails as a whole, for the connection, for a lock, or for one of its rows. Only
 * another statement proves the last: the same without rows, or with fewer.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_REMOVAL_FAILURE_H
#define OBX_BACKENDS_SQL_SERVER_REMOVAL_FAILURE_H

#include "sql/server/op.h"

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
