/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/statement.h - the statement for one event, and its parameters
 *
 * Columns without a value are left out: the table may lack them, or has a default. The payload goes in binary form
 * where that is the bytes themselves, without a copy; every other value goes as text, which libpq wants with a NUL.
 * Everything of this library that sends an event sends what is made here; outbox_pg_statement() gives it to callers.
 */
#ifndef OBX_WRITERS_POSTGRES_STATEMENT_H
#define OBX_WRITERS_POSTGRES_STATEMENT_H

#include <outbox/postgres.h>

#include "event.h"
#include "params.h"

enum pg_statement_kind {
    PG_STATEMENT_INSERT,
    PG_STATEMENT_INSERT_ID, /* ... RETURNING id */
    PG_STATEMENT_EMIT       /* "SELECT table_emit(...)" */
};

/* table: TABLE or SCHEMA.TABLE, quoted as identifiers. payload_type: the OID of the column's type. The event has passed
 * pg_event_check(); its payload is borrowed until outbox_pg_statement_free(). what: begins the error text. Errors:
 * INVALID for a NUL in a text, NO_MEMORY. */
int pg_statement_new(const char *table, const struct outbox_event *event, enum pg_statement_kind kind, Oid payload_type,
                     const char *what, struct outbox_pg_statement **statement, struct outbox_error *error);

#endif
