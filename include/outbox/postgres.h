/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/postgres.h - add an event in the caller's own Postgres transaction
 *
 * Link with liboutbox-postgres (pkg-config outbox-postgres) and libpq. The event commits or rolls back with whatever
 * else the transaction does; outside a transaction it is one of its own. Use each connection on one thread at a time.
 * For order per key, lock what the key stands for (the order, the account) before adding its event.
 *
 * In any other language the same is
 *     INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ($1, $2, $3, $4)
 */
#ifndef OUTBOX_POSTGRES_H
#define OUTBOX_POSTGRES_H

#include <libpq-fe.h>

#include <outbox/error.h>
#include <outbox/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* table: NULL for "outbox"; TABLE or SCHEMA.TABLE, each part taken as it is written and quoted. event: see struct
 * outbox_event in event.h; aggregate_type, aggregate_id and type are required. The payload column may be text, bytea,
 * json or jsonb; its type is asked for with the first event of a connection and table, which takes one more round
 * trip. id, if not NULL, gets the row's id, for which the role needs SELECT on it. Blocks; not for pipeline mode.
 * Errors: INVALID, NOT_FOUND (no such table), SCHEMA, PERMISSION, READ_ONLY, AGAIN, FULL, NOT_CONNECTED; a transaction
 * has then failed and is the caller's to roll back. */
OUTBOX_API int outbox_pg_add(PGconn *pg, const char *table, const struct outbox_event *event, int64_t *id,
                             struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
