/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/table.c - what the server and the table look like, and how the route's columns are read
 *
 * The table is named once, as text; from then on by the schema in which it was found, whatever search_path says.
 */
#include <stdio.h>
#include <string.h>

#include "store.h"

/* identity: changes whenever what was committed may have been undone: another cluster, another timeline, a restart
 * of the postmaster, or of all its children after one of them crashed (they lose what was not flushed yet). */
const char pg_table_sql[] =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool, "
    "current_setting('server_version_num')::int4, pg_backend_pid(), current_user::text, current_database()::text, "
    "(SELECT oid FROM pg_database WHERE datname = current_database()), "
    "(SELECT system_identifier::text FROM pg_control_system()) || ' ' || "
    "CASE WHEN pg_is_in_recovery() THEN '-' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END || ' ' || "
    "pg_postmaster_start_time()::text || ' ' || coalesce((SELECT string_agg(pid::text, ',' ORDER BY pid) "
    "FROM pg_stat_activity WHERE datid IS NULL AND usesysid IS NULL), ''), "
    "c.oid, coalesce(n.nspname, current_schema())::text, c.relname::text, c.relkind::text, row_security_active(c.oid), "
    "has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'DELETE') "
    "FROM (SELECT to_regclass($1::text) AS oid) w LEFT JOIN pg_class c ON c.oid = w.oid "
    "LEFT JOIN pg_namespace n ON n.oid = c.relnamespace";

const char pg_columns_sql[] =
    "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, NULL), "
    "CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, a.attnotnull, "
    "a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '' "
    "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
    "WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

static void copy(char *to, size_t size, const PGresult *result, int row, int column)
{
    snprintf(to, size, "%s", PQgetisnull(result, row, column) ? "" : PQgetvalue(result, row, column));
}

static bool truth(const PGresult *result, int row, int column)
{
    return !PQgetisnull(result, row, column) && *PQgetvalue(result, row, column);
}

static uint32_t number(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? 0 : pg_get_int4(PQgetvalue(result, row, column));
}

int pg_table_read(struct pg_store *store, const PGresult *result, struct outbox_error *error)
{
    struct pg_server *server = &store->server;
    struct pg_table *table = &store->table;
    if (PQntuples(result) != 1 || PQnfields(result) != 15)
        return pg_fail(error, OUTBOX_E_BUG, "look at the server: an answer of another shape than asked for");
    server->in_recovery = truth(result, 0, 0);
    server->read_only = truth(result, 0, 1);
    server->version = (int)number(result, 0, 2);
    copy(server->user, sizeof server->user, result, 0, 4);
    copy(server->database, sizeof server->database, result, 0, 5);
    server->database_oid = number(result, 0, 6);
    copy(server->identity, sizeof server->identity, result, 0, 7);
    table->oid = number(result, 0, 8);
    copy(table->schema, sizeof table->schema, result, 0, 9);
    copy(table->name, sizeof table->name, result, 0, 10);
    table->relkind = PQgetisnull(result, 0, 11) ? '\0' : *PQgetvalue(result, 0, 11);
    table->row_security = truth(result, 0, 12);
    table->may_select = truth(result, 0, 13);
    table->may_delete = truth(result, 0, 14);
    return OUTBOX_OK;
}

void pg_table_put(const struct pg_store *store, struct obx_sql_text *sql)
{
    const char *schema = *store->schema ? store->schema : store->table.schema;
    obx_sql_text_table(sql, *schema ? schema : NULL, store->name);
}

void pg_table_free(struct pg_store *store)
{
    store->host->release(store->host, store->table.columns);
    store->host->release(store->host, store->wanted);
    store->table.columns = NULL;
    store->table.column_count = 0;
    store->wanted = NULL;
    store->wanted_count = 0;
}

int pg_columns_read(struct pg_store *store, const PGresult *result, struct outbox_error *error)
{
    struct pg_table *table = &store->table;
    int count = PQntuples(result);
    store->host->release(store->host, table->columns);
    table->column_count = 0;
    snprintf(table->id, sizeof table->id, "%s", obx_sql_column(&store->column_names, "id"));
    table->columns = store->host->alloc(store->host, (size_t)count * sizeof *table->columns + 1);
    if (!table->columns)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "look at the table: out of memory");
    for (int i = 0; i < count; i++) {
        struct pg_column *column = &table->columns[i];
        copy(column->name, sizeof column->name, result, i, 0);
        copy(column->type, sizeof column->type, result, i, 1);
        column->base = number(result, i, 2);
        column->not_null = truth(result, i, 3);
        column->has_default = truth(result, i, 4);
    }
    table->column_count = (uint32_t)count;
    return OUTBOX_OK;
}

