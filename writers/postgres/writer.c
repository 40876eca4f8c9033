/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/writer.c - liboutbox-postgres: add an event in the caller's own transaction
 *
 * The payload goes in binary form where that is the bytes themselves, and else as text; so the type of its column must
 * be known. It is asked for once for each connection and table, and remembered with the connection by libpq's own
 * means (PQsetInstanceData); it is forgotten when the connection is reset or when an insert fails, since the table
 * may have changed.
 */
#include <outbox/postgres.h>

#include <libpq-events.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "params.h"

enum { FIELDS = 6, PAYLOAD = 4 };
static const char *const fields[FIELDS] = {"event_id", "aggregatetype", "aggregateid", "type", "payload", "headers"};

/* What is known about a table, for one connection. */
struct known {
    struct known *next;
    Oid payload;
    char table[];
};

static void forget(struct known **list)
{
    while (*list) {
        struct known *next = (*list)->next;
        free(*list);
        *list = next;
    }
}

/* Called by libpq; data is the connection's instance data. */
static int on_event(PGEventId id, void *info, void *pass_through)
{
    PGconn *pg = NULL;
    (void)pass_through;
    if (id == PGEVT_CONNRESET)
        pg = ((PGEventConnReset *)info)->conn;
    else if (id == PGEVT_CONNDESTROY)
        pg = ((PGEventConnDestroy *)info)->conn;
    if (pg) {
        struct known *list = PQinstanceData(pg, on_event);
        forget(&list);
        PQsetInstanceData(pg, on_event, NULL);
    }
    return 1;
}

static struct known *recall(PGconn *pg, const char *table)
{
    for (struct known *k = PQinstanceData(pg, on_event); k; k = k->next)
        if (!strcmp(k->table, table))
            return k;
    return NULL;
}

static void remember(PGconn *pg, struct known *known)
{
    PQregisterEventProc(pg, on_event, "outbox", NULL); /* fails when it was done before, which is fine */
    known->next = PQinstanceData(pg, on_event);
    if (!PQsetInstanceData(pg, on_event, known))
        free(known);
}

static void drop(PGconn *pg)
{
    struct known *list = PQinstanceData(pg, on_event);
    forget(&list);
    PQsetInstanceData(pg, on_event, NULL);
}

/* ---- the statement ----------------------------------------------------------------------------------------------- */

static void put(char **at, const char *text)
{
    size_t size = strlen(text);
    memcpy(*at, text, size + 1);
    *at += size;
}

static void put_name(char **at, const char *name, size_t size)
{
    *(*at)++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '"')
            *(*at)++ = '"';
        *(*at)++ = name[i];
    }
    put(at, "\"");
}

static struct outbox_bytes field(const struct outbox_event *event, int index)
{
    const struct outbox_bytes all[FIELDS] = {event->event_id, event->aggregate_type, event->aggregate_id,
                                             event->type,     event->payload,        event->headers};
    return all[index];
}

/* Columns that have nothing to hold are left out: the table may not have them, or has a default. */
static char *make_sql(const char *table, const struct outbox_event *event, bool returning)
{
    char *sql = malloc(2 * strlen(table) + 400), *at = sql, number[16];
    const char *dot = strchr(table, '.');
    if (!sql)
        return NULL;
    put(&at, "INSERT INTO ");
    if (dot) {
        put_name(&at, table, (size_t)(dot - table));
        put(&at, ".");
        table = dot + 1;
    }
    put_name(&at, table, strlen(table));
    put(&at, " (");
    for (int i = 0, n = 0; i < FIELDS; i++) {
        if (!field(event, i).data && i != PAYLOAD)
            continue;
        put(&at, n++ ? ", " : "");
        put(&at, fields[i]);
    }
    put(&at, ") VALUES (");
    for (int i = 0, n = 0; i < FIELDS; i++) {
        if (!field(event, i).data && i != PAYLOAD)
            continue;
        snprintf(number, sizeof number, "%s$%d", n ? ", " : "", n + 1);
        n++;
        put(&at, number);
    }
    put(&at, returning ? ") RETURNING id" : ")");
    return sql;
}

static int fail(PGconn *pg, PGresult *result, const char *table, struct outbox_error *error)
{
    char what[96];
    struct outbox_error own;
    snprintf(what, sizeof what, "add an event to %.60s", table);
    if (PQresultErrorField(result, PG_DIAG_SQLSTATE))
        pg_error_of_result(&own, what, result);
    else
        pg_error_of_conn(&own, what, pg);
    PQclear(result);
    drop(pg);
    if (error)
        *error = own;
    return own.code;
}

