/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/setup.c - the SQL of the tables and of the grants; setup is one transaction */
#include <stdio.h>
#include <string.h>

#include "store.h"

/* Deleted rows should be vacuumed soon, with little scanning. */
#define STORAGE                                                                        \
    "WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000,\n" \
    "      autovacuum_vacuum_cost_delay = 0)"

/* NAME_emit() takes any bytes. */
static const char *payload_type(const struct sql_store *store)
{
    static const char *const types[] = {
        [SQL_PAYLOAD_TEXT] = "text", [SQL_PAYLOAD_JSON] = "json", [SQL_PAYLOAD_BYTEA] = "bytea"};
    return types[sql_captures(store) ? SQL_PAYLOAD_BYTEA : store->payload_type];
}

/* JSON that the relay reads as headers. By its text, so that the column may become jsonb. The table of a store that
 * captures takes what the log had. */
static void append_headers_check(const struct sql_store *store, struct obx_sql_text *sql)
{
    if (!sql_captures(store))
        obx_sql_text_format(sql, ",\n    CHECK (%n::text ~ '^\\s*(\\{|null|\\[\\s*\\])')",
                            obx_sql_column(&store->column_names, "headers"));
}

static void create_outbox(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *const types[] = {"bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                                 "uuid NOT NULL DEFAULT gen_random_uuid()",
                                 "text NOT NULL",
                                 "text NOT NULL",
                                 "text NOT NULL",
                                 payload_type(store),
                                 "json",
                                 "timestamptz NOT NULL DEFAULT now()"};
    sql_append_create_outbox(store, sql, types);
    append_headers_check(store, sql);
    obx_sql_text_puts(sql, "\n) " STORAGE);
}

static void create_dead(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *const types[] = {"uuid", "text", "text", "text", payload_type(store), "json", "timestamptz"};
    sql_append_create_dead(
        store, sql,
        " (\n    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
        "    outbox_id bigint NOT NULL,\n",
        types, "",
        "    topic text,\n    key bytea,\n    reason text NOT NULL,\n    attempts integer NOT NULL,\n"
        "    died_at timestamptz NOT NULL DEFAULT now(),\n    rest jsonb\n)");
}

bool pg_statement(const struct sql_store *store, struct obx_sql_text *sql, int index)
{
    obx_sql_text_clear(sql);
    if (index == 0)
        create_outbox(store, sql);
    else if (index == 1)
        create_dead(store, sql);
    else if (sql_captures(store))
        return pg_capture_statement(store, sql, index - 2);
    else if (store->wakeup == PG_WAKEUP_TRIGGER && index < 2 + PG_TRIGGER_STATEMENTS)
        pg_trigger_sql(pg_store_in(store), sql, index - 2);
    else
        return false;
    return true;
}

static int step_of(const struct sql_store *store, int index)
{
    return index < 2 || !sql_captures(store) ? 0 : pg_capture_step_of(store, index - 2);
}

/* One transaction of those that `capture: logical` needs; else there is one. */
bool pg_put_setup(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = {.host = store->host};
    int64_t step = sql_op_of(request)->sequence;
    /* A session that waits for a lock on the table blocks all later requests: so the wait is short. */
    bool fine = pg_send_text(request, "SELECT set_config('lock_timeout', '5s', true)", NULL);
    for (int n = 0; fine && pg_statement(store, &sql, n); n++)
        fine = step_of(store, n) != step || (!sql.failed && pg_send_text(request, obx_sql_text_get(&sql), NULL));
    obx_sql_text_free(&sql);
    return fine && pg_put_probe(request);
}

bool pg_setup_goes_on(struct sql_op *op)
{
    return pg_store_in(op->store)->capture_mode == PG_CAPTURE_LOGICAL && op->sequence++ < PG_CAPTURE_STEPS - 1;
}

void pg_setup_result(struct sql_request *request, void *result)
{
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQnfields(result) > 1)
        pg_on_probe(request, result);
    else
        PQclear(result);
}

