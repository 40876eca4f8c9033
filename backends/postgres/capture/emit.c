/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/emit.c - the SQL of init for `capture: wal` and `logical`
 *
 * The position table and its row, a slot that keeps the log, and the function NAME_emit(), with which an application
 * writes an event: one transactional message with the envelope of envelope.h. The row is made with the end of the log,
 * or the position of the logical slot: so an event that was written between init and the first run is relayed. All is
 * one transaction, but for the slot, which stays if the transaction fails; it may be made again.
 *
 * `logical` has a publication, too. A server before 18 can never read changes that precede it. And a transaction that
 * has written cannot make a logical slot. So there are three transactions: tables and publication; slot; the rest. The
 * slot waits for the end of all transactions that have written, so it is made while no table is locked.
 */
#include <string.h>

#include "../store.h"

static bool is_logical(const struct sql_store *store)
{
    return pg_store_in(store)->capture_mode == PG_CAPTURE_LOGICAL;
}

static void append_function_name(const struct sql_store *store, struct obx_sql_text *sql)
{
    char name[SQL_NAME + 8];
    snprintf(name, sizeof name, "%s_emit", store->outbox.name);
    obx_sql_text_table(sql, sql_schema_of(store, &store->outbox), name);
}

/* An event that cannot go is copied to the table, whose payload may be of another type than bytea: such a payload is
 * refused when it is written. */
static void append_payload_check(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct sql_column *column = sql_column_of(store, "payload");
    if (!column || !strcmp(column->base, PG_BASE_BYTEA))
        return;
    obx_sql_text_puts(sql, "    PERFORM pg_catalog.convert_from(payload, 'UTF8')::");
    pg_append_type(sql, column->type);
    obx_sql_text_puts(sql, ";\n");
}

static void append_body(const struct sql_store *store, struct obx_sql_text *sql)
{
    static const char or_[] = " OPERATOR(pg_catalog.||) ";
    static const char *const texts[] = {"aggregatetype", "aggregateid", "type",
                                        "coalesce(headers::pg_catalog.text, '')"};
    obx_sql_text_puts(sql,
                      "BEGIN\n"
                      "    IF aggregatetype IS NULL OR aggregateid IS NULL OR type IS NULL OR event_id IS NULL THEN\n"
                      "        RAISE not_null_violation USING MESSAGE = 'an event needs aggregatetype, aggregateid, "
                      "type and event_id';\n    END IF;\n"
                      "    IF pg_catalog.jsonb_typeof(headers) OPERATOR(pg_catalog.<>) 'object' AND headers "
                      "OPERATOR(pg_catalog.<>) 'null'\n        AND headers OPERATOR(pg_catalog.<>) '[]' THEN\n"
                      "        RAISE check_violation USING MESSAGE = 'headers must be a JSON object';\n    END IF;\n");
    append_payload_check(store, sql);
    obx_sql_text_format(sql,
                        "    PERFORM pg_catalog.pg_logical_emit_message(true, %l, CASE WHEN payload IS NULL THEN\n"
                        "        CASE WHEN headers IS NULL THEN '\\x0103'::pg_catalog.bytea ELSE '\\x0101' END\n"
                        "        ELSE CASE WHEN headers IS NULL THEN '\\x0102'::pg_catalog.bytea ELSE '\\x0100' END END"
                        "%spg_catalog.uuid_send(event_id)\n       %spg_catalog.timestamptz_send(pg_catalog.now())",
                        pg_store_in(store)->capture.prefix, or_, or_);
    for (int i = 0; i < 4; i++)
        obx_sql_text_format(sql,
                            "\n       %spg_catalog.int4send(pg_catalog.octet_length(pg_catalog.convert_to(%s, 'UTF8')))"
                            "%spg_catalog.convert_to(%s, 'UTF8')",
                            or_, texts[i], or_, texts[i]);
    obx_sql_text_format(sql, "\n       %scoalesce(payload, '\\x'));\n    RETURN event_id;\nEND", or_);
}

