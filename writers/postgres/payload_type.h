/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/payload_type.h - the type of a table's payload column, remembered with the connection
 *
 * It is requested once for each connection and table, in one more round trip. libpq keeps the answers
 * (PQsetInstanceData): they go when the connection is reset or closed. An INSERT that fails forgets them, since the
 * table may have changed.
 */
#ifndef OBX_WRITERS_POSTGRES_PAYLOAD_TYPE_H
#define OBX_WRITERS_POSTGRES_PAYLOAD_TYPE_H

#include <libpq-fe.h>

#include <outbox/error.h>

/* *type gets the OID. what: begins the error text. */
int pg_payload_type(PGconn *pg, const char *table, const char *what, Oid *type, struct outbox_error *error);
void pg_payload_types_forget(PGconn *pg);
/* Fill `error`, which may be NULL, from a result that failed; frees the result and forgets the types of the connection.
 * Returns the code. */
int pg_insert_failed(PGconn *pg, PGresult *result, const char *what, struct outbox_error *error);

#endif
