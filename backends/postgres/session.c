/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/session.c - what is asked and set on fresh connections before they are used
 *
 * owner: look at the server and the table, judge them, mark the session -> reader: is it another session? -> owner: is
 * it still the same? -> both: set up, statements prepared. Started for administration alone, it ends after the look,
 * and changes nothing in the session: that works behind any pooler.
 */
#include <stdio.h>
#include <string.h>

#include "store.h"

static void submit(struct pg_store *store, struct pg_conn *conn, const char *what,
                   int (*send)(struct pg_request *request, PGconn *pg),
                   void (*result)(struct pg_request *request, PGresult *result),
                   void (*done)(struct pg_request *request, const struct outbox_error *error))
{
    store->step = (struct pg_request){.what = what, .send = send, .result = result, .done = done, .arg = store};
    pg_conn_submit(conn, &store->step);
}

static void ignore(struct pg_request *request, PGresult *result)
{
    (void)request;
    PQclear(result);
}

/* ---- the server and the table ------------------------------------------------------------------------------------ */

int pg_look_send_table(struct pg_store *store, PGconn *pg)
{
    struct obx_sql_text name = {.host = store->host};
    pg_table_put(store, &name);
    const char *value = obx_sql_text_get(&name);
    int fine = !name.failed && PQsendQueryParams(pg, pg_table_sql, 1, NULL, &value, NULL, NULL, 1) &&
               PQsendQueryParams(pg, pg_columns_sql, 1, NULL, &value, NULL, NULL, 1);
    obx_sql_text_free(&name);
    return fine;
}

/* Two results come by here: of the server and the table, then of the columns. */
void pg_look_take_table(struct pg_store *store, PGresult *result, struct outbox_error *error)
{
    if (!error->code && PQnfields(result) == 15) {
        pg_table_read(store, result, error);
        store->server.owner_pid = (int)pg_get_int4(PQgetvalue(result, 0, 3));
    } else if (!error->code) {
        pg_columns_read(store, result, error);
    }
    PQclear(result);
}

static int send_look(struct pg_request *request, PGconn *pg)
{
    return pg_look_send_table(request->arg, pg);
}

static void take_look(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = request->arg;
    pg_look_take_table(store, result, &store->start_error);
}

static int judge_server(const struct pg_store *store, struct outbox_error *error)
{
    const struct pg_where place = pg_where(store->owner.pg);
    const char *where = place.text;
    if (store->server.in_recovery)
        return pg_fail(error, OUTBOX_E_READ_ONLY,
                       "connect to %s: this server is a standby; name the primary in the dsn, or all servers: host=a,b",
                       where);
    if (store->server.read_only)
        return pg_fail(
            error, OUTBOX_E_READ_ONLY,
            "connect to %s: the server is read-only (default_transaction_read_only); a relay must delete what "
            "it has published",
            where);
    if (store->server.version < 130000)
        return pg_fail(error, OUTBOX_E_UNSUPPORTED,
                       "connect to %s: this server is version %d; 13 is the oldest that works", where,
                       store->server.version / 10000);
    return OUTBOX_OK;
}

static int judge_table(const struct pg_store *store, struct outbox_error *error)
{
    const struct pg_table *table = &store->table;
    if (!table->oid)
        return pg_fail(error, OUTBOX_E_NOT_FOUND,
                       "look at table %s: there is none in database %s that user %s can see; "
                       "run 'outbox init', or name the schema: table: SCHEMA.%s",
                       store->table_name, store->server.database, store->server.user, store->name);
    if (table->relkind != 'r' && table->relkind != 'p')
        return pg_fail(error, OUTBOX_E_UNSUPPORTED, "look at %s.%s: it is no table; rows must be deleted from it",
                       table->schema, table->name);
    if (!table->may_select || !table->may_delete)
        return pg_fail(error, OUTBOX_E_PERMISSION,
                       "look at table %s.%s: user %s may not %s; as its owner run: GRANT SELECT, DELETE ON %s.%s TO %s",
                       table->schema, table->name, store->server.user, table->may_select ? "delete from it" : "read it",
                       table->schema, table->name, store->server.user);
    if (table->row_security)
        return pg_fail(
            error, OUTBOX_E_PERMISSION,
            "look at table %s.%s: row level security hides rows from user %s; run ALTER ROLE %s BYPASSRLS, or "
            "drop the policies",
            table->schema, table->name, store->server.user, store->server.user);
    return OUTBOX_OK;
}

