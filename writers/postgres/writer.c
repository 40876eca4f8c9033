/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/writer.c - liboutbox-postgres: add an event in the application's own transaction
 *
 * Happy path: check the event, send one INSERT with parameters, and prove that it inserted one row. The first event of
 * a connection and table takes one more round trip, see payload_type.h. Failure modes: the server's error, or a table
 * on which the INSERT did not insert. The transaction stays the caller's.
 */
#include <outbox/postgres.h>

#include <string.h>

#include "error.h"
#include "params.h"
#include "payload_type.h"
#include "statement.h"
#include "writer.h"

static int check_sizes(const struct outbox_event *event, const char *what, struct outbox_error *error)
{
    for (int i = 0; i < EVENT_COLUMNS; i++) {
        if (obx_event_value(event, i).size > INT32_MAX - 1)
            return pg_fail(error, OUTBOX_E_INVALID, "%s: %s has %zu bytes; Postgres allows %d", what,
                           obx_event_columns[i], obx_event_value(event, i).size, INT32_MAX - 1);
    }
    return OUTBOX_OK;
}

int pg_event_check(const struct outbox_event *event, const char *what, struct outbox_error *error)
{
    int code = obx_event_check(event, what, error);
    return code ? code : check_sizes(event, what, error);
}

/* ---- the result ---------------------------------------------------------------------------------------------- */

/* A binary integer of any size. False: the value is none. */
static bool read_integer(const PGresult *result, int64_t *number)
{
    const char *value = PQgetvalue(result, 0, 0);
    int size = PQgetlength(result, 0, 0);
    Oid type = PQftype(result, 0);
    if (PQgetisnull(result, 0, 0) || PQfformat(result, 0) != 1)
        return false;
    if (type == PG_OID_INT8 && size == 8)
        *number = (int64_t)pg_get_int8(value);
    else if (type == PG_OID_INT4 && size == 4)
        *number = (int32_t)pg_get_int4(value);
    else if (type == PG_OID_INT2 && size == 2)
        *number = (int16_t)pg_get_int2(value);
    else
        return false;
    return true;
}

static int read_id(const PGresult *result, const char *what, int64_t *id, struct outbox_error *error)
{
    if (PQntuples(result) == 1 && PQnfields(result) == 1 && read_integer(result, id))
        return OUTBOX_OK;
    return pg_fail(error, OUTBOX_E_SCHEMA,
                   "%s: the id of the row is not one integer; the table's id must be bigint; roll back", what);
}

int pg_prove_inserted(const PGresult *result, const char *what, int64_t *id, struct outbox_error *error)
{
    if (strcmp(PQcmdTuples((PGresult *)(uintptr_t)result), "1") != 0)
        return pg_fail(error, OUTBOX_E_INVALID,
                       "%s: no row was inserted: a trigger or a rule of the table discarded it", what);
    return id ? read_id(result, what, id, error) : OUTBOX_OK;
}

/* ---- the statement ------------------------------------------------------------------------------------------- */

int pg_send(PGconn *pg, const struct outbox_pg_statement *statement)
{
    return PQsendQueryParams(pg, statement->sql, statement->count, NULL, statement->values, statement->lengths,
                             statement->formats, 1);
}

PGresult *pg_execute(PGconn *pg, const struct outbox_pg_statement *statement)
{
    return PQexecParams(pg, statement->sql, statement->count, NULL, statement->values, statement->lengths,
                        statement->formats, 1);
}

static int insert(PGconn *pg, const struct outbox_pg_statement *statement, const char *what, int64_t *id,
                  struct outbox_error *error)
{
    PGresult *result = pg_execute(pg, statement);
    if (PQresultStatus(result) != (id ? PGRES_TUPLES_OK : PGRES_COMMAND_OK))
        return pg_insert_failed(pg, result, what, error);
    int code = pg_prove_inserted(result, what, id, error);
    PQclear(result);
    return code;
}

int outbox_pg_add(PGconn *pg, const char *table, const struct outbox_event *event, int64_t *id,
                  struct outbox_error *error)
{
    Oid payload_type = 0;
    struct outbox_pg_statement *statement = NULL;
    if (!table)
        table = "outbox";
    struct obx_event_what what = obx_event_what(table);
    if (!pg)
        return pg_fail(error, OUTBOX_E_INVALID, "%s: pg is NULL", what.text);
    int code = pg_event_check(event, what.text, error);
    if (!code)
        code = pg_payload_type(pg, table, what.text, &payload_type, error);
    if (!code)
        code = pg_statement_new(table, event, id ? PG_STATEMENT_INSERT_ID : PG_STATEMENT_INSERT, payload_type,
                                what.text, &statement, error);
    if (!code)
        code = insert(pg, statement, what.text, id, error);
    outbox_pg_statement_free(statement);
    return code;
}

int outbox_pg_inserted(const PGresult *result, const char *table, int64_t *id, struct outbox_error *error)
{
    struct outbox_error own;
    struct obx_event_what what = obx_event_what(table ? table : "outbox");
    ExecStatusType status = PQresultStatus(result);
    if (!result)
        return pg_fail(error, OUTBOX_E_INVALID, "%s: result is NULL", what.text);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return pg_prove_inserted(result, what.text, id, error);
    pg_error_of_result(&own, what.text, result);
    if (error)
        *error = own;
    return own.code;
}
