/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/postgres.h - add an event in the caller's own Postgres transaction; drop duplicates in the consumer's
 *
 * Link with liboutbox-postgres (pkg-config outbox-postgres) and libpq. The event commits or rolls back with the rest of
 * the transaction; outside a transaction it is one by itself. For order within a key, lock what the key stands for (the
 * order, the account) before adding its event.
 *
 * In any other language the same is
 *     INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ($1, $2, $3, $4)
 */
#ifndef OUTBOX_POSTGRES_H
#define OUTBOX_POSTGRES_H

#include <stdbool.h>

#include <libpq-fe.h>

#include <outbox/error.h>
#include <outbox/event.h>
#include <outbox/window.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Insert one event into an outbox table, and prove that one row was inserted.
 *
 * pg     an open connection, not in pipeline mode and without a statement in progress
 * table  NULL for "outbox"; TABLE or SCHEMA.TABLE, each part quoted as an identifier
 * event  see outbox/event.h; aggregate_type, aggregate_id and type are required. headers must be null or a JSON object.
 *        A value has at most 2^31 - 2 bytes. The payload column may be of type text, varchar, bytea, json or jsonb.
 *        Everything is borrowed during the call.
 * id     gets the row's id; NULL if it is not needed. It needs the privilege SELECT on the column id, which must be
 *        smallint, int or bigint. Unchanged after a failure.
 * error  gets the reason of a failure; may be NULL
 *
 * Returns OUTBOX_OK or
 *     INVALID        the event, before anything was sent; a value that the server refused; or a trigger or a rule that
 *                    discarded the row
 *     NOT_FOUND      there is no such table
 *     SCHEMA         the table lacks a column, or its id is not an integer
 *     PERMISSION, READ_ONLY, FULL, AGAIN (a deadlock or a lock timeout), NOT_CONNECTED, NO_MEMORY
 * After an error of the server the transaction has failed and is the caller's to roll back. Roll back after SCHEMA,
 * too: the row may be there.
 *
 * Blocks until the server has answered: one round trip, and one more for the first event of a connection and table,
 * which requests the type of the payload column. The answer is kept with the connection. One thread at a time for each
 * connection; any number of connections at once.
 */
OUTBOX_API int outbox_pg_add(PGconn *pg, const char *table, const struct outbox_event *event, int64_t *id,
                             struct outbox_error *error);

/*
 * Insert many events, in the order given: all of them, or none.
 *
 * pg      as above
 * table   as above
 * events  `count` events, as above; borrowed during the call
 * count   0 succeeds; events are sent 100 at a time
 * error   gets the reason of the first failure, with the number of its event; may be NULL
 *
 * Returns what outbox_pg_add() returns. Outside of a transaction the call is one transaction by itself. In a
 * transaction roll back after an error: earlier events may be there.
 *
 * Blocks: one round trip for each 100 events.
 */
OUTBOX_API int outbox_pg_add_many(PGconn *pg, const char *table, const struct outbox_event *const *events,
                                  uint32_t count, struct outbox_error *error);

/*
 * Write one event into the server's log, for a relay with `capture: wal`: calls the function TABLE_emit() that 'outbox
 * init' makes. The event commits or rolls back with the transaction, or with its savepoint.
 *
 * Arguments and errors as of outbox_pg_add(), but that NOT_FOUND is a function that is missing, and there is no id: the
 * event id identifies the event. Values together have less than 1 GB.
 *
 * Blocks until the server has answered: one round trip. One thread at a time for each connection.
 */
OUTBOX_API int outbox_pg_emit(PGconn *pg, const char *table, const struct outbox_event *event,
                              struct outbox_error *error);

/*
 * The statement that outbox_pg_add() sends, for a program that sends it by itself: without blocking, in a pipeline, or
 * by a driver of its own.
 *
 *     PQsendQueryParams(pg, s->sql, s->count, NULL, s->values, s->lengths, s->formats, 1);
 */
struct outbox_pg_statement {
    size_t struct_size; /* of the library */
    const char *sql;
    int count; /* of parameters */
    const char *const *values;
    const int *lengths;
    const int *formats; /* 0: text, which ends with a NUL; 1: binary */
};

/*
 * Make the INSERT of one event; sends nothing, and does not block. Any thread.
 *
 * table         as above
 * event         as above; the payload is borrowed until the statement is freed, everything else is copied
 * payload_type  the OID of the type of the payload column, which this function cannot request: 25 text, 1043 varchar,
 *               17 bytea, 114 json, 3802 jsonb. A wrong one may change the payload.
 * returning_id  the result has one row with the id, which needs SELECT on that column
 * statement     gets the statement, for outbox_pg_statement_free(); NULL after a failure
 * error         gets the reason of a failure; may be NULL
 *
 * Returns OUTBOX_OK, INVALID or NO_MEMORY. Give the result of the statement to outbox_pg_inserted().
 */
