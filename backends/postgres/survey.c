/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/survey.c - who owns several outboxes, and who wishes to: one statement over pg_locks
 *
 * Happy path: resolve the names of the outboxes, read the locks of both classes with their sessions, take and give up
 * wishes, return a row for each outbox. A name without a table counts as not owned. The session of a wish that was
 * silent for a lease is ended: its process hangs, and surveys far more often.
 */
#include <string.h>

#include "store.h"

enum { WISH_CLASS = 0x6f627769 }; /* "obwi" */

enum { OWNER, SILENT, WISHER, OURS, TAKEN, SINCE_S };
/* With the OIDs that put_oids() has found. */
static const char head[] = "WITH outboxes AS MATERIALIZED (SELECT n, (current_setting('outbox.survey')::oid[])[n] AS "
                           "oid, lease, wish FROM (VALUES ";
/* %d: the classes of ownership and wish. An oid above 2^31 is a negative int4 as the key of a lock. The session of a
 * hung wish is ended, and the result is false: a constant in its place would let the server leave out the call. */
static const char tail_format[] =
    ") v(n, lease, wish)), "
    "locks AS MATERIALIZED (SELECT l.classid::int8 AS class, l.objid AS oid, l.pid, " PG_OWNER_TEXT_UNTIMED " AS name, "
    "extract(epoch FROM clock_timestamp() - greatest(a.state_change, a.query_start)) * 1000 AS silent, "
    "coalesce(a.wait_event_type = 'Lock', false) AS waits, coalesce(pg_has_role(a.usesysid, 'USAGE'), false) AS "
    "may_end "
    "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND "
    "l.objsubid = 2 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.classid IN "
    "(%d, %d)), "
    /* as PG_OWNED_SINCE, of all owners at once */
    "times AS MATERIALIZED (SELECT pid, classid AS oid, min(objid::int8) AS since FROM pg_locks WHERE locktype = "
    "'advisory' AND granted AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = "
    "current_database()) GROUP BY pid, classid), "
    "seen AS MATERIALIZED (SELECT b.n, b.wish, ((b.oid::int8 + 2147483648) %% 4294967296 - 2147483648)::int4 AS key, "
    "coalesce(o.name, '') AS owner, "
    "coalesce(o.silent > b.lease AND NOT o.waits, false) AS silent, coalesce(w.name, '') AS wisher, "
    "coalesce(w.pid = pg_backend_pid(), false) AS ours, w.pid AS pid, coalesce(w.silent > b.lease AND w.may_end, "
    "false) AS hung, coalesce(t.since, 0) AS since "
    "FROM outboxes b LEFT JOIN locks o ON o.oid = b.oid AND o.class = %d LEFT JOIN locks w ON w.oid = b.oid AND "
    "w.class = %d LEFT JOIN times t ON t.pid = o.pid AND t.oid = o.oid) "
    "SELECT owner, silent, wisher, ours, "
    "CASE WHEN wish AND wisher = '' THEN coalesce(pg_try_advisory_lock(%d, key), false) "
    "WHEN ours AND NOT wish THEN NOT pg_advisory_unlock(%d, key) "
    "WHEN hung AND NOT ours THEN NOT pg_terminate_backend(pid) AND ours ELSE ours END, since FROM seen ORDER BY n";

/* By the role's own path, so with qualified operators and functions. to_regclass() fails in a schema without the right
 * USAGE; the catalogs can be read without rights. */
static void append_oid(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *schema = sql_schema_of(store, &store->outbox);
    if (schema) {
        obx_sql_text_format(sql,
                            "(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid "
                            "OPERATOR(pg_catalog.=) c.relnamespace WHERE n.nspname OPERATOR(pg_catalog.=) "
                            "%l::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) %l::pg_catalog.name)",
                            schema, store->outbox.name);
        return;
    }
    obx_sql_text_puts(sql, "pg_catalog.to_regclass(");
    sql_append_table_literal(store, sql, &store->outbox);
    obx_sql_text_puts(sql, ")::pg_catalog.oid");
}

