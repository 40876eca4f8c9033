/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/locked_rows.h - published rows that another session had locked when they were to be removed
 *
 *   DELETE waits for a lock for too long -> the same rows, without those that are locked -> locked rows are noted here
 *     -> each second, by a settle or a renewal: DELETE again, without waiting -> gone
 *
 * A transaction of the application may hold the lock of a row for long. It stops neither the other rows of a settle nor
 * those of the next settles: for a minute these leave locked rows out from the start. Such a row was published, and is
 * not refused: it is named only after 5 s. It stays outstanding, so that no claim returns it again.
 *
 * Failure modes: more locked rows than SQL_LOCKED_MAX fail the settle with AGAIN. A restart publishes them again.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_LOCKED_ROWS_H
#define OBX_BACKENDS_SQL_SERVER_LOCKED_ROWS_H

#include "sql/server/op.h"

enum { SQL_LOCKED_MAX = 1000 };

/* How the statements of the next removals treat locked rows. */
enum sql_locked_mode sql_locked_mode(const struct sql_store *store);
/* A statement has waited for a lock in vain: for the next minute they do this at least. */
void sql_locked_found(struct sql_store *store, enum sql_locked_mode next);

bool sql_locked_has_room(const struct sql_store *store, const struct obx_sql_ranges *locked);
/* The rows of these ranges are gone or refused, but for `locked`, which are locked; NULL: none. */
void sql_locked_note(struct sql_store *store, const struct obx_sql_range *ranges, uint32_t count,
                     const struct obx_sql_ranges *locked);
/* Takes these rows out of the ranges. False: no memory. */
bool sql_locked_leave_out(struct sql_store *store, struct obx_sql_ranges *ranges);
void sql_locked_reset(struct sql_store *store); /* a rewind */

/* If it is time: deletes the rows again. Then, or else, calls then(); or ends op if the connection is lost. */
void sql_locked_retry(struct sql_op *op, void (*then)(struct sql_op *op));

/* How many of them have been locked for long; one of them, and since when, as text. */
uint64_t sql_locked_lasting(const struct sql_store *store, char *text, size_t size);
void sql_locked_log(struct sql_store *store); /* the same, if that is due */

#endif
