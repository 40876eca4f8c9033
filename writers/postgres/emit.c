/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/emit.c - outbox_pg_emit(): an event as a message in the server's log, for `capture: wal`
 *
 * Happy path: check the event, call the function that 'outbox init' has made, with parameters. Failure modes: the
 * server's error; NOT_FOUND if there is no such function. The transaction stays the caller's.
 */
#include <outbox/postgres.h>

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "payload_type.h"
#include "statement.h"

static int fail(PGconn *pg, PGresult *result, const char *what, struct outbox_error *error)
{
    struct outbox_error own;
    pg_insert_failed(pg, result, what, &own);
    if (!strcmp(own.state, "42883"))
        pg_fail(&own, OUTBOX_E_NOT_FOUND, "%s: there is no function for it; run 'outbox init' with capture: wal", what);
    if (error)
        *error = own;
    return own.code;
}

static int run(PGconn *pg, const char *sql, const struct pg_params *params, const char *what,
               struct outbox_error *error)
{
    PGresult *result = PQexecParams(pg, sql, params->count, NULL, params->values, params->lengths, params->formats, 1);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return fail(pg, result, what, error);
    PQclear(result);
    return OUTBOX_OK;
}

static int emit(PGconn *pg, const char *sql, char *room, const struct outbox_event *event, const char *what,
                struct outbox_error *error)
{
    struct pg_params params = {0};
    if (!sql || !room)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
    int column = pg_insert_params(event, PG_OID_BYTEA, &params, room);
    if (column < EVENT_COLUMNS)
        return pg_fail(error, OUTBOX_E_INVALID, "%s: there is a NUL in %s, which only bytea can hold", what,
                       obx_event_columns[column]);
    return run(pg, sql, &params, what, error);
}

int outbox_pg_emit(PGconn *pg, const char *table, const struct outbox_event *event, struct outbox_error *error)
{
    if (!table)
        table = "outbox";
    struct obx_event_what what = obx_event_what(table);
    if (!pg)
        return pg_fail(error, OUTBOX_E_INVALID, "%s: pg is NULL", what.text);
    int code = obx_event_check(event, what.text, error);
    if (code)
        return code;
    char *sql = pg_emit_statement(table, event), *room = malloc(pg_insert_room(event));
    code = emit(pg, sql, room, event, what.text, error);
    free(room);
    free(sql);
    return code;
}