static void create_emit(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE OR REPLACE FUNCTION ");
    append_function_name(store, sql);
    obx_sql_text_puts(sql, "(aggregatetype text, aggregateid text, type text, payload bytea,\n"
                           "    headers jsonb DEFAULT NULL, event_id uuid DEFAULT pg_catalog.gen_random_uuid())\n"
                           "RETURNS uuid LANGUAGE plpgsql AS $outbox$\n#variable_conflict use_variable\n");
    append_body(store, sql);
    obx_sql_text_puts(sql, "\n$outbox$");
}

static void create_emit_text(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "CREATE OR REPLACE FUNCTION ");
    append_function_name(store, sql);
    obx_sql_text_puts(sql, "(aggregatetype text, aggregateid text, type text, payload text,\n"
                           "    headers jsonb DEFAULT NULL, event_id uuid DEFAULT pg_catalog.gen_random_uuid())\n"
                           "RETURNS uuid LANGUAGE sql AS $outbox$\n    SELECT ");
    append_function_name(store, sql);
    obx_sql_text_puts(sql, "($1, $2, $3, pg_catalog.convert_to($4, 'UTF8'), $5, $6)\n$outbox$");
}

static void append_slot_name(const struct sql_store *store, struct obx_sql_text *sql)
{
    struct obx_sql_text name = sql_text(store);
    sql_append_outbox(store, &name);
    obx_sql_text_format(sql,
                        "pg_catalog.concat('outbox_', (SELECT oid FROM pg_catalog.pg_database WHERE datname "
                        "OPERATOR(pg_catalog.=) pg_catalog.current_database()), '_', "
                        "%l::pg_catalog.regclass::pg_catalog.oid%s)",
                        obx_sql_text_get(&name), is_logical(store) ? ", '_logical'" : "");
    sql->failed = sql->failed || name.failed;
    obx_sql_text_free(&name);
}

/* The server has removed what it kept: it keeps nothing any more. */
static void drop_lost_slot(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql,
                      "SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) FROM pg_catalog.pg_replication_slots "
                      "s WHERE s.wal_status OPERATOR(pg_catalog.=) 'lost'\n    AND s.slot_name::pg_catalog.text "
                      "OPERATOR(pg_catalog.=) ");
    append_slot_name(store, sql);
}

static void create_slot(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT pg_catalog.pg_create_physical_replication_slot(n.name, true) FROM (SELECT ");
    append_slot_name(store, sql);
    obx_sql_text_puts(sql, " AS name) n\n    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE "
                           "s.slot_name::pg_catalog.text OPERATOR(pg_catalog.=) n.name)");
}

/* From 17 on, the slot goes to the standbys that synchronise slots. */
static void create_logical_slot(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "DO $outbox$\nDECLARE\n    slot pg_catalog.text := ");
    append_slot_name(store, sql);
    obx_sql_text_puts(
        sql, ";\n    failover pg_catalog.text := CASE WHEN "
             "pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 170000\n"
             "        THEN ', false, false, true' ELSE '' END;\n"
             "BEGIN\n    IF NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE "
             "s.slot_name::pg_catalog.text OPERATOR(pg_catalog.=) slot) THEN\n"
             "        EXECUTE pg_catalog.format('SELECT pg_catalog.pg_create_logical_replication_slot(%L, "
             "''pgoutput''%s)', slot, failover);\n    END IF;\nEND\n$outbox$");
}

/* Without rows it is empty: the server requires that it exists. */
static void create_publication(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct pg_store *pg = pg_store_in(store);
    obx_sql_text_format(sql,
                        "DO $outbox$\nBEGIN\n    IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication p WHERE "
                        "p.pubname OPERATOR(pg_catalog.=) %l) THEN\n        CREATE PUBLICATION %n",
                        pg->capture.publication, pg->capture.publication);
    if (pg->capture_rows) {
        obx_sql_text_puts(sql, " FOR TABLE ");
        sql_append_outbox(store, sql);
    }
    obx_sql_text_puts(sql,
                      " WITH (publish = 'insert', publish_via_partition_root = true);\n    END IF;\nEND\n$outbox$");
}

