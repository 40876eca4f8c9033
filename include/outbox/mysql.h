/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/mysql.h - add an event in the caller's own MySQL or MariaDB transaction
 *
 * Link with liboutbox-mysql (pkg-config outbox-mysql) and the client library. The event commits or rolls back with
 * whatever else the transaction does; with autocommit on and no transaction open it is one of its own. Use each
 * connection on one thread at a time. For order per key, lock what the key stands for (the order, the account) before
 * adding its event.
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

/* table: NULL for "outbox"; TABLE or DATABASE.TABLE, each part taken as it is written and quoted. event: see struct
 * outbox_event in event.h; aggregate_type, aggregate_id and type are required, and they and headers must be UTF-8,
 * whatever the connection's character set is. The payload column may be of a BLOB, TEXT or JSON type; bytes that are
 * not UTF-8 need a BLOB. Values travel as hexadecimal digits: a payload may have half of max_allowed_packet. id, if not
 * NULL, gets the row's id. Blocks. Errors: INVALID, NOT_FOUND (no such table), SCHEMA, PERMISSION, READ_ONLY, AGAIN (a
 * deadlock: the transaction is gone, begin it again), FULL, NOT_CONNECTED. */
OUTBOX_API int outbox_mysql_add(MYSQL *mysql, const char *table, const struct outbox_event *event, int64_t *id,
                                struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
