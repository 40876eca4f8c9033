/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/check.c - the probes of `outbox check` for Postgres, and the findings from their results
 *
 * Facts come as text; "" stands for null.
 */
#include <stdlib.h>
#include <string.h>

#include "check_facts.h"

static const char *fact(const struct sql_op *op, int index)
{
    return pg_text(op->result, 0, index);
}

static bool is(const struct sql_op *op, int index, const char *value)
{
    return !strcmp(fact(op, index), value);
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

enum { S_PID, S_VERSION, S_SYNCHRONOUS, S_FSYNC, S_PREPARED, S_OLD_PID, S_OLD_NAME, S_OLD_SECONDS };

static const char server_sql[] =
    "SELECT pg_backend_pid()::text, current_setting('server_version'), current_setting('synchronous_commit'), "
    "current_setting('fsync'), (SELECT count(*)::text FROM pg_prepared_xacts WHERE database = current_database() "
    "AND prepared < clock_timestamp() - interval '1 minute'), o.pid::text, o.application_name, o.seconds::text "
    "FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT a.pid, a.application_name, "
    "extract(epoch FROM clock_timestamp() - a.xact_start)::int8 AS seconds FROM pg_stat_activity a "
    "WHERE a.xact_start < clock_timestamp() - interval '1 minute' AND a.datname = current_database() "
    "AND a.backend_type = 'client backend' ORDER BY a.xact_start LIMIT 1) o ON true";

static void report_dsn(const struct sql_op *op)
{
    const struct pg_target *target = &pg_store_in(op->store)->target;
    const char *keyword, *why;
    if (target->insecure)
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "set sslmode=verify-full and sslrootcert in the dsn",
                         "sslmode is weaker than verify-full: others on the way can read and change events");
    for (unsigned i = 0; (keyword = pg_target_ignored(target, i, &why)); i++)
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "leave it out", "%s in the dsn has no effect: %s", keyword, why);
}

static void report_transactions(const struct sql_op *op)
{
    if (*fact(op, S_OLD_PID))
        sql_check_report(op, OUTBOX_SEVERITY_WARNING,
                         "end it if it is not needed: deleted events cannot be cleared away before it ends",
                         "a transaction has been open for %s s: pid %s, application \"%s\"", fact(op, S_OLD_SECONDS),
                         fact(op, S_OLD_PID), fact(op, S_OLD_NAME));
    if (strtol(fact(op, S_PREPARED), NULL, 10) > 0)
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "COMMIT PREPARED or ROLLBACK PREPARED; see pg_prepared_xacts",
                         "%s prepared transactions have been waiting for more than a minute", fact(op, S_PREPARED));
}

static void report_server(struct sql_op *op)
{
    const struct pg_store *store = pg_store_in(op->store);
    sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "PostgreSQL %s, database %s as user %s", fact(op, S_VERSION),
                     store->server.database, store->server.user);
    if (strtol(fact(op, S_PID), NULL, 10) != PQbackendPID(store->owner.pg))
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "connect directly, or make sure that the pool is in session mode",
                         "a pooler stands between here and the server");
    report_dsn(op);
    if (is(op, S_SYNCHRONOUS, "off"))
        sql_check_report(
            op, OUTBOX_SEVERITY_WARNING, "leave synchronous_commit on for transactions that write events",
            "synchronous_commit is off by default: a crash of the server can undo a commit whose event was published");
    if (is(op, S_FSYNC, "off"))
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "turn fsync on",
                         "fsync is off: a crash of the machine loses or corrupts data");
    report_transactions(op);
}

const struct sql_probe pg_server_probes[] = {
    {"read the server's settings", NULL, server_sql, report_server, NULL, 8},
    {.what = NULL},
};

/* ---- the table --------------------------------------------------------------------------------------------------- */

enum { T_INDEXED, T_CACHE, T_INCREMENT, T_SEQUENCE, T_AUTOVACUUM, T_WAKEUP, T_LOG_END };

static bool put_table(struct sql_request *request)
{
    struct pg_params params = {0};
    pg_param_int4(&params, (int32_t)pg_store_in(request->store)->table_oid);
    pg_param_text(&params, request->store->table.id);
    return pg_send_text(
        request,
        "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = "
        "i.indkey[0] WHERE i.indrelid = $1::oid AND a.attname = $2::text AND i.indisvalid AND i.indisunique AND "
        "i.indpred IS NULL)::text, s.seqcache::text, s.seqincrement::text, s.name, "
        "(SELECT (c.relkind = 'p' OR c.reloptions::text LIKE '%autovacuum%')::text FROM pg_class c WHERE c.oid = "
        "$1::oid), "
        "EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = 'outbox_wakeup' AND tgenabled <> "
        "'D')::text, CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn()::text END "
        "FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT q.seqcache, q.seqincrement, format('%I.%I', n.nspname, "
        "c.relname) AS name FROM pg_depend d JOIN pg_sequence q ON q.seqrelid = d.objid JOIN pg_class c ON c.oid = "
        "q.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE d.classid = 'pg_class'::regclass AND "
        "d.refobjid = $1::oid ORDER BY q.seqcache DESC, q.seqincrement DESC LIMIT 1) s ON true",
        &params);
}

