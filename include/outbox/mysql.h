/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/mysql.h - add an event in the caller's own MySQL or MariaDB transaction; drop duplicates in the consumer's
 *
 * Link with liboutbox-mysql (pkg-config outbox-mysql) and the client library. The event commits or rolls back with the
 * rest of the transaction; with autocommit on and no transaction open it is one by itself. For order within a key, lock
 * what the key stands for (the order, the account) before adding its event.
 *
 * In any other language the same is
 *     INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES (?, ?, ?, ?)
 */
#ifndef OUTBOX_MYSQL_H
#define OUTBOX_MYSQL_H

#include <stdbool.h>

#include <mysql.h>

#include <outbox/error.h>
#include <outbox/event.h>
#include <outbox/window.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Insert one event into an outbox table, and prove that one row was inserted.
 *
 * mysql  an open connection without a result that was not read
 * table  NULL for "outbox"; TABLE or DATABASE.TABLE, each part quoted as an identifier
 * event  see outbox/event.h; aggregate_type, aggregate_id and type are required. They, event_id and headers must be
 * UTF-8, whatever the character set of the connection is; headers must be null or a JSON object. The payload column may
 *        be of a BLOB, TEXT or JSON type; bytes that are not UTF-8 need a BLOB. Values travel as hexadecimal digits, so
 * a payload may have half of max_allowed_packet bytes. Everything is borrowed during the call. id     gets the row's
 * id, which must be AUTO_INCREMENT; NULL if it is not needed. Unchanged after a failure. error  gets the reason of a
 * failure; may be NULL
 *
 * Returns OUTBOX_OK or
 *     INVALID        the event, before anything was sent; a value that the server refused; or no row was inserted
 *     NOT_FOUND      there is no such table
 *     SCHEMA         the table lacks a column, or the row got no AUTO_INCREMENT id
 *     AGAIN          a deadlock, after which the transaction is gone (begin it again), or a lock timeout
 *     PERMISSION, READ_ONLY, FULL, NOT_CONNECTED, NO_MEMORY
 * Roll back after SCHEMA: the row may be there.
 *
 * Blocks until the server has answered: one round trip. One thread at a time for each connection; any number of
 * connections at once.
 */
OUTBOX_API int outbox_mysql_add(MYSQL *mysql, const char *table, const struct outbox_event *event, int64_t *id,
                                struct outbox_error *error);

/*
 * Insert many events, in the order given: all of them, or none.
 *
 * mysql   as above
 * table   as above
 * events  `count` events, as above; borrowed during the call
 * count   0 succeeds; all are one statement, which must fit into max_allowed_packet
 * error   gets the reason of the first failure, with the number of its event; may be NULL
 *
 * Returns what outbox_mysql_add() returns. Outside of a transaction the call is one transaction by itself. After an
 * error no event of the call is there.
 *
 * Blocks: one round trip.
 */
OUTBOX_API int outbox_mysql_add_many(MYSQL *mysql, const char *table, const struct outbox_event *const *events,
                                     uint32_t count, struct outbox_error *error);

/*
 * The statement that outbox_mysql_add() and outbox_mysql_add_many() send, for a program that sends it by itself: with
 * mysql_real_query_nonblocking(), mysql_real_query_start(), or a driver of its own. Sends nothing, and does not block.
 * Any thread.
 *
 * table   as above
 * events  `count` events, as above; borrowed during the call
 * count   1 or more
 * sql     gets one INSERT with a NUL at its end; outbox_mysql_statement_free() frees it; NULL after a failure
 * size    gets its size in bytes without the NUL; may be NULL
 * error   gets the reason of a failure; may be NULL
 *
 * The values are hexadecimal digits, so the statement is ASCII but for the name of the table.
 *
 * Returns OUTBOX_OK, INVALID or NO_MEMORY. The events are inserted if the server reports `count` affected rows; roll
 * back if it reports another number.
 */
OUTBOX_API int outbox_mysql_statement(const char *table, const struct outbox_event *const *events, uint32_t count,
                                      char **sql, size_t *size, struct outbox_error *error);
OUTBOX_API void outbox_mysql_statement_free(char *sql); /* NULL is fine */

/*
 * For consumers: which of these events has this consumer not applied yet? Uses the table that
 * 'outbox init --inbox' creates, in the connection's database; see docs/INBOX.md.
 *
 * mysql     an open connection without a result in progress; in a transaction, or with autocommit off
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
 *     NOT_FOUND      there is no inbox in the connection's database; run 'outbox init --inbox'
 *     SCHEMA         the answer has another form than that of the inbox
 *     AGAIN          a deadlock: the transaction is gone; or a lock wait that took too long
 *     PERMISSION, READ_ONLY, FULL, TIMEOUT, NOT_CONNECTED, IO, NO_MEMORY
 * Roll back after all of them but INVALID.
 *
 * Blocks until the server has answered: one round trip for each 1,000 ids, two if some of them are new and some are
 * not. One thread at a time for each connection; any number of connections at once.
 *
 * In any other language: docs/INBOX.md.
 */
OUTBOX_API int outbox_mysql_inbox_take(MYSQL *mysql, const char *consumer, const struct outbox_bytes *ids, size_t count,
                                       bool *is_new, struct outbox_error *error);

/*
 * For consumers of Kafka, the inbox of level 2: open the window of a partition, by its row in the table that
 * 'outbox init --inbox' creates; see outbox/window.h and docs/INBOX.md.
 *
 * mysql   an open connection
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
OUTBOX_API int outbox_mysql_window_open(MYSQL *mysql, const struct outbox_window_place *place,
                                        struct outbox_window **window, struct outbox_error *error);

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
OUTBOX_API int outbox_mysql_window_save(MYSQL *mysql, struct outbox_window *window, struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
