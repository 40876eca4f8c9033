/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/check.c - the probes of `outbox check` for MySQL, and the findings from their results
 *
 * Each probe is a statement without effect. Findings come from its result, or from its refusal.
 */
#include <string.h>

#include "check_facts.h"

/* ---- the server -------------------------------------------------------------------------------------------------- */

static const char server_sql[] = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', "
                                 "'binlog_format', 'binlog_row_image', 'auto_increment_increment', "
                                 "'read_only') AND (Variable_name NOT LIKE 'binlog%' OR @@log_bin)";

/* A finding if the variable has this value; with `other`, if it has any other value. */
static const struct setting {
    const char *name, *value;
    bool other;
    enum outbox_severity severity;
    const char *advice, *finding;
} settings[] = {
    {"read_only", "OFF", true, OUTBOX_SEVERITY_ERROR,
     "name the primary server in host:", "the server takes no writes, as a replica does"},
    {"innodb_flush_log_at_trx_commit", "1", true, OUTBOX_SEVERITY_WARNING, "set innodb_flush_log_at_trx_commit = 1",
     "a crash of the server undoes the last commits, also those of events that were published"},
    {"binlog_format", "STATEMENT", false, OUTBOX_SEVERITY_ERROR, "set binlog_format = ROW",
     "the server refuses the deletes of a relay at READ COMMITTED"},
    {"binlog_row_image", "FULL", false, OUTBOX_SEVERITY_OK,
     "set binlog_row_image = MINIMAL, or NOBLOB, where no reader of the binlog needs full rows",
     "each event is written to the binlog a second time as it is removed, which is most of what large events cost the "
     "server"},
    {"auto_increment_increment", "1", true, OUTBOX_SEVERITY_WARNING,
     "set auto_increment_increment = 1 where only one server is written to",
     "rows cannot be deleted in ranges, which takes several times as long"},
};

/* Nothing is removed from a captured table; capture/check.c has the settings of the binlog. */
static bool concerns(const struct sql_op *op, const struct setting *setting)
{
    return !sql_captures(op->store) || strncmp(setting->name, "binlog", 6) != 0;
}

static void report_setting(const struct sql_op *op, const struct mys_row *row)
{
    const char *name = mys_text_of(row, 0), *value = mys_text_of(row, 1);
    for (unsigned i = 0; i < sizeof settings / sizeof *settings; i++) {
        const struct setting *s = &settings[i];
        if (name && value && !strcmp(s->name, name) && (strcmp(s->value, value) != 0) == s->other && concerns(op, s))
            sql_check_report(op, s->severity, s->advice, "%s is %s: %s", name, value, s->finding);
    }
}

static void report_server(struct sql_op *op)
{
    const struct mys_server *server = &mys_store_of(op->store)->server;
    struct mys_row row;
    sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "%s %s, database %s as user %s",
                     server->mariadb ? "MariaDB" : "MySQL", server->version, op->store->table.schema, server->user);
    while (mys_fetch(op->result, &row))
        report_setting(op, &row);
}

const struct sql_probe mys_server_probes[] = {
    {"read the server's settings", NULL, server_sql, report_server, sql_check_refused, 2},
    {.what = NULL},
};

/* ---- the table --------------------------------------------------------------------------------------------------- */

enum { T_INDEXES };

/* Unique indexes that begin with the id. */
static bool put_table(struct sql_request *request)
{
    const struct sql_table *table = &request->store->table;
    const char *name = request->store->outbox.name;
    obx_sql_text_format(request->sql,
                        "SELECT (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = %l AND "
                        "table_name = %l AND column_name = %l AND seq_in_index = 1 AND non_unique = 0)",
                        table->schema, name, table->id);
    return true;
}

static void report_engine(const struct sql_op *op)
{
    const struct sql_table *table = &op->store->table;
    struct sql_cure cure = sql_cure(op, NULL);
    obx_sql_text_format(&cure.command, "ALTER TABLE %n.%n ENGINE = InnoDB;", table->schema, op->store->outbox.name);
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure, "the engine of %s.%s is %s, which has no transactions",
                   table->schema, op->store->outbox.name, mys_store_of(op->store)->engine);
    sql_cure_free(&cure);
}

static void report_index(const struct sql_op *op)
{
    const struct sql_table *table = &op->store->table;
    struct sql_cure cure = sql_cure(op, NULL);
    obx_sql_text_format(&cure.command, "ALTER TABLE %n.%n ADD UNIQUE INDEX (%n);", table->schema,
                        op->store->outbox.name, table->id);
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure,
                   "column \"%s\" has no unique index: every claim would read the whole table", table->id);
    sql_cure_free(&cure);
}