/* Numbers are never used twice, also if the row was lost: the first one is above those of the table and of the dead
 * letters. An operator who gives up log that is lost empties the position: then it becomes the end of the log, and the
 * numbers leave room for what was in flight. */
static void append_upsert(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *const *names = sql_capture_columns;
    obx_sql_text_puts(sql, "\n    ON CONFLICT (id) DO UPDATE SET ");
    for (int i = SQL_CAPTURE_IDENTITY; i <= SQL_CAPTURE_INDEX; i++)
        obx_sql_text_format(sql, "%n = excluded.%n, ", names[i], names[i]);
    obx_sql_text_format(sql, "%n = %n.%n OPERATOR(pg_catalog.+) 1000000000 WHERE %n.%n OPERATOR(pg_catalog.=) ''",
                        names[SQL_CAPTURE_SEQUENCE], store->capture.position_name, names[SQL_CAPTURE_SEQUENCE],
                        store->capture.position_name, names[SQL_CAPTURE_POSITION]);
}

static void append_places(const struct sql_store *store, struct obx_sql_text *sql)
{
    if (!is_logical(store)) {
        obx_sql_text_puts(sql, "pg_catalog.pg_current_wal_insert_lsn() w(lsn)");
        return;
    }
    obx_sql_text_puts(sql, "(SELECT s.confirmed_flush_lsn, s.restart_lsn FROM pg_catalog.pg_replication_slots s\n"
                           "    WHERE s.slot_name::pg_catalog.text OPERATOR(pg_catalog.=) ");
    append_slot_name(store, sql);
    obx_sql_text_puts(sql, ") w(lsn, restart)");
}

static void create_row(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_capture_append_table(store, sql);
    obx_sql_text_puts(sql, " (id");
    for (int i = SQL_CAPTURE_IDENTITY; i < SQL_CAPTURE_COLUMNS; i++)
        obx_sql_text_format(sql, ", %n", sql_capture_columns[i]);
    obx_sql_text_format(
        sql,
        ")\n    SELECT 1, (SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()), "
        "pg_catalog.concat(('x' OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.pg_walfile_name(w.lsn), "
        "1, 8))::pg_catalog.\"bit\"(32)::pg_catalog.int4, ' ', w.%s, ' ', w.lsn), 0,\n    greatest(",
        is_logical(store) ? "restart" : "lsn");
    obx_sql_text_int(sql, SQL_CAPTURE_BASE);
    obx_sql_text_format(sql, ", (SELECT max(%n) FROM ", obx_sql_column(&store->column_names, "id"));
    sql_append_outbox(store, sql);
    obx_sql_text_puts(sql, "), (SELECT max(outbox_id) FROM ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, ")), 0, 0 FROM ");
    append_places(store, sql);
    append_upsert(store, sql);
}

static void create_position(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_capture_append_create(store, sql, "text", "bigint", "\n) WITH (fillfactor = 10)");
}

/* The statements, and in which transaction each is. */
struct statement {
    void (*append)(const struct sql_store *store, struct obx_sql_text *sql);
    int step;
};
static const struct statement wal_statements[] = {
    {drop_lost_slot, 0}, {create_slot, 0}, {create_position, 0}, {create_emit, 0}, {create_emit_text, 0},
    {create_row, 0},     {NULL, 0}};
static const struct statement logical_statements[] = {
    {create_position, 0}, {create_publication, 0}, {drop_lost_slot, 1}, {create_logical_slot, 1},
    {create_emit, 2},     {create_emit_text, 2},   {create_row, 2},     {NULL, 2}};

static const struct statement *statement_at(const struct sql_store *store, int index)
{
    const struct statement *at = is_logical(store) ? logical_statements : wal_statements;
    while (at->append && index--)
        at++;
    return at;
}

int pg_capture_step_of(const struct sql_store *store, int index)
{
    return statement_at(store, index)->step;
}

bool pg_capture_statement(const struct sql_store *store, struct obx_sql_text *sql, int index)
{
    const struct statement *statement = statement_at(store, index);
    if (!statement->append)
        return false;
    pg_capture_name(pg_store_of((struct sql_store *)(uintptr_t)store));
    statement->append(store, sql);
    return true;
}
