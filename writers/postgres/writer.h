/* SPDX-License-Identifier: Apache-2.0 */
/* writers/postgres/writer.h - what one event and many events have in common */
#ifndef OBX_WRITERS_POSTGRES_WRITER_H
#define OBX_WRITERS_POSTGRES_WRITER_H

#include <libpq-fe.h>

#include <outbox/error.h>
#include <outbox/event.h>

/* Is it an event that Postgres can take? Errors: INVALID. */
int pg_event_check(const struct outbox_event *event, const char *what, struct outbox_error *error);
/* Has the INSERT inserted one row? id may be NULL. Errors: INVALID, SCHEMA. The result stays the caller's. */
int pg_prove_inserted(PGresult *result, const char *what, int64_t *id, struct outbox_error *error);

#endif