/* "BEFORE "schema"."outbox" AFTER", as the command of a finding. */
static struct sql_cure cure_of_table(const struct sql_op *op, const char *advice, const char *before, const char *after)
{
    struct sql_cure cure = sql_cure(op, advice);
    obx_sql_text_puts(&cure.command, before);
    sql_append_outbox(op->store, &cure.command);
    obx_sql_text_puts(&cure.command, after);
    return cure;
}

static void report_privileges(const struct sql_op *op)
{
    const struct pg_store *store = pg_store_in(op->store);
    const char *schema = op->store->table.schema, *name = op->store->outbox.name, *user = store->server.user;
    struct sql_cure cure = cure_of_table(op, "as the table's owner run", "GRANT SELECT, DELETE ON ", "");
    obx_sql_text_format(&cure.command, " TO %n;", user);
    cure.code = OUTBOX_E_PERMISSION;
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure, "user %s may not %s table %s.%s", user,
                   store->may_select ? "delete from" : "read", schema, name);
    sql_cure_free(&cure);
}

static void report_row_security(const struct sql_op *op)
{
    const char *user = pg_store_in(op->store)->server.user;
    struct sql_cure cure = sql_cure(op, "give the user BYPASSRLS, or drop the policies");
    obx_sql_text_format(&cure.command, "ALTER ROLE %n BYPASSRLS;", user);
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure, "row level security hides rows of %s.%s from user %s",
                   op->store->table.schema, op->store->outbox.name, user);
    sql_cure_free(&cure);
}

static void report_index(const struct sql_op *op)
{
    struct sql_cure cure = cure_of_table(op, NULL, "CREATE UNIQUE INDEX CONCURRENTLY ON ", "");
    obx_sql_text_format(&cure.command, " (%n);", op->store->table.id);
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure,
                   "column \"%s\" has no unique index: every claim would read the whole table", op->store->table.id);
    sql_cure_free(&cure);
}

static void report_sequence(const struct sql_op *op, enum outbox_severity severity, const char *finding,
                            const char *clause)
{
    struct sql_cure cure = sql_cure(op, NULL);
    obx_sql_text_format(&cure.command, "ALTER SEQUENCE %s %s;", fact(op, T_SEQUENCE), clause);
    sql_check_find(op, severity, &cure, "%s", finding);
    sql_cure_free(&cure);
}

static void report_id(const struct sql_op *op)
{
    const char *id = op->store->table.id;
    char finding[300];
    if (!sql_column_find(&op->store->table, id))
        return;
    if (is(op, T_INDEXED, "false"))
        report_index(op);
    if (strtol(fact(op, T_CACHE), NULL, 10) > 1) {
        snprintf(finding, sizeof finding,
                 "the sequence of \"%s\" has CACHE %s: sessions draw blocks of ids, which breaks the order of events",
                 id, fact(op, T_CACHE));
        report_sequence(op, OUTBOX_SEVERITY_ERROR, finding, "CACHE 1");
    }
    if (*fact(op, T_INCREMENT) && !is(op, T_INCREMENT, "1")) {
        snprintf(finding, sizeof finding,
                 "the sequence of \"%s\" goes up by %s: rows cannot be deleted in ranges, which takes twice as long",
                 id, fact(op, T_INCREMENT));
        report_sequence(op, OUTBOX_SEVERITY_WARNING, finding, "INCREMENT 1");
    }
}

static void report_autovacuum(const struct sql_op *op)
{
    struct sql_cure cure = cure_of_table(op, NULL, "ALTER TABLE ",
                                         " SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = "
                                         "50000, autovacuum_vacuum_cost_delay = 0);");
    sql_check_find(op, OUTBOX_SEVERITY_WARNING, &cure,
                   "table %s.%s is vacuumed like any other, which is late for an outbox", op->store->table.schema,
                   op->store->outbox.name);
    sql_cure_free(&cure);
}

/* Each writing transaction pays for a trigger whose notification nothing uses. */
static void report_trigger(const struct sql_op *op)
{
    const char *schema = op->store->table.schema, *name = op->store->outbox.name;
    bool uses = op->store->wakeup == PG_WAKEUP_TRIGGER;
    struct sql_cure cure = cure_of_table(op, NULL, "DROP TRIGGER outbox_wakeup ON ", ";");
    if (uses && is(op, T_WAKEUP, "false"))
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "run 'outbox init'",
                         "there is no wake-up trigger on %s.%s: an idle relay polls", schema, name);
    else if (!uses && is(op, T_WAKEUP, "true"))
        sql_check_find(op, OUTBOX_SEVERITY_WARNING, &cure,
                       "writers of %s.%s run a wake-up trigger that no relay is to use", schema, name);
    sql_cure_free(&cure);
}

