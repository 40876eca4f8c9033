/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/emit.c - outbox_pg_emit(): an event as a message in the server's log, for `capture: wal`
 *
 * Happy path: check the event, call the function that 'outbox init' has made, with parameters. Failure modes: the
 * server's error; NOT_FOUND if there is no such function. The transaction stays the caller's.
 */
#include <outbox/postgres.h>

#include <string.h>

#include "error.h"
#include "payload_type.h"
#include "statement.h"
#include "writer.h"

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

int outbox_pg_emit(PGconn *pg, const char *table, const struct outbox_event *event, struct outbox_error *error)
{
    struct outbox_pg_statement *statement;
    if (!table)
        table = "outbox";
    struct obx_event_what what = obx_event_what(table);
    if (!pg)
        return pg_fail(error, OUTBOX_E_INVALID, "%s: pg is NULL", what.text);
    int code = pg_event_check(event, what.text, error);
    if (!code)
        code = pg_statement_new(table, event, PG_STATEMENT_EMIT, PG_OID_BYTEA, what.text, &statement, error);
    if (code)
        return code;
    PGresult *result = pg_execute(pg, statement);
    outbox_pg_statement_free(statement);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return fail(pg, result, what.text, error);
    PQclear(result);
    return OUTBOX_OK;
}