/* Started without columns, the store is there to be administered: the table need not even exist, and one connection
 * is enough. */
static bool for_relaying(const struct pg_store *store)
{
    return store->start->column_count > 0;
}

static int judge_relaying(struct pg_store *store, struct outbox_error *error)
{
    if (judge_table(store, error) || pg_columns_choose(store, store->start, error) || pg_claim_build(store, error))
        return error->code;
    return pg_settle_build(store, error);
}

/* ---- the session ------------------------------------------------------------------------------------------------- */

/* Claims are to use the primary key's index whatever the statistics say: an outbox is analysed when it is empty. A
 * database without an encoding holds any bytes, and would refuse to give out those that are no UTF-8. */
static const char settings_sql[] =
    "SELECT set_config('search_path', 'pg_catalog', false), set_config('plan_cache_mode', 'force_generic_plan', "
    "false), set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false), "
    "set_config('enable_sort', 'off', false), set_config('jit', 'off', false), "
    "set_config('max_parallel_workers_per_gather', '0', false), set_config('row_security', 'off', false), "
    "set_config('default_transaction_isolation', 'read committed', false), "
    "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
    "ELSE current_setting('synchronous_commit') END, false), "
    "set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' "
    "ELSE 'UTF8' END, false), "
    "set_config('statement_timeout', $1::text, false), set_config('lock_timeout', $1::text, false), "
    "CASE WHEN current_setting('server_version_num')::int4 >= 140000 THEN set_config('idle_session_timeout', '0', "
    "false) END";

static int send_settings(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = request->arg;
    char timeout[24];
    const char *value = timeout;
    snprintf(timeout, sizeof timeout, "%lld", (long long)store->statement_ms);
    return PQsendQueryParams(pg, settings_sql, 1, NULL, &value, NULL, NULL, 1);
}

/* ---- is there a pooler that lends sessions? -------------------------------------------------------------------- */

/* A mark on the owner's session: another connection must not see it, and the owner must still see it afterwards. Only
 * then is anything else set, which would stay on sessions that others use. */
static int send_mark(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = request->arg;
    const char *value = store->probe;
    return PQsendQueryParams(pg, "SELECT set_config('outbox.probe', $1::text, false)", 1, NULL, &value, NULL, NULL, 1);
}

static int send_probe(struct pg_request *request, PGconn *pg)
{
    (void)request;
    return PQsendQueryParams(pg, "SELECT pg_backend_pid(), current_setting('outbox.probe', true)", 0, NULL, NULL, NULL,
                             NULL, 1);
}

static void marked(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    if (error->code)
        pg_start_failed(store, error);
    else
        pg_start_connect_reader(store);
}

static void looked(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    struct outbox_error wrong = error->code ? *error : store->start_error;
    if (wrong.code || judge_server(store, &wrong) || (for_relaying(store) && judge_relaying(store, &wrong)))
        pg_start_failed(store, &wrong);
    else if (for_relaying(store))
        submit(store, &store->owner, "mark the session", send_mark, ignore, marked);
    else
        pg_start_done(store);
}

void pg_session_begin(struct pg_store *store)
{
    store->start_error.code = OUTBOX_OK;
    store->table.schema[0] = '\0';
    store->bell = store->parked = false;
    snprintf(store->probe, sizeof store->probe, "%llx", (unsigned long long)store->host->random(store->host));
    submit(store, &store->owner, "look at the server", send_look, take_look, looked);
}

/* ---- the reader, and what lies between here and the server ------------------------------------------------------- */

static void take_reader(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = request->arg;
    store->server.reader_pid = (int)pg_get_int4(PQgetvalue(result, 0, 0));
    store->pooled =
        store->server.reader_pid == store->server.owner_pid || !strcmp(PQgetvalue(result, 0, 1), store->probe);
    PQclear(result);
}

