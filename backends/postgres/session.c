/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/session.c - the steps of a start
 *
 * owner: probe the server and the table, mark the session -> reader: is it another session? -> owner: is it still the
 * same session? -> both: set up, prepare statements. A start for administration ends after the probe and changes
 * nothing in the session, so it works through any pooler.
 */
#include <stdio.h>
#include <string.h>

#include "store.h"

void pg_begin_session(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    store->trigger = store->sleeping = false;
    snprintf(store->probe, sizeof store->probe, "%llx", (unsigned long long)sql->host->random(sql->host));
}

static void validate_probe(struct sql_store *sql, struct outbox_error *error)
{
    struct pg_store *store = pg_store_of(sql);
    if (error->code || pg_server_validate(store, error) || !sql_start_is_for_relaying(sql) ||
        pg_table_validate(store, error) || sql_columns_choose(sql, error))
        return;
    if (!pg_claim_build(store) || (sql_captures(sql) && !pg_capture_choose_parts(store)) ||
        !pg_settle_build(store, &sql->settle_sql, false))
        pg_fail(error, OUTBOX_E_NO_MEMORY, "build the statements: out of memory");
}

/* ---- is there a pooler that shares sessions? --------------------------------------------------------------------- */

/* Detects a pooler by a mark on the owner's session: the reader's session must not have it, and the owner's must still
 * have it afterwards. Other settings follow only then: through a pooler they would remain on sessions that others
 * use. */
static bool put_mark(struct sql_request *request)
{
    struct pg_params params = {0};
    pg_param_text(&params, pg_store_of(request->store)->probe);
    return pg_send_text(request, "SELECT set_config('outbox.probe', $1::text, false)", &params);
}

static const char identity_sql[] = "SELECT pg_backend_pid(), current_setting('outbox.probe', true)";

static void on_identity(struct sql_request *request, void *result)
{
    struct pg_store *store = request->arg;
    bool same = pg_integer(result, 0, 0, 0) == store->server.owner_pid;
    bool marked = !strcmp(pg_text(result, 0, 1), store->probe);
    if (!pg_has_shape(result, 1, 1, "4t"))
        sql_bad_shape(&request->store->start_error, request->what);
    if (request->lane == request->store->reader)
        store->pooled = same || marked;
    else
        store->pooled = store->pooled || !same || !marked;
    PQclear(result);
}

