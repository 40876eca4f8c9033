/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/sqlite.h - add an event in the caller's own SQLite transaction
 *
 * Link with liboutbox-sqlite (pkg-config outbox-sqlite) and SQLite. The event commits or rolls back with the rest of
 * the transaction; outside a transaction it is one by itself.
 *
 * In any other language the same is
 *     INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES (?, ?, ?, ?)
 */
#ifndef OUTBOX_SQLITE_H
#define OUTBOX_SQLITE_H

#include <sqlite3.h>

#include <outbox/error.h>
#include <outbox/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Insert one event into an outbox table, and prove that one row was inserted.
 *
 * db     an open connection
 * table  NULL for "outbox"; quoted as an identifier
 * event  see outbox/event.h; aggregate_type, aggregate_id and type are required. headers must be null or a JSON object.
 *        Values are stored as text if they are UTF-8 without a NUL, else as blobs. Everything is borrowed during the
 * call. id     gets the row's id, which must be INTEGER PRIMARY KEY; NULL if it is not needed. Unchanged after a
 * failure. error  gets the reason of a failure; may be NULL
 *
 * Returns OUTBOX_OK or
 *     INVALID        the event; a value or row that SQLite refused; or a trigger or conflict clause that discarded the
 * row NOT_FOUND      there is no such table SCHEMA         the table lacks a column, or has no rowid; the row may be
 * there AGAIN          another connection holds the lock: see sqlite3_busy_timeout() IO, READ_ONLY, FULL, CORRUPT,
 * PERMISSION, NO_MEMORY The transaction stays open and is the caller's to roll back.
 *
 * Blocks as sqlite3_step() does. Sets sqlite3_last_insert_rowid() to the row's id. One thread at a time for each
 * connection; any number of connections at once.
 */
OUTBOX_API int outbox_sqlite_add(sqlite3 *db, const char *table, const struct outbox_event *event, int64_t *id,
                                 struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
