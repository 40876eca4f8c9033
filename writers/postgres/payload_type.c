/* SPDX-License-Identifier: Apache-2.0 */
/* writers/postgres/payload_type.c - see payload_type.h */
#include "payload_type.h"

#include <libpq-events.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "statement.h"

/* One table of one connection; a list. */
struct table_type {
    struct table_type *next;
    Oid payload;
    char table[];
};

/* ---- the memory of a connection ------------------------------------------------------------------------------ */

static void free_list(struct table_type *list)
{
    while (list) {
        struct table_type *next = list->next;
        free(list);
        list = next;
    }
}

/* Called by libpq, which also identifies our data by this function. */
static int on_event(PGEventId id, void *info, void *pass_through)
{
    (void)pass_through;
    if (id == PGEVT_CONNRESET)
        pg_payload_types_forget(((PGEventConnReset *)info)->conn);
    else if (id == PGEVT_CONNDESTROY)
        pg_payload_types_forget(((PGEventConnDestroy *)info)->conn);
    return 1;
}

void pg_payload_types_forget(PGconn *pg)
{
    free_list(PQinstanceData(pg, on_event));
    PQsetInstanceData(pg, on_event, NULL);
}

static const struct table_type *find(const PGconn *pg, const char *table)
{
    struct table_type *entry = PQinstanceData(pg, on_event);
    while (entry && strcmp(entry->table, table) != 0)
        entry = entry->next;
    return entry;
}

/* Without memory the type is requested again the next time. */
static void cache_type(PGconn *pg, const char *table, Oid payload)
{
    size_t size = strlen(table) + 1;
    struct table_type *entry = malloc(sizeof *entry + size);
    if (!entry)
        return;
    memcpy(entry->table, table, size);
    entry->payload = payload;
    PQregisterEventProc(pg, on_event, "outbox", NULL); /* fails if it is registered already, which is no failure */
    entry->next = PQinstanceData(pg, on_event);
    if (!PQsetInstanceData(pg, on_event, entry))
        free(entry);
}

/* ---- the query ----------------------------------------------------------------------------------------------- */

int pg_insert_failed(PGconn *pg, PGresult *result, const char *what, struct outbox_error *error)
{
    struct outbox_error own;
    if (PQresultErrorField(result, PG_DIAG_SQLSTATE))
        pg_error_of_result(&own, what, result);
    else
        pg_error_of_conn(&own, what, pg);
    PQclear(result);
    pg_payload_types_forget(pg);
    if (error)
        *error = own;
    return own.code;
}

static PGresult *describe_insert(PGconn *pg, const char *sql)
{
    PGresult *result = PQprepare(pg, "", sql, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return result;
    PQclear(result);
    return PQdescribePrepared(pg, "");
}

/* The fourth parameter of an INSERT of the four columns that every outbox has. */
static int query_type(PGconn *pg, const char *table, const char *what, Oid *type, struct outbox_error *error)
{
    const struct outbox_bytes some = {"", 0};
    const struct outbox_event event = {.aggregate_type = some, .aggregate_id = some, .type = some, .payload = some};
    struct outbox_pg_statement *statement;
    int code = pg_statement_new(table, &event, PG_STATEMENT_INSERT, PG_OID_TEXT, what, &statement, error);
    if (code)
        return code;
    PGresult *result = describe_insert(pg, statement->sql);
    outbox_pg_statement_free(statement);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return pg_insert_failed(pg, result, what, error);
    *type = PQnparams(result) == 4 ? PQparamtype(result, 3) : 0; /* 0: the value goes as text */
    PQclear(result);
    return OUTBOX_OK;
}

int pg_payload_type(PGconn *pg, const char *table, const char *what, Oid *type, struct outbox_error *error)
{
    const struct table_type *known = find(pg, table);
    if (known) {
        *type = known->payload;
        return OUTBOX_OK;
    }
    int code = query_type(pg, table, what, type, error);
    if (!code)
        cache_type(pg, table, *type);
    return code;
}