/* ---- what is there -------------------------------------------------------------------------------------------------
 */

void pg_append_missing(const struct sql_store *store, struct obx_sql_text *sql)
{
    struct sql_table_name position = store->outbox;
    snprintf(position.name, sizeof position.name, "%.*s", OUTBOX_CUT(store->capture.position_name, 64));
    obx_sql_text_puts(sql, "SELECT pg_catalog.num_nulls(pg_catalog.to_regclass(");
    sql_append_table_literal(store, sql, &store->outbox);
    obx_sql_text_puts(sql, "), pg_catalog.to_regclass(");
    sql_append_table_literal(store, sql, &store->dead);
    obx_sql_text_puts(sql, ")");
    if (sql_captures(store)) {
        obx_sql_text_puts(sql, ", pg_catalog.to_regclass(");
        sql_append_table_literal(store, sql, &position);
        obx_sql_text_puts(sql, ")");
    }
    if (store->wakeup == PG_WAKEUP_TRIGGER) {
        obx_sql_text_puts(sql, ", (SELECT t.oid FROM pg_catalog.pg_trigger t WHERE t.tgname OPERATOR(pg_catalog.=) "
                               "'outbox_wakeup' AND t.tgrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(");
        sql_append_table_literal(store, sql, &store->outbox);
        obx_sql_text_puts(sql, "))");
    }
    obx_sql_text_puts(sql, ")");
}

void pg_append_alike(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(
        sql,
        "SELECT pg_catalog.concat(n.nspname, '.', c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
        "ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname "
        "OPERATOR(pg_catalog.=) %l AND pg_catalog.lower(pg_catalog.replace(c.relname::pg_catalog.text, '_', '')) "
        "OPERATOR(pg_catalog.=) pg_catalog.lower(pg_catalog.replace(%l, '_', '')) LIMIT 1",
        sql_schema_of(store, &store->outbox), store->outbox.name);
}

/* ---- grants -------------------------------------------------------------------------------------------------------
 */

static const char *relay_role(const struct sql_store *store)
{
    for (const PQconninfoOption *o = pg_store_in(store)->target.parsed; o && o->keyword; o++)
        if (!strcmp(o->keyword, "user") && o->val && *o->val)
            return o->val;
    return "relay";
}

void pg_put_grants(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *role = relay_role(store), *schema = *store->outbox.schema ? store->outbox.schema : "public";
    obx_sql_text_format(sql, "-- the relay\nGRANT USAGE ON SCHEMA %n TO %n;\nGRANT SELECT, DELETE ON ", schema, role);
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " TO %n;\nGRANT SELECT, INSERT, DELETE ON ", role);
    sql_append_dead(store, sql);
    obx_sql_text_format(sql, " TO %n;\n-- for 'outbox add' and 'outbox dead replay'\n-- GRANT INSERT ON ", role);
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " TO %n;\n", role);
    if (sql_captures(store)) {
        obx_sql_text_puts(sql, "GRANT INSERT ON ");
        sql_append_outbox(store, sql);
        obx_sql_text_format(sql, " TO %n;\nGRANT SELECT, UPDATE ON ", role);
        sql_capture_append_table(store, sql);
        obx_sql_text_format(sql, " TO %n;\n", role);
    }
    obx_sql_text_format(sql, "-- each application that writes events\nGRANT USAGE ON SCHEMA %n TO \"application\";\n",
                        schema);
    sql_append_writer_grants(store, sql, "\"application\"");
    if (pg_store_in(store)->capture_mode == PG_CAPTURE_LOGICAL)
        obx_sql_text_format(sql, "\n-- for the logical slot\nALTER ROLE %n REPLICATION;", role);
    else if (store->wakeup == PG_WAKEUP_WAL || sql_captures(store))
        obx_sql_text_format(sql,
                            "\n-- for the server's log; a role with it may read all data of the server\n"
                            "ALTER ROLE %n REPLICATION;\n-- and in pg_hba.conf: host replication %n ADDRESS METHOD",
                            role, role);
}