static int describe(PGconn *pg, const char *table, Oid *payload, struct outbox_error *error)
{
    static const struct outbox_bytes some = {"", 0};
    const struct outbox_event all = {.aggregate_type = some, .aggregate_id = some, .type = some, .payload = some};
    char *sql = make_sql(table, &all, false);
    if (!sql)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "add an event: out of memory");
    PGresult *result = PQprepare(pg, "", sql, 0, NULL);
    free(sql);
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        PQclear(result);
        result = PQdescribePrepared(pg, "");
    }
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return fail(pg, result, table, error);
    *payload = PQparamtype(result, 3);
    PQclear(result);
    return OUTBOX_OK;
}

/* The type of the payload column: remembered, or asked for. */
static int learn(PGconn *pg, const char *table, Oid *payload, struct outbox_error *error)
{
    struct known *known = recall(pg, table);
    if (known) {
        *payload = known->payload;
        return OUTBOX_OK;
    }
    int code = describe(pg, table, payload, error);
    known = code ? NULL : calloc(1, sizeof *known + strlen(table) + 1);
    if (known) { /* without memory it is asked for again the next time */
        strcpy(known->table, table);
        known->payload = *payload;
        remember(pg, known);
    }
    return code;
}

static int check(const char *table, const struct outbox_event *event, struct outbox_error *error)
{
    for (int i = 1; i < PAYLOAD; i++)
        if (!field(event, i).data)
            return pg_fail(error, OUTBOX_E_INVALID, "add an event to %s: %s is missing; every event needs one", table,
                           fields[i]);
    for (int i = 0; i < FIELDS; i++)
        if (field(event, i).size > INT32_MAX - 1)
            return pg_fail(error, OUTBOX_E_INVALID, "add an event to %s: %s is larger than Postgres allows", table,
                           fields[i]);
    return OUTBOX_OK;
}

/* Of these types the binary form is the bytes themselves: nothing to copy. */
static bool is_plain(Oid type)
{
    return type == 17 || type == 25 || type == 1043 || type == 114; /* bytea, text, varchar, json */
}

/* All other values go as text, which ends with a NUL; `room` holds the copies. */
static int collect(const struct outbox_event *event, Oid payload, struct pg_params *params, char *room)
{
    for (int i = 0; i < FIELDS; i++) {
        struct outbox_bytes value = field(event, i);
        if (!value.data && i != PAYLOAD)
            continue;
        if (value.data && !(i == PAYLOAD && is_plain(payload))) {
            if (memchr(value.data, 0, value.size))
                return i;
            memcpy(room, value.data, value.size);
            room[value.size] = '\0';
            pg_param_text(params, room);
            params->formats[params->count - 1] = 0;
            room += value.size + 1;
            continue;
        }
        pg_param_bytes(params, value);
    }
    return FIELDS;
}

static int insert(PGconn *pg, const char *table, const struct outbox_event *event, const struct pg_params *params,
                  int64_t *id, struct outbox_error *error)
{
    char *sql = make_sql(table, event, id != NULL);
    if (!sql)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "add an event: out of memory");
    PGresult *result = PQexecParams(pg, sql, params->count, NULL, params->values, params->lengths, params->formats, 1);
    free(sql);
    if (PQresultStatus(result) != (id ? PGRES_TUPLES_OK : PGRES_COMMAND_OK))
        return fail(pg, result, table, error);
    if (id)
        *id = (int64_t)pg_get_int8(PQgetvalue(result, 0, 0));
    PQclear(result);
    return OUTBOX_OK;
}

int outbox_pg_add(PGconn *pg, const char *table, const struct outbox_event *event, int64_t *id,
                  struct outbox_error *error)
{
    struct pg_params params = {0};
    Oid payload = 0;
    size_t size = FIELDS;
    if (!table)
        table = "outbox";
    int code = check(table, event, error);
    if (code)
        return code;
    code = learn(pg, table, &payload, error);
    if (code)
        return code;
    for (int i = 0; i < FIELDS; i++)
        size += field(event, i).size;
    char *room = malloc(size);
    if (!room)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "add an event: out of memory");
    int bad = collect(event, payload, &params, room);
    if (bad < FIELDS)
        code = pg_fail(error, OUTBOX_E_INVALID, "add an event to %s: there is a NUL in %s, which only bytea can hold",
                       table, fields[bad]);
    else
        code = insert(pg, table, event, &params, id, error);
    free(room);
    return code;
}
