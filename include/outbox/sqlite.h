/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/sqlite.h - add an event in the caller's own SQLite transaction
 *
 * Link with liboutbox-sqlite (pkg-config outbox-sqlite) and SQLite. The event commits or rolls back with whatever
 * else the transaction does; outside a transaction it is one of its own. Use each connection on one thread at a time.
 */
#ifndef OUTBOX_SQLITE_H
#define OUTBOX_SQLITE_H

#include <sqlite3.h>

#include <outbox/error.h>
#include <outbox/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* table: NULL for "outbox"; quoted as an identifier. event: see struct outbox_event in event.h; aggregate_type,
 * aggregate_id and type are required. id, if not NULL, gets the row's id. Errors: INVALID, NOT_FOUND (no such
 * table), AGAIN (busy), IO, READ_ONLY, FULL, SCHEMA; the transaction stays open and is the caller's to roll back. */
OUTBOX_API int outbox_sqlite_add(sqlite3 *db, const char *table, const struct outbox_event *event, int64_t *id,
                                 struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