static bool put_oids(struct sql_request *request, const struct outbox_survey *survey)
{
    struct obx_sql_text sql = {.host = request->store->host, .dialect = OBX_SQL_POSTGRES};
    obx_sql_text_puts(&sql, "SELECT pg_catalog.set_config('outbox.survey', ARRAY[");
    for (uint32_t i = 0; i < survey->count; i++) {
        obx_sql_text_puts(&sql, i ? ", " : "");
        append_oid(survey->outboxes[i].store, &sql);
    }
    obx_sql_text_puts(&sql, "]::pg_catalog.text, true)");
    return pg_put_path(request, NULL) && pg_send_sql(request, &sql, NULL) &&
           pg_put_path(request, "pg_catalog, pg_temp");
}

static bool put_survey(struct sql_request *request)
{
    const struct outbox_survey *survey = sql_survey_of(request->arg);
    struct obx_sql_text sql = {.host = request->store->host, .dialect = OBX_SQL_POSTGRES};
    obx_sql_text_puts(&sql, head);
    for (uint32_t i = 0; i < survey->count; i++) {
        const struct outbox_surveyed *outbox = &survey->outboxes[i];
        obx_sql_text_format(&sql, "%s(%d, %d, %s)", i ? ", " : "", (int)i + 1, (int)outbox->lease_ms,
                            outbox->flags & OUTBOX_SURVEY_WISH ? "true" : "false");
    }
    obx_sql_text_format(&sql, tail_format, PG_LOCK_CLASS, WISH_CLASS, PG_LOCK_CLASS, WISH_CLASS, WISH_CLASS,
                        WISH_CLASS);
    return put_oids(request, survey) && pg_send_sql(request, &sql, NULL);
}

static void report(const PGresult *result, int row, struct outbox_surveyed *outbox)
{
    bool ours = pg_integer(result, row, TAKEN, 0) != 0;
    bool others = *pg_text(result, row, WISHER) && !pg_integer(result, row, OURS, 0);
    pg_describe_owner(pg_text(result, row, OWNER), outbox->owner, sizeof outbox->owner);
    pg_describe_owner(pg_text(result, row, WISHER), outbox->wisher, sizeof outbox->wisher);
    outbox->result = (*pg_text(result, row, OWNER) ? OUTBOX_SURVEYED_OWNED : 0) |
                     (pg_integer(result, row, SILENT, 0) ? OUTBOX_SURVEYED_SILENT : 0) |
                     (ours || others ? OUTBOX_SURVEYED_WISHED : 0) | (ours ? OUTBOX_SURVEYED_OURS : 0);
    outbox->since_s = (uint32_t)pg_integer(result, row, SINCE_S, 0);
}

static void surveyed(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    const struct outbox_survey *survey = sql_survey_of(op);
    struct outbox_error verdict = *error;
    if (!verdict.code && !pg_has_shape(op->result, (int)survey->count, (int)survey->count, "tbtbb8"))
        sql_bad_shape(&verdict, request->what);
    for (uint32_t i = 0; !verdict.code && i < survey->count; i++)
        report(op->result, (int)i, &survey->outboxes[i]);
    sql_op_complete(op, verdict.code ? &verdict : NULL);
}

void pg_survey(struct sql_op *op)
{
    PGconn *pg = pg_conn_of(op->store->owner)->pg;
    const char *name = PQparameterStatus(pg, "application_name");
    if (PQstatus(pg) == CONNECTION_OK && !pg_names_process(name ? name : "")) /* a lost session has no name */
        sql_op_fail(op, OUTBOX_E_CONFIG,
                    "survey the outboxes: the application name is \"%.*s\"; remove application_name from the store and "
                    "its dsn: processes that share outboxes know each other by the name that outbox makes",
                    OUTBOX_CUT(name ? name : "", 63));
    else
        sql_op_submit(op, op->store->owner, "survey the outboxes", put_survey, sql_op_store_result, surveyed);
}