static void validate_sessions(struct sql_store *sql, struct outbox_error *error)
{
    const struct pg_store *store = pg_store_of(sql);
    if (!error->code && store->pooled)
        pg_fail(error, OUTBOX_E_UNSUPPORTED,
                "connect to %s: a pooler in transaction mode shares sessions, and the owner of an outbox needs its own "
                "session; connect directly, or through a pool in session mode",
                pg_where(store->reader.pg).text);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* Claims must use the primary key's index whatever the statistics are: an outbox is often analysed while it is empty. A
 * SQL_ASCII database holds any bytes, and would refuse to return bytes that are not UTF-8. */
static const char settings_sql[] =
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', "
    "false), set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false), "
    "set_config('enable_sort', 'off', false), set_config('jit', 'off', false), "
    "set_config('max_parallel_workers_per_gather', '0', false), "
    "set_config('default_transaction_isolation', 'read committed', false), "
    "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
    "ELSE current_setting('synchronous_commit') END, false), "
    "set_config('extra_float_digits', '1', false), "
    "set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' "
    "ELSE 'UTF8' END, false), "
    "set_config('statement_timeout', $1::text, false), set_config('lock_timeout', $1::text, false), "
    "CASE WHEN current_setting('server_version_num')::int4 >= 140000 THEN set_config('idle_session_timeout', '0', "
    "false) END";

static bool put_settings(struct sql_request *request)
{
    char timeout[24];
    struct pg_params params = {0};
    snprintf(timeout, sizeof timeout, "%lld", (long long)request->store->statement_ms);
    pg_param_text(&params, timeout);
    return pg_send_text(request, settings_sql, &params);
}

/* How values are printed that come as text. Not on the owner's session, where triggers run. */
static const char printing_sql[] =
    "SELECT set_config('DateStyle', 'ISO', false), set_config('IntervalStyle', 'postgres', false), "
    "set_config('bytea_output', 'hex', false)";

/* The reader reads, and fires no triggers. Policies that are made later are an error, and not rows that are missing. */
static bool put_reader_settings(struct sql_request *request)
{
    return pg_pin_session(request) && put_settings(request) &&
           pg_send_text(request, "SELECT set_config('row_security', 'off', false)", NULL) &&
           pg_send_text(request, printing_sql, NULL);
}

/* ---- prepared statements ----------------------------------------------------------------------------------------- */

/* The table, its partitions and child tables, and the sequences of their ids. */
static const char relations_sql[] =
    "WITH RECURSIVE t(oid) AS (SELECT $1::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN t ON i.inhparent = "
    "t.oid) SELECT array_agg(oid) FROM (SELECT oid FROM t "
    "UNION SELECT d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' "
    "WHERE d.classid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM t) "
    "UNION SELECT d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = "
    "f.oid JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' WHERE f.adrelid IN (SELECT oid FROM t)) r";

static bool put_prepare_reader(struct sql_request *request)
{
    struct pg_store *store = request->arg;
    struct pg_params params = {0};
    PGconn *pg = pg_of(request);
    pg_param_int4(&params, (int32_t)store->table_oid);
    return pg_send_text(request, relations_sql, &params) && PQsendPrepare(pg, "inspect", pg_inspect_sql, 0, NULL) &&
           PQsendPrepare(pg, "claim", obx_sql_text_get(&store->claim_plain), 0, NULL) &&
           PQsendPrepare(pg, "claim_guarded", obx_sql_text_get(&store->claim_guarded), 0, NULL) &&
           (store->sql.wakeup != PG_WAKEUP_TRIGGER || pg_trigger_listen(store, request));
}

static void on_prepared(struct sql_request *request, void *result)
{
    struct pg_store *store = request->arg;
    struct outbox_bytes value = pg_value(result, 0, 0);
    if (pg_has_shape(result, 1, 1, "b"))
        pg_trigger_found(store, pg_integer(result, 0, 0, 0) != 0);
    else if (pg_has_shape(result, 1, 1, "O") && value.data)
        pg_buf_set(&store->relations, value.data, (uint32_t)value.size);
    else if (PQresultStatus(result) != PGRES_COMMAND_OK)
        sql_bad_shape(&request->store->start_error, request->what);
    PQclear(result);
}

static void validate_prepared(struct sql_store *sql, struct outbox_error *error)
{
    if (!error->code && pg_store_of(sql)->relations.failed)
        pg_fail(error, OUTBOX_E_NO_MEMORY, "inspect the table: out of memory");
}

/* With the database's OID, which is in each message of the log. */
static bool put_prepare_owner(struct sql_request *request)
{
    return PQsendPrepare(pg_of(request), "settle", obx_sql_text_get(&request->store->settle_sql), 0, NULL) == 1 &&
           (!sql_captures(request->store) ||
            pg_send_text(request, "SELECT oid FROM pg_database WHERE datname = current_database()", NULL));
}

static void on_owner_prepared(struct sql_request *request, void *result)
{
    struct pg_store *store = request->arg;
    if (pg_has_shape(result, 1, 1, "o")) {
        store->capture.database = (uint32_t)pg_integer(result, 0, 0, 0);
        pg_capture_name(store);
        pg_capture_name_slot(store);
    } else if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        sql_bad_shape(&request->store->start_error, request->what);
    }
    PQclear(result);
}

/* From now on the owner waits for rows that others have locked: not for long, but so long that lock_watch.h can name
 * the holder of a lock on the table. */
static bool put_lock_timeout(struct sql_request *request)
{
    enum { MOST_MS = 3000 };
    char timeout[24];
    struct pg_params params = {0};
    int64_t half = request->store->statement_ms / 2;
    snprintf(timeout, sizeof timeout, "%lld", (long long)(half < MOST_MS ? half : MOST_MS));
    pg_param_text(&params, timeout);
    return pg_send_text(request, "SELECT set_config('lock_timeout', $1::text, false)", &params);
}

const struct sql_step pg_steps[] = {
    {"read the server's settings", SQL_OWNER, false, pg_put_probe, NULL, pg_on_probe, validate_probe},
    {"mark the session", SQL_OWNER, true, put_mark, NULL, NULL, NULL},
    {"read the session's identity", SQL_READER, true, NULL, identity_sql, on_identity, NULL},
    {"read the session's identity", SQL_OWNER, true, NULL, identity_sql, on_identity, validate_sessions},
    {"set the session up", SQL_OWNER, true, put_settings, NULL, NULL, NULL},
    {"set the session up", SQL_READER, true, put_reader_settings, NULL, NULL, NULL},
    {"prepare statements", SQL_READER, true, put_prepare_reader, NULL, on_prepared, validate_prepared},
    {"prepare statements", SQL_OWNER, true, put_prepare_owner, NULL, on_owner_prepared, NULL},
    {"limit the wait for locks", SQL_OWNER, true, put_lock_timeout, NULL, NULL, NULL},
    {"search for ids below 1", SQL_READER, true, sql_put_low_id, NULL, sql_on_low_id, NULL},
    {.what = NULL},
};