OUTBOX_API int outbox_pg_statement(const char *table, const struct outbox_event *event, Oid payload_type,
                                   bool returning_id, struct outbox_pg_statement **statement,
                                   struct outbox_error *error);
/* The same for what outbox_pg_emit() sends; its result is one row. */
OUTBOX_API int outbox_pg_emit_statement(const char *table, const struct outbox_event *event,
                                        struct outbox_pg_statement **statement, struct outbox_error *error);
OUTBOX_API void outbox_pg_statement_free(struct outbox_pg_statement *statement); /* NULL is fine */

/*
 * Does this result of outbox_pg_statement() prove that one row was inserted?
 *
 * result  in binary format; stays the caller's
 * table   for the error text, as above
 * id      gets the row's id, if the statement returns it; may be NULL
 *
 * Returns what outbox_pg_add() returns.
 */
OUTBOX_API int outbox_pg_inserted(const PGresult *result, const char *table, int64_t *id, struct outbox_error *error);

/*
 * For consumers: which of these events has this consumer not applied yet? Calls the function
 * that 'outbox init --inbox' creates; see docs/INBOX.md.
 *
 * pg         an open connection, not in pipeline mode and without a statement in progress; in a transaction
 * consumer  the name under which ids are remembered: 1 to 64 printable ASCII characters without spaces
 * ids       `count` event ids as the header `id` has them: a UUID of 36 characters, or of 32 without hyphens; borrowed
 *           during the call
 * count     0 to 1,000,000; 0 succeeds
 * is_new    the caller's array of `count` values. After a success, is_new[i] is true if this transaction is the first
 *           to take ids[i], and false if the event was applied before. Of an id that occurs several times in ids, only
 *           the first can be new. After a failure the values are undefined.
 * error     gets the reason of a failure; may be NULL
 *
 * Apply the new events in the same transaction, then commit. A rollback forgets what was taken in it. If another
 * session has taken an id and its transaction is open, the call waits until that transaction ends.
 *
 * Returns OUTBOX_OK or
 *     INVALID        an argument, or no transaction is open; nothing was sent
 *     NOT_FOUND      there is no inbox in the search path; run 'outbox init --inbox'
 *     SCHEMA         the answer has another form than that of the inbox
 *     PERMISSION, READ_ONLY, FULL, TIMEOUT, NOT_CONNECTED, NO_MEMORY
 *     AGAIN          a deadlock, a lock timeout, or with REPEATABLE READ and SERIALIZABLE a serialization failure
 * After an error of the server the transaction has failed and is the caller's to roll back. Roll back after SCHEMA,
 * too.
 *
 * Blocks until the server has answered: one round trip. One thread at a time for each connection; any number of
 * connections at once.
 *
 * In any other language: docs/INBOX.md.
 */
OUTBOX_API int outbox_pg_inbox_take(PGconn *pg, const char *consumer, const struct outbox_bytes *ids, size_t count,
                                    bool *is_new, struct outbox_error *error);

/*
 * For consumers of Kafka, the inbox of level 2: open the window of a partition, by its row in the table that
 * 'outbox init --inbox' creates; see outbox/window.h and docs/INBOX.md.
 *
 * pg      an open connection, not in pipeline mode
 * place   the partition, and who reads it; copied
 * window  gets the window, which the caller closes with outbox_window_close()
 * error   gets the reason of a failure; may be NULL
 *
 * Returns OUTBOX_OK or
 *     INVALID        an argument; nothing was sent
 *     UNSUPPORTED    partitions were added: an event that is sent again may be in another partition
 *     NOT_FOUND      there is no inbox; or the broker has removed messages that this consumer has not applied; or the
 *                    partition ends before what was applied: the topic was made again
 *     SCHEMA         the answer has another form than that of the inbox
 *     PERMISSION, AGAIN, TIMEOUT, NOT_CONNECTED, NO_MEMORY
 *
 * Blocks until the server has answered: one round trip. One thread at a time for each connection.
 */
OUTBOX_API int outbox_pg_window_open(PGconn *pg, const struct outbox_window_place *place, struct outbox_window **window,
                                     struct outbox_error *error);

/*
 * Write the row of a window in the transaction that applies its messages, once, before the commit. Without a message
 * since the last save nothing is sent.
 *
 * Returns OUTBOX_OK or
 *     INVALID        an argument is NULL, or no transaction is open; nothing was sent
 *     FENCED         another consumer has changed the row, or an earlier transaction of this one was not committed
 *     NOT_FOUND, PERMISSION, READ_ONLY, FULL, AGAIN, TIMEOUT, NOT_CONNECTED
 * After an error roll back, close the window and open it again.
 *
 * Blocks until the server has answered: one round trip. One thread at a time for each connection and window.
 */
OUTBOX_API int outbox_pg_window_save(PGconn *pg, struct outbox_window *window, struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