/* Keeps the end of the log in op->cursor, for the last probe. */
static void report_table(struct sql_op *op)
{
    const struct pg_store *store = pg_store_in(op->store);
    if (!store->may_select || !store->may_delete)
        report_privileges(op);
    if (store->row_security)
        report_row_security(op);
    report_id(op);
    if (!is(op, T_AUTOVACUUM, "true"))
        report_autovacuum(op);
    report_trigger(op);
    op->cursor = pg_wal_position(fact(op, T_LOG_END));
}

/* ---- dead letters ------------------------------------------------------------------------------------------------ */

static bool put_dead(struct sql_request *request)
{
    struct obx_sql_text name = {.host = request->store->host};
    struct pg_params params = {0};
    sql_append_dead(request->store, &name);
    pg_param_text(&params, obx_sql_text_get(&name));
    bool sent = !name.failed &&
                pg_send_text(request,
                             "SELECT o IS NOT NULL, has_table_privilege(o, 'SELECT') AND has_table_privilege(o, "
                             "'INSERT') AND has_table_privilege(o, 'DELETE') FROM to_regclass($1::text) o",
                             &params);
    obx_sql_text_free(&name);
    return sent;
}

static void report_dead(struct sql_op *op)
{
    struct sql_row row = {.result = op->result};
    struct outbox_error wrong = {.code = OUTBOX_OK};
    if (!pg_next_row(&row) || !pg_number(&row, 0, 0))
        wrong.code = OUTBOX_E_NOT_FOUND;
    else if (!pg_number(&row, 1, 0))
        wrong.code = OUTBOX_E_PERMISSION;
    if (wrong.code)
        sql_check_no_dead(op, &wrong);
}

const struct sql_probe pg_table_probes[] = {
    {"inspect the table", put_table, NULL, report_table, NULL, 7},
    {"inspect triggers and foreign keys", pg_put_acts, NULL, sql_report_removal_findings, sql_low_count_refused, 4},
    {"read the publications", pg_put_replication, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"inspect the capture", pg_put_capture_findings, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"inspect the logical slot", pg_put_logical_findings, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"search for other tables", pg_put_other_tables, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"search for deletes by others", pg_put_foreign_deletes, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"search for ids below 1", sql_put_low_count, NULL, sql_report_low_count, sql_low_count_refused, 3},
    {"inspect the dead-letter table", put_dead, NULL, report_dead, sql_check_no_dead, 2},
    {"inspect the columns of the dead letters", sql_put_dead_columns, NULL, sql_report_dead_columns,
     sql_probe_is_optional, 9},
    {.what = NULL},
};

/* A user who may only read tries no removal. */
static void note_acts(struct sql_op *op)
{
    if (pg_store_in(op->store)->may_delete)
        sql_note_removal_facts(op);
}

const struct sql_probe pg_row_probes[] = {
    {"search for ids below 1", sql_put_low_count, NULL, sql_report_low_count, sql_low_count_refused, 3},
    {"search for locked rows", pg_put_locked, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"inspect triggers and foreign keys", pg_put_acts, NULL, note_acts, sql_low_count_refused, 4},
    {.what = NULL},
};

/* ---- the server's log -------------------------------------------------------------------------------------------- */

static void report_capture(const struct sql_op *op, const struct outbox_error *error)
{
    const struct sql_cure cure = {.advice = "until then the relay reads no events from the log", .code = error->code};
    if (error->code)
        sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure, "the server does not send its log: %s", error->text);
    else
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "the server sends its log");
}

static void report_wakeup(const struct sql_op *op, const struct outbox_error *error)
{
    if (error->code)
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "until then an idle relay polls",
                         "wake-up notifications do not work: %s", error->text);
    else
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "wake-up notifications work: the server sends its log");
}

/* The connection that capture and `wakeup: wal` need: the right of a replica, and pg_hba.conf. */
static void on_trial(void *arg, const struct outbox_error *error)
{
    struct sql_op *op = arg;
    bool canceled = error->code == OUTBOX_E_CANCELED;
    if (sql_captures(op->store) && !canceled)
        report_capture(op, error);
    if (op->store->wakeup == PG_WAKEUP_WAL && pg_store_in(op->store)->capture_mode != PG_CAPTURE_LOGICAL)
        report_wakeup(op, error);
    sql_op_complete(op, canceled ? error : NULL);
}

/* If the table was not probed, or the server is a standby, the end of the log is unknown. */
void pg_check_end(struct sql_op *op)
{
    struct pg_store *store = pg_store_of(op->store);
    if (store->capture_mode == PG_CAPTURE_LOGICAL)
        pg_slot_try(store, on_trial, op);
    else if ((op->store->wakeup == PG_WAKEUP_WAL || sql_captures(op->store)) && op->cursor)
        pg_wal_try(store, op->cursor, on_trial, op);
    else
        sql_op_complete(op, NULL);
}