static void report_table(struct sql_op *op)
{
    const char *engine = mys_store_of(op->store)->engine;
    if (*engine && strcmp(engine, "InnoDB") != 0)
        report_engine(op);
    if (!mys_value(op->result, T_INDEXES, 0) && sql_column_find(&op->store->table, op->store->table.id))
        report_index(op);
    op->removal_suspect = true; /* triggers and foreign keys may be hidden from this user */
}

/* "GRANT what TO 'user'@'host';": the account by which the server knows this user. */
static void append_grant(const struct sql_op *op, struct obx_sql_text *sql, const char *what)
{
    const char *account = mys_store_of(op->store)->server.user, *at = strrchr(account, '@');
    char user[160];
    snprintf(user, sizeof user, "%.*s", at ? (int)(at - account) : (int)strlen(account), account);
    obx_sql_text_format(sql, "GRANT %s TO %l@%l;", what, user, at ? at + 1 : "%");
}

/* ---- the rights of the user -------------------------------------------------------------------------------------- */

static bool put_select(struct sql_request *request)
{
    return mys_put(request, "EXPLAIN SELECT * FROM ", &request->store->outbox, "");
}

static bool no_delete(struct sql_op *op, const struct outbox_error *error)
{
    op->removal_suspect = false; /* one finding is enough */
    return sql_check_refused(op, error);
}

static bool put_delete(struct sql_request *request)
{
    return mys_put(request, "EXPLAIN DELETE FROM ", &request->store->outbox, " WHERE 1 = 0");
}

static bool put_relay(struct sql_request *request)
{
    return mys_put(request, "EXPLAIN UPDATE ", &mys_store_in(request->store)->relay_table,
                   " SET epoch = epoch WHERE id = 1");
}

static bool put_dead(struct sql_request *request)
{
    return mys_put(request, "EXPLAIN DELETE FROM ", &request->store->dead, " WHERE 1 = 0");
}

/* ---- late rows --------------------------------------------------------------------------------------------------- */

static bool put_locks(struct sql_request *request)
{
    mys_put(request, "SELECT COUNT(*), (SELECT COUNT(*) FROM ", &request->store->outbox, "");
    obx_sql_text_format(request->sql,
                        " WHERE 1 = 0) FROM performance_schema.metadata_locks WHERE OBJECT_SCHEMA = %l AND "
                        "OBJECT_NAME = %l",
                        request->store->table.schema, request->store->outbox.name);
    return true;
}

/* The user cannot read the locks: reports how gaps are resolved instead. */
static void report_without_locks(struct sql_op *op, const struct sql_cure *cure)
{
    if (mys_store_of(op->store)->server.statements_visible)
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL,
                         "the statements of others can be seen (PROCESS): late rows come in order");
    else
        sql_check_find(op, OUTBOX_SEVERITY_WARNING, cure,
                       "the relay cannot see which transactions write: a row that is inserted more than gap_timeout "
                       "after its id was drawn (a slow INSERT .. SELECT) is published late, out of the order of its "
                       "key; and many unused ids make claims slow");
}

static void report_locks(struct sql_op *op)
{
    const struct sql_cure instrument = {
        .advice = "switch performance_schema on, with the instrument wait/lock/metadata/sql/mdl"};
    if (mys_store_of(op->store)->server.galera)
        sql_check_report(
            op, OUTBOX_SEVERITY_WARNING, "let all applications write to the outbox on one node",
            "this is a node of a Galera cluster: a row that another node's transaction commits more than gap_timeout "
            "after its id was drawn is published late, out of the order of its key");
    else if (mys_value(op->result, 0, 0))
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL,
                         "metadata_locks can be read: late rows come in order however late they are");
    else
        report_without_locks(op, &instrument);
}

static bool no_locks(struct sql_op *op, const struct outbox_error *error)
{
    struct sql_cure cure = sql_cure(op, NULL);
    (void)error;
    append_grant(op, &cure.command,
                 mys_store_of(op->store)->server.mariadb ? "PROCESS ON *.*"
                                                         : "SELECT ON performance_schema.metadata_locks");
    report_without_locks(op, &cure);
    sql_cure_free(&cure);
    return true;
}

/* ---- wake-up ----------------------------------------------------------------------------------------------------- */

