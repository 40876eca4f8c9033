/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/table.c - the properties of the server and of the table
 *
 * The first query finds the outbox by its configured name and the role's search path; later ones name the schema in
 * which it was found, and run with a search path to which no other role can add objects: see conn.h.
 */
#include <stdio.h>
#include <string.h>

#include "check_facts.h"

/* By the role's own path, so without operators and with qualified functions. The answers are kept for the transaction.
 */
static const char find_sql[] =
    "SELECT pg_catalog.set_config('outbox.table', coalesce(pg_catalog.to_regclass($1::pg_catalog.text)"
    "::pg_catalog.oid::pg_catalog.text, '0'), true), "
    "pg_catalog.set_config('outbox.schema', coalesce(pg_catalog.current_schema()::pg_catalog.text, ''), true)";

/* identity: changes whenever committed data may have been lost: another cluster, another timeline, a restart of the
 * postmaster, or of all backends after one crashed (unflushed WAL is lost). */
static const char server_sql[] =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool, "
    "current_setting('server_version_num')::int4, pg_backend_pid(), current_user::text, current_database()::text, "
    "(SELECT system_identifier::text FROM pg_control_system()) || ' ' || "
    "CASE WHEN pg_is_in_recovery() THEN '-' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END || ' ' || "
    "pg_postmaster_start_time()::text || ' ' || coalesce((SELECT string_agg(pid::text, ',' ORDER BY pid) "
    "FROM pg_stat_activity WHERE datid IS NULL AND usesysid IS NULL), ''), "
    "c.oid, coalesce(n.nspname::text, current_setting('outbox.schema')), c.relkind::text, row_security_active(c.oid), "
    "has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'DELETE'), "
    "(" PG_LACKS_IDENTITY(
        "w.oid") ") AND EXISTS (SELECT FROM pg_publication p, "
                 "pg_get_publication_tables(p.pubname::text) g WHERE p.pubdelete AND g.relid = w.oid), "
                 "(SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) "
                 "FROM (SELECT current_setting('outbox.table')::oid AS oid) w LEFT JOIN pg_class c ON c.oid = w.oid "
                 "LEFT JOIN pg_namespace n ON n.oid = c.relnamespace";
enum {
    RECOVERY,
    READ_ONLY,
    VERSION,
    PID,
    USER,
    DATABASE,
    IDENTITY,
    OID,
    SCHEMA,
    KIND,
    SECURITY,
    SELECT,
    DELETE,
    UNREMOVABLE,
    DATABASE_OID
};

/* A domain, of any depth, is read as its base type. Without a limit of its length: "bpchar", not "character", which is
 * one character. */
static const char columns_sql[] =
    "SELECT a.attname::text, b.oid::text, "
    "pg_catalog.format_type(b.oid, -1), NULL, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', "
    "quote_ident(n.nspname) || '.' || quote_ident(y.typname), a.attidentity <> '' OR EXISTS (SELECT FROM pg_attrdef x "
    "WHERE x.adrelid = a.attrelid AND x.adnum = a.attnum AND pg_get_expr(x.adbin, x.adrelid) LIKE 'nextval(%'), "
    "EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indisunique AND "
    "i.indisvalid AND i.indpred IS NULL) AND NOT EXISTS (SELECT FROM pg_inherits h JOIN pg_class p ON p.oid = "
    "h.inhparent WHERE p.oid = a.attrelid AND p.relkind = 'r') "
    "FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid JOIN pg_namespace n ON n.oid = y.typnamespace, LATERAL "
    "(WITH RECURSIVE d(oid, base) AS (SELECT t.oid, t.typbasetype FROM pg_type t "
    "WHERE t.oid = a.atttypid UNION ALL SELECT t.oid, t.typbasetype FROM d JOIN pg_type t ON t.oid = d.base) "
    "SELECT d.oid FROM d WHERE d.base = 0) b "
    "WHERE a.attrelid = current_setting('outbox.table')::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const struct sql_column_type pg_types[] = {
    /* text, varchar, char(n), name, json, jsonb, bytea */
    {"25", PG_AS_TEXT, true, NULL},
    {"1043", PG_AS_TEXT, true, NULL},
    {"1042", PG_AS_TEXT, true, NULL},
    {"19", PG_AS_TEXT, false, NULL},
    {"114", PG_AS_TEXT, true, NULL},
    {"3802", PG_AS_JSONB, true, NULL},
    {"17", PG_AS_BYTES, true, NULL},
    /* bigint, integer, smallint, boolean, real, double precision, uuid */
    {"20", PG_AS_INT8, false, NULL},
    {"23", PG_AS_INT4, false, NULL},
    {"21", PG_AS_INT2, false, NULL},
    {"16", PG_AS_BOOL, false, NULL},
    {"700", PG_AS_FLOAT4, false, NULL},
    {"701", PG_AS_FLOAT8, false, NULL},
    {"2950", PG_AS_UUID, false, NULL},
    /* timestamptz, timestamp (taken as UTC) */
    {"1184", PG_AS_TIME, false, NULL},
    {"1114", PG_AS_TIME, false, NULL},
    {NULL, 0, false, NULL}};

/* NULL: as it is without us. Of the transaction. */
bool pg_put_path(struct sql_request *request, const char *path)
{
    struct pg_params params = {0};
    pg_param_text(&params, path);
    return pg_send_text(request, "SELECT pg_catalog.set_config('search_path', $1::pg_catalog.text, true)", &params);
}