const struct pg_column *pg_column_find(const struct pg_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!strcmp(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

const struct pg_column *pg_column_of(const struct pg_store *store, const char *logical)
{
    return pg_column_find(&store->table, obx_sql_column(&store->column_names, logical));
}

static const struct {
    Oid oid;
    enum pg_wire wire;
    bool sized;
} wires[] = {
    {25, PG_AS_TEXT, true},   /* text */
    {1043, PG_AS_TEXT, true}, /* varchar */
    {1042, PG_AS_TEXT, true}, /* char(n) */
    {19, PG_AS_TEXT, false},  /* name */
    {114, PG_AS_TEXT, true},  /* json */
    {3802, PG_AS_JSONB, true}, {17, PG_AS_BYTES, true},   {20, PG_AS_INT8, false},    {23, PG_AS_INT4, false},
    {21, PG_AS_INT2, false},   {16, PG_AS_BOOL, false},   {700, PG_AS_FLOAT4, false}, {701, PG_AS_FLOAT8, false},
    {2950, PG_AS_UUID, false}, {1184, PG_AS_TIME, false}, /* timestamptz */
    {1114, PG_AS_TIME, false},                            /* timestamp, taken as UTC */
};

static void choose_wire(struct pg_wanted *wanted, const struct pg_column *column)
{
    snprintf(wanted->type, sizeof wanted->type, "%s", column->type);
    for (unsigned i = 0; i < sizeof wires / sizeof *wires; i++) {
        if (wires[i].oid != column->base)
            continue;
        wanted->wire = wires[i].wire;
        wanted->sized = wires[i].sized;
        return;
    }
    wanted->wire = PG_AS_TEXT; /* enums, numeric, arrays, what not: as the server prints them */
    wanted->cast = true;
    snprintf(wanted->type, sizeof wanted->type, "text");
}

static void list_columns(const struct pg_table *table, char *to, size_t size)
{
    size_t at = 0;
    to[0] = '\0';
    for (uint32_t i = 0; i < table->column_count && at + 1 < size; i++)
        at += (size_t)snprintf(to + at, size - at, "%s%s", i ? ", " : "", table->columns[i].name);
}

static int missing(const struct pg_store *store, const struct pg_wanted *wanted, struct outbox_error *error)
{
    char list[160];
    list_columns(&store->table, list, sizeof list);
    return pg_fail(
        error, OUTBOX_E_SCHEMA,
        "table %s.%s has no column \"%s\"; it has %s; name the right one under columns:, or change the route",
        store->table.schema, store->table.name, wanted->name, list);
}

static int check_id(struct pg_store *store, struct outbox_error *error)
{
    const char *name = store->table.id;
    const struct pg_column *id = pg_column_find(&store->table, name);
    if (!id)
        return pg_fail(
            error, OUTBOX_E_SCHEMA,
            "table %s.%s has no column \"%s\" that orders its rows; add one: ALTER TABLE %s.%s ADD COLUMN %s "
            "bigint GENERATED ALWAYS AS IDENTITY UNIQUE, and name it under columns: { id: ... } if it is not id",
            store->table.schema, store->table.name, name, store->table.schema, store->table.name, name);
    if (id->base != PG_OID_INT8)
        return pg_fail(
            error, OUTBOX_E_SCHEMA,
            "column \"%s\" of table %s.%s is of type %s, which cannot order an outbox; it must be bigint: add "
            "seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE and set columns: { id: seq, event_id: %s }",
            name, store->table.schema, store->table.name, id->type, name);
    return OUTBOX_OK;
}

int pg_columns_choose(struct pg_store *store, const struct outbox_store_start *start, struct outbox_error *error)
{
    if (check_id(store, error))
        return error->code;
    store->host->release(store->host, store->wanted);
    store->wanted_count = 0;
    store->wanted = store->host->alloc(store->host, start->column_count * sizeof *store->wanted + 1);
    if (!store->wanted)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "look at the columns: out of memory");
    store->wanted_count = start->column_count;
    for (uint32_t i = 0; i < start->column_count; i++) {
        struct pg_wanted *wanted = &store->wanted[i];
        const char *logical = start->columns[i].name;
        snprintf(wanted->logical, sizeof wanted->logical, "%s", logical);
        snprintf(wanted->name, sizeof wanted->name, "%s", obx_sql_column(&store->column_names, logical));
        const struct pg_column *column = pg_column_find(&store->table, wanted->name);
        if (column)
            choose_wire(wanted, column);
        else if (!(start->columns[i].flags & OUTBOX_COLUMN_OPTIONAL))
            return missing(store, wanted, error);
        wanted->sized = wanted->sized && obx_sql_may_be_large(logical);
    }
    return OUTBOX_OK;
}