/* Is there a binlog, and does the user have the two privileges to read it? */
static const char binlog_sql[] = "SELECT @@log_bin, (SELECT COUNT(DISTINCT privilege_type = 'REPLICATION SLAVE') FROM "
                                 "information_schema.user_privileges WHERE privilege_type IN ('REPLICATION SLAVE', "
                                 "'REPLICATION CLIENT', 'BINLOG MONITOR') AND grantee = CONCAT(QUOTE(SUBSTRING_INDEX("
                                 "CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))))";

static void report_capture(struct sql_op *op, bool may)
{
    struct sql_cure cure = sql_cure(op, NULL);
    append_grant(op, &cure.command, "REPLICATION SLAVE, REPLICATION CLIENT ON *.*");
    cure.code = OUTBOX_E_PERMISSION;
    if (may)
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "user %s may read the binlog",
                         mys_store_of(op->store)->server.user);
    else
        sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure,
                       "user %s was not granted what capture: binlog needs to read the binlog",
                       mys_store_of(op->store)->server.user);
    sql_cure_free(&cure);
}

static void report_use(struct sql_op *op, bool may)
{
    struct sql_cure cure = sql_cure(op, NULL);
    append_grant(op, &cure.command, "REPLICATION SLAVE, REPLICATION CLIENT ON *.*");
    if (may)
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "the binlog can be read: commits wake an idle relay");
    else
        sql_check_find(op, OUTBOX_SEVERITY_WARNING, &cure,
                       "user %s was not granted what wakeup: binlog needs to read the binlog: an idle relay polls",
                       mys_store_of(op->store)->server.user);
    sql_cure_free(&cure);
}

static void report_binlog(struct sql_op *op)
{
    bool uses = op->store->wakeup == MYS_WAKEUP_BINLOG, may = mys_value(op->result, 1, 0) == 2;
    bool exists = mys_value(op->result, 0, 0) != 0;
    if (sql_captures(op->store))
        report_capture(op, may);
    else if (uses && exists)
        report_use(op, may);
    else if (uses)
        sql_check_report(op, OUTBOX_SEVERITY_WARNING, "start the server with log_bin, or set wakeup: off",
                         "the server writes no binlog, which wakeup: binlog reads: an idle relay polls");
    else if (exists)
        sql_check_report(op, OUTBOX_SEVERITY_OK,
                         may ? "set wakeup: binlog" : "set wakeup: binlog, and grant what it needs",
                         "an idle relay polls; commits could wake it (user %s %s the binlog)",
                         mys_store_of(op->store)->server.user, may ? "may read" : "was not granted to read");
}

static bool no_binlog(struct sql_op *op, const struct outbox_error *error)
{
    sql_check_report(op, OUTBOX_SEVERITY_WARNING, NULL, "whether the binlog can be read is not known: %s", error->text);
    return true;
}

const struct sql_probe mys_table_probes[] = {
    {"inspect the table", put_table, NULL, report_table, sql_check_refused, 1},
    {"inspect triggers and foreign keys", mys_put_acts, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"read the character sets", mys_put_charsets, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"search for other tables", mys_put_other_tables, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"read events", put_select, NULL, NULL, sql_check_refused},
    {"delete events", put_delete, NULL, NULL, no_delete},
    {"search for deletes by others", mys_put_foreign_deletes, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"own the outbox", put_relay, NULL, NULL, sql_check_refused},
    {"search for ids below 1", sql_put_low_count, NULL, sql_report_low_count, sql_low_count_refused, 3},
    {"inspect the dead-letter table", put_dead, NULL, NULL, sql_check_no_dead},
    {"inspect the columns of the dead letters", sql_put_dead_columns, NULL, sql_report_dead_columns,
     sql_probe_is_optional, 9},
    {"read the locks", put_locks, NULL, report_locks, no_locks, 2},
    {"read the settings of the binlog", NULL, binlog_sql, report_binlog, no_binlog, 2},
    {"read what capture needs", mys_put_capture_settings, NULL, mys_report_capture_settings, sql_check_refused},
    {"inspect the captured table", mys_put_capture_table, NULL, mys_report_capture_table, sql_check_refused},
    {.what = NULL},
};

/* Triggers and foreign keys may be hidden from this user. One who may only read tries no removal. */
static void may_delete(struct sql_op *op)
{
    op->removal_suspect = true;
}

const struct sql_probe mys_row_probes[] = {
    {"search for ids below 1", sql_put_low_count, NULL, sql_report_low_count, sql_low_count_refused, 3},
    {"search for locked rows", mys_put_locked, NULL, sql_report_findings, sql_low_count_refused, 4},
    {"delete events", put_delete, NULL, may_delete, sql_low_count_refused},
    {.what = NULL},
};