static bool put_find(struct sql_request *request)
{
    struct obx_sql_text name = {.host = request->store->host};
    struct pg_params params = {0};
    sql_append_outbox(request->store, &name);
    pg_param_text(&params, obx_sql_text_get(&name));
    bool sent = !name.failed && pg_put_path(request, NULL) && pg_send_text(request, find_sql, &params);
    obx_sql_text_free(&name);
    return sent && pg_put_path(request, "pg_catalog, pg_temp");
}

bool pg_put_columns(struct sql_request *request, const struct sql_table_name *table)
{
    static const char choose_sql[] =
        "SELECT pg_catalog.set_config('outbox.table', coalesce(pg_catalog.to_regclass($1::pg_catalog.text)"
        "::pg_catalog.oid::pg_catalog.text, '0'), true)";
    struct obx_sql_text name = {.host = request->store->host};
    struct pg_params params = {0};
    sql_append_table(request->store, &name, table);
    pg_param_text(&params, obx_sql_text_get(&name));
    bool sent = !name.failed && pg_send_text(request, choose_sql, &params);
    obx_sql_text_free(&name);
    return sent && pg_send_text(request, columns_sql, NULL);
}

/* Two results that matter, of the server and the table, and of the columns; before them those of put_find(). */
bool pg_put_probe(struct sql_request *request)
{
    return put_find(request) && pg_send_text(request, server_sql, NULL) && pg_send_text(request, columns_sql, NULL);
}

static void copy(char *to, size_t size, const PGresult *result, int column)
{
    snprintf(to, size, "%s", pg_text(result, 0, column));
}

static void read_server(struct pg_store *store, PGresult *result)
{
    struct pg_server *server = &store->server;
    struct sql_table *table = &store->sql.table;
    server->in_recovery = pg_integer(result, 0, RECOVERY, 0) != 0;
    server->read_only = pg_integer(result, 0, READ_ONLY, 0) != 0;
    server->version = (int)pg_integer(result, 0, VERSION, 0);
    server->owner_pid = (int)pg_integer(result, 0, PID, 0);
    copy(server->user, sizeof server->user, result, USER);
    copy(server->database, sizeof server->database, result, DATABASE);
    copy(server->identity, sizeof server->identity, result, IDENTITY);
    server->database_oid = (uint32_t)pg_integer(result, 0, DATABASE_OID, 0);
    store->table_oid = (uint32_t)pg_integer(result, 0, OID, 0);
    store->row_security = pg_integer(result, 0, SECURITY, 0) != 0;
    store->may_select = pg_integer(result, 0, SELECT, 0) != 0;
    store->may_delete = pg_integer(result, 0, DELETE, 0) != 0;
    store->unremovable = pg_integer(result, 0, UNREMOVABLE, 0) != 0;
    copy(table->schema, sizeof table->schema, result, SCHEMA);
    table->exists = store->table_oid != 0;
    table->is_table = table->exists && strchr("rp", *pg_text(result, 0, KIND));
}

static bool is_answer_to_find(const PGresult *result)
{
    return pg_has_shape(result, 1, 1, "t") || pg_has_shape(result, 1, 1, "tt");
}

void pg_on_probe(struct sql_request *request, void *result)
{
    if (pg_has_shape(result, 0, PG_ANY_ROWS, "ttttbbtbb")) {
        sql_columns_read(request->store, result);
        return;
    }
    if (pg_has_shape(result, 1, 1, "bb44tttottbbbbo"))
        read_server(pg_store_of(request->store), result);
    else if (!is_answer_to_find(result))
        sql_bad_shape(&request->store->start_error, request->what);
    PQclear(result);
}

int pg_server_validate(const struct pg_store *store, struct outbox_error *error)
{
    const struct pg_where where = pg_where(store->owner.pg);
    if (store->server.in_recovery)
        return pg_fail(error, OUTBOX_E_READ_ONLY,
                       "connect to %s: this server is a standby; name the primary in the dsn, or all servers: host=a,b",
                       where.text);
    if (store->server.read_only)
        return pg_fail(
            error, OUTBOX_E_READ_ONLY,
            "connect to %s: the server is read-only (default_transaction_read_only); a relay must delete what "
            "it has published",
            where.text);
    if (store->server.version < 130000)
        return pg_fail(error, OUTBOX_E_UNSUPPORTED,
                       "connect to %s: this server is version %d; 13 is the oldest that works", where.text,
                       store->server.version / 10000);
    return OUTBOX_OK;
}

int pg_table_validate(const struct pg_store *store, struct outbox_error *error)
{
    const char *schema = store->sql.table.schema, *name = store->sql.outbox.name, *user = store->server.user;
    if (sql_table_validate(&store->sql, user, store->server.database, error))
        return error->code;
    if (!store->may_select || !store->may_delete)
        return pg_fail(error, OUTBOX_E_PERMISSION,
                       "inspect table %s.%s: user %s may not %s; as its owner run: GRANT SELECT, DELETE ON %s.%s TO %s",
                       schema, name, user, store->may_select ? "delete from it" : "read it", schema, name, user);
    if (store->row_security)
        return pg_fail(
            error, OUTBOX_E_PERMISSION,
            "inspect table %s.%s: row level security hides rows from user %s; run ALTER ROLE %s BYPASSRLS, or "
            "drop the policies",
            schema, name, user, user);
    if (store->unremovable)
        return pg_fail(
            error, OUTBOX_E_SCHEMA,
            "inspect table %s.%s: a publication has its deletes, and it has neither a primary key nor another "
            "replica identity: the server would refuse to remove events; see 'outbox check'",
            schema, name);
    return OUTBOX_OK;
}
