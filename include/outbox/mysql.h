/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/mysql.h - add an event in the caller's own MySQL or MariaDB transaction
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

#include <mysql.h>

#include <outbox/error.h>
#include <outbox/event.h>

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

#ifdef __cplusplus
}
#endif
#endif