static void take_owner(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = request->arg;
    store->pooled = store->pooled || (int)pg_get_int4(PQgetvalue(result, 0, 0)) != store->server.owner_pid ||
                    strcmp(PQgetvalue(result, 0, 1), store->probe);
    PQclear(result);
}

/* The table, what inherits from it, and the sequences that their ids come from. */
static const char relations_sql[] =
    "WITH RECURSIVE t(oid) AS (SELECT $1::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN t ON i.inhparent = "
    "t.oid) SELECT array_agg(oid) FROM (SELECT oid FROM t "
    "UNION SELECT d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' "
    "WHERE d.classid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM t) "
    "UNION SELECT d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = "
    "f.oid JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' WHERE f.adrelid IN (SELECT oid FROM t)) r";

static int send_prepare(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = request->arg;
    struct pg_params params = {0};
    pg_param_int4(&params, (int32_t)store->table.oid);
    return PQsendQueryParams(pg, relations_sql, 1, NULL, params.values, params.lengths, params.formats, 1) &&
           PQsendPrepare(pg, "look", pg_look_sql, 0, NULL) &&
           PQsendPrepare(pg, "claim", obx_sql_text_get(&store->claim_plain), 0, NULL) &&
           PQsendPrepare(pg, "claim_guarded", obx_sql_text_get(&store->claim_guarded), 0, NULL) &&
           (store->doorbell != PG_DOORBELL_TRIGGER || pg_bell_listen(store, pg));
}

static void take_relations(struct pg_request *request, PGresult *result)
{
    struct pg_store *store = request->arg;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && !strcmp(PQfname(result, 0), "doorbell"))
        pg_bell_found(store, *PQgetvalue(result, 0, 0));
    else if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
        pg_buf_set(&store->relations, PQgetvalue(result, 0, 0), (uint32_t)PQgetlength(result, 0, 0));
    PQclear(result);
}

static int send_prepare_owner(struct pg_request *request, PGconn *pg)
{
    struct pg_store *store = request->arg;
    return PQsendPrepare(pg, "settle", obx_sql_text_get(&store->settle_sql), 0, NULL);
}

static void owner_prepared(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    if (error->code)
        pg_start_failed(store, error);
    else
        pg_start_done(store);
}

static void reader_prepared(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    struct outbox_error wrong = *error;
    if (!wrong.code && store->relations.failed)
        pg_fail(&wrong, OUTBOX_E_NO_MEMORY, "look at the table: out of memory");
    if (wrong.code)
        pg_start_failed(store, &wrong);
    else
        submit(store, &store->owner, "prepare statements", send_prepare_owner, ignore, owner_prepared);
}

static void reader_set(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    if (error->code)
        pg_start_failed(store, error);
    else
        submit(store, &store->reader, "prepare statements", send_prepare, take_relations, reader_prepared);
}

static void owner_set(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    if (error->code)
        pg_start_failed(store, error);
    else
        submit(store, &store->reader, "set the session up", send_settings, ignore, reader_set);
}

static void owner_probed(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    struct outbox_error wrong = *error;
    if (!wrong.code && store->pooled)
        pg_fail(
            &wrong, OUTBOX_E_UNSUPPORTED,
            "connect to %s: a pooler in transaction mode stands before the server, where a session, and with it the "
            "ownership of an outbox, belongs to nobody; connect directly, or by a pool in session mode",
            pg_where(store->reader.pg).text);
    if (wrong.code)
        pg_start_failed(store, &wrong);
    else
        submit(store, &store->owner, "set the session up", send_settings, ignore, owner_set);
}

static void reader_probed(struct pg_request *request, const struct outbox_error *error)
{
    struct pg_store *store = request->arg;
    if (error->code)
        pg_start_failed(store, error);
    else
        submit(store, &store->owner, "look at the session", send_probe, take_owner, owner_probed);
}

void pg_session_reader(struct pg_store *store)
{
    submit(store, &store->reader, "look at the session", send_probe, take_reader, reader_probed);
}
