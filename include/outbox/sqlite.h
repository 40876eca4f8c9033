/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/sqlite.h - add an event in the caller's own SQLite transaction; drop duplicates in the consumer's
 *
 * Link with liboutbox-sqlite (pkg-config outbox-sqlite) and SQLite. The event commits or rolls back with the rest of
 * the transaction; outside a transaction it is one by itself.
 *
 * In any other language the same is
 *     INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES (?, ?, ?, ?)
 */
#ifndef OUTBOX_SQLITE_H
#define OUTBOX_SQLITE_H

#include <stdbool.h>

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

/*
 * Insert many events, in the order given: all of them, or none.
 *
 * db      as above
 * table   as above
 * events  `count` events, as above; borrowed during the call
 * count   0 succeeds; each is a statement within one savepoint
 * error   gets the reason of the first failure, with the number of its event; may be NULL
 *
 * Returns what outbox_sqlite_add() returns. Outside of a transaction the call is one transaction by itself. After an
 * error no event of the call is there.
 *
 * Blocks: as sqlite3_step() does.
 */
OUTBOX_API int outbox_sqlite_add_many(sqlite3 *db, const char *table, const struct outbox_event *const *events,
                                      uint32_t count, struct outbox_error *error);

/*
 * The statement that outbox_sqlite_add() runs, prepared and with the event's values bound, for a program that steps it
 * by itself, such as on a thread of its own. Changes nothing; reads the schema, as sqlite3_prepare_v2() does.
 *
 * db         as above
 * table      as above
 * event      as above; borrowed until the statement is finalized
 * statement  gets the statement, for sqlite3_finalize(); sqlite3_sql() is its text. NULL after a failure
 * error      gets the reason of a failure; may be NULL
 *
 * Returns what outbox_sqlite_add() returns before it inserts. The event is inserted if sqlite3_step() returns
 * SQLITE_DONE and sqlite3_changes() is 1 then; roll back if it is another number.
 */
OUTBOX_API int outbox_sqlite_statement(sqlite3 *db, const char *table, const struct outbox_event *event,
                                       sqlite3_stmt **statement, struct outbox_error *error);

/*
 * For consumers: which of these events has this consumer not applied yet? Uses the table that
 * 'outbox init --inbox' creates; see docs/INBOX.md.
 *
 * db         an open database; in a transaction, best of BEGIN IMMEDIATE, which waits for other writers
 * consumer  the name under which ids are remembered: 1 to 64 printable ASCII characters without spaces
 * ids       `count` event ids as the header `id` has them: a UUID of 36 characters, or of 32 without hyphens; borrowed
 *           during the call
 * count     0 to 1,000,000; 0 succeeds
 * is_new    the caller's array of `count` values. After a success, is_new[i] is true if this transaction is the first
 *           to take ids[i], and false if the event was applied before. Of an id that occurs several times in ids, only
 *           the first can be new. After a failure the values are undefined.
 * error     gets the reason of a failure; may be NULL
 *
 * Apply the new events in the same transaction, then commit. A rollback forgets what was taken in it. A wait for
 * other writers ends after the busy timeout of the connection.
 *
 * Returns OUTBOX_OK or
 *     INVALID        an argument, or no transaction is open; nothing was sent
 *     NOT_FOUND      there is no inbox in the database; run 'outbox init --inbox'
 *     AGAIN          another connection writes
 *     SCHEMA, READ_ONLY, FULL, IO, CORRUPT, NO_MEMORY
 * After an error the transaction is open, or SQLite has rolled it back. Roll it back.
 *
 * Blocks while the disk is read or written. One thread at a time for each connection.
 *
 * In any other language: docs/INBOX.md.
 */
OUTBOX_API int outbox_sqlite_inbox_take(sqlite3 *db, const char *consumer, const struct outbox_bytes *ids, size_t count,
                                        bool *is_new, struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
