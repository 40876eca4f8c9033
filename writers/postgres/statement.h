/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/statement.h - the INSERT and its parameters
 *
 * Columns without a value are left out: the table may lack them, or has a default. The payload goes in binary form
 * where that is the bytes themselves, without a copy; every other value goes as text, which libpq wants with a NUL.
 */
#ifndef OBX_WRITERS_POSTGRES_STATEMENT_H
#define OBX_WRITERS_POSTGRES_STATEMENT_H

#include "event.h"
#include "params.h"

/* table: TABLE or SCHEMA.TABLE, quoted as identifiers. The caller frees the text. NULL: no memory. */
char *pg_insert_statement(const char *table, const struct outbox_event *event, bool returning_id);

/* "SELECT name_emit(...)" with the event's values as parameters, without the defaults; `headers` and the event id are
 * named. As above. */
char *pg_emit_statement(const char *table, const struct outbox_event *event);

/* Bytes that the copies need. */
size_t pg_insert_room(const struct outbox_event *event);
/* payload_type: the OID of the column's type. room: where values are copied that need a NUL; the caller's until the
 * statement was sent. Returns EVENT_COLUMNS, or the column whose text has a NUL in it. */
int pg_insert_params(const struct outbox_event *event, uint32_t payload_type, struct pg_params *params, char *room);

#endif
