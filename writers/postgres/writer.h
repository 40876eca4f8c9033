/* SPDX-License-Identifier: Apache-2.0 */
/* writers/postgres/writer.h - what one event and many events have in common */
#ifndef OBX_WRITERS_POSTGRES_WRITER_H
#define OBX_WRITERS_POSTGRES_WRITER_H

#include <outbox/postgres.h>

/* Is it an event that Postgres can take? Errors: INVALID. */
int pg_event_check(const struct outbox_event *event, const char *what, struct outbox_error *error);
/* Has the INSERT inserted one row? id may be NULL. Errors: INVALID, SCHEMA. The result stays the caller's. */
int pg_prove_inserted(const PGresult *result, const char *what, int64_t *id, struct outbox_error *error);
/* Send it, or send it and wait for the result; the results are binary. As PQsendQueryParams() and PQexecParams(). */
int pg_send(PGconn *pg, const struct outbox_pg_statement *statement);
PGresult *pg_execute(PGconn *pg, const struct outbox_pg_statement *statement);

#endif
