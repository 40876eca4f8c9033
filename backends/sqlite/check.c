/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/check.c - what `outbox check` reports about the file and its tables
 *
 * A worker collects the findings; the loop thread reports them.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "check_trial.h"
#include "created_at.h"
#include "rest.h"

#define CHECKING LITE_CHECKING
#define MAX_FINDINGS 24

struct lite_finding *lite_check_find(struct lite_check_op *check, enum outbox_severity severity, const char *advice,
                                     const char *format, ...)
{
    if (check->count == MAX_FINDINGS)
        return NULL;
    struct lite_finding *finding = &check->findings[check->count++];
    va_list args;
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    finding->severity = severity;
    finding->advice = advice;
    return finding;
}

/* command: of sqlite3_mprintf(); taken over. */
static void set_command(struct lite_finding *finding, char *command)
{
    if (finding)
        finding->command = command;
    else
        sqlite3_free(command);
}

static bool wants_rows_only(const struct lite_check_op *check)
{
    return OUTBOX_HAS_MEMBER(check->args, flags) && check->args->flags & OUTBOX_CHECK_ROWS;
}

static int64_t count(struct lite_check_op *check, struct lite_conn *conn, char *sql)
{
    return lite_query_int64(conn, sql, CHECKING, &check->op.error);
}

static void check_columns(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    for (int i = 0; i < COLUMN_COUNT; i++) {
        bool required = i != COLUMN_EVENT_ID && i != COLUMN_HEADERS && i != COLUMN_CREATED_AT;
        if (!lite_schema_has_column(conn, schema->table, schema->physical[i]))
            lite_check_find(check, required ? OUTBOX_SEVERITY_ERROR : OUTBOX_SEVERITY_WARNING,
                            "add it, or name the one to use in `columns`", "table \"%s\" has no column \"%s\"",
                            schema->table, schema->physical[i]);
    }
}

static void check_rest(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    if (lite_schema_has_table(conn, schema->dead_table) && lite_rest_any(schema, conn) &&
        !lite_schema_has_column(conn, schema->dead_table, "rest"))
        lite_check_find(check, OUTBOX_SEVERITY_ERROR, "run 'outbox init'",
                        "table \"%s\" has columns of its own, and \"%s\" no column rest that could keep them",
                        schema->table, schema->dead_table);
}

/* Moves them behind all others, in their order. The counter of the table must know of these ids, so that they are not
 * used again. */
static char *raising_sql(const struct lite_schema *schema)
{
    const char *table = schema->table, *id = schema->physical[COLUMN_ID];
    return sqlite3_mprintf(
        "UPDATE \"%w\" SET \"%w\" = \"%w\" + 1 + max(0, (SELECT max(\"%w\") FROM \"%w\")) - (SELECT "
        "min(\"%w\") FROM \"%w\") WHERE \"%w\" < 1; UPDATE sqlite_sequence SET seq = max(seq, (SELECT "
        "max(\"%w\") FROM \"%w\")) WHERE name = %Q COLLATE NOCASE;",
        table, id, id, id, table, id, table, id, id, table, table);
}

static void check_ids(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    const char *table = schema->table, *id = schema->physical[COLUMN_ID];
    int64_t low = count(check, conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\" WHERE \"%w\" < 1", table, id));
    int64_t first = count(check, conn, sqlite3_mprintf("SELECT min(\"%w\") FROM \"%w\"", id, table));
    int64_t last =
        count(check, conn, sqlite3_mprintf("SELECT max(\"%w\") FROM \"%w\" WHERE \"%w\" < 1", id, table, id));
    if (low > 0)
        set_command(lite_check_find(check, OUTBOX_SEVERITY_ERROR, "give them ids of 1 and above",
                                    "%lld rows of table \"%s\" have ids below 1, from %lld to %lld; the relay never "
                                    "publishes them",
                                    (long long)low, table, (long long)first, (long long)last),
                    raising_sql(schema));
}

static void check_triggers(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    bool any = false;
    sqlite3_stmt *statement = lite_prepare_once(conn,
                                                sqlite3_mprintf("SELECT name FROM sqlite_schema WHERE type = 'trigger' "
                                                                "AND lower(tbl_name) = lower(%Q) AND sql LIKE "
                                                                "'%%delete%%' ORDER BY name LIMIT 8",
                                                                schema->table),
                                                CHECKING, &check->op.error);
    while (statement && sqlite3_step(statement) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        any = true;
        if (!wants_rows_only(check))
            set_command(lite_check_find(
                            check, OUTBOX_SEVERITY_WARNING, "drop it if it is not meant for each relayed event",
                            "trigger \"%s\" of table \"%s\" runs when the relay removes events", name, schema->table),
                        sqlite3_mprintf("DROP TRIGGER \"%w\";", name));
    }
    sqlite3_finalize(statement);
    if (any)
        lite_try_removal(check, conn);
}

/* A table that never had a row, and another one that might be meant: dead letters have other columns. */
static void check_other_tables(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    if (!lite_schema_has_table(conn, "sqlite_sequence")) /* no id of any table is AUTOINCREMENT: the start reports it */
        return;
    int64_t ever =
        count(check, conn,
              sqlite3_mprintf("SELECT count(*) FROM sqlite_sequence WHERE lower(name) = lower(%Q)", schema->table));
    if (ever || !lite_op_ok(&check->op))
        return;
    sqlite3_stmt *statement = lite_prepare_once(
        conn,
        sqlite3_mprintf(
            "SELECT t.name FROM sqlite_schema t WHERE t.type = 'table' AND lower(t.name) NOT IN (lower(%Q), "
            "lower(%Q)) AND (SELECT count(*) FROM pragma_table_info(t.name) c WHERE lower(c.name) IN "
            "(lower(%Q), lower(%Q))) = 2 LIMIT 1",
            schema->table, schema->dead_table, schema->physical[COLUMN_AGGREGATE_TYPE],
            schema->physical[COLUMN_AGGREGATE_ID]),
        CHECKING, &check->op.error);
    if (statement && sqlite3_step(statement) == SQLITE_ROW)
        lite_check_find(
            check, OUTBOX_SEVERITY_WARNING, "name it in table:, if it is meant",
            "nothing was ever inserted into table \"%s\", and table \"%s\" has the columns of an outbox, too",
            schema->table, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
}

/* SQLite enforces foreign keys for each connection by itself, and not for the relay's. */
static void check_foreign_keys(struct lite_check_op *check, struct lite_conn *conn)
{
    const char *table = check->op.store->schema.table;
    int64_t references =
        count(check, conn,
              sqlite3_mprintf("SELECT count(*) FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) "
                              "AS f WHERE t.type = 'table' AND lower(f.\"table\") = lower(%Q)",
                              table));
    if (references > 0)
        lite_check_find(check, OUTBOX_SEVERITY_WARNING, "let no table refer to the outbox",
                        "a foreign key refers to table \"%s\"; the relay removes rows without regard to it", table);
}

/* One hour is what Kafka allows by default. */
static void check_time(struct lite_check_op *check, struct lite_conn *conn)
{
    enum { HOUR_S = 3600 };
    const struct lite_schema *schema = &check->op.store->schema;
    const char *column = schema->physical[COLUMN_CREATED_AT];
    if (!OUTBOX_HAS_MEMBER(check->args, flags) || !(check->args->flags & OUTBOX_CHECK_TIMESTAMP) ||
        !lite_schema_has_column(conn, schema->table, column))
        return;
    sqlite3_stmt *statement =
        lite_prepare_once(conn,
                          sqlite3_mprintf("SELECT \"%w\" FROM \"%w\" ORDER BY \"%w\" DESC LIMIT 1", column,
                                          schema->table, schema->physical[COLUMN_ID]),
                          CHECKING, &check->op.error);
    int64_t now_s = (int64_t)time(NULL);
    if (statement && sqlite3_step(statement) == SQLITE_ROW && lite_time(statement, 0) != LITE_NO_TIME &&
        lite_time(statement, 0) / 1000000 > now_s + HOUR_S)
        lite_check_find(check, OUTBOX_SEVERITY_WARNING,
                        "store UTC, or set route: { timestamp: \"\" }; Kafka also has timestamp_out_of_range: clamp",
                        "the time of the newest event of table \"%s\" (column \"%s\") is %lld minutes ahead of this "
                        "machine's clock: Kafka refuses an event that is more than an hour ahead",
                        schema->table, column, (long long)(lite_time(statement, 0) / 1000000 - now_s) / 60);
    sqlite3_finalize(statement);
}

static void check_mode(struct lite_check_op *check)
{
    const char *path = check->op.store->file.path;
    struct stat status;
    if (stat(path, &status) || !(status.st_mode & (S_IROTH | S_IWOTH)))
        return;
    lite_check_find(check, OUTBOX_SEVERITY_WARNING, "run 'chmod o= FILE'", "every user of this machine can %s %s",
                    status.st_mode & S_IWOTH ? "change" : "read", path);
}

static void check_table(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    lite_check_find(check, OUTBOX_SEVERITY_OK, NULL, "SQLite %s, %s, journal mode wal", sqlite3_libversion(),
                    conn->path);
    if (lite_schema_has_table(conn, schema->table)) /* if it failed, the next statement reports it */
        check_columns(check, conn);
    check_rest(check, conn);
}

static void check_surroundings(struct lite_check_op *check, struct lite_conn *conn)
{
    const struct lite_schema *schema = &check->op.store->schema;
    check_foreign_keys(check, conn);
    check_mode(check);
    if (lite_op_ok(&check->op))
        check_time(check, conn);
    if (lite_op_ok(&check->op))
        check_other_tables(check, conn);
    if (lite_op_ok(&check->op))
        lite_check_rows_read(&check->rows, schema, conn, check->args, CHECKING, &check->op.error);
}

static void check_rows(struct lite_check_op *check, struct lite_conn *conn)
{
    check_ids(check, conn);
    if (lite_op_ok(&check->op))
        lite_try_reading(check, conn);
    if (lite_op_ok(&check->op))
        check_triggers(check, conn);
}

static void check_run(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_check_op *check = (struct lite_check_op *)op;
    const struct lite_schema *schema = &op->store->schema;
    lite_admin_open(op, conn, CHECKING);
    if (lite_op_ok(op) && !wants_rows_only(check))
        check_table(check, conn);
    if (lite_op_ok(op))
        check_rows(check, conn);
    if (lite_op_ok(op) && !wants_rows_only(check))
        check_surroundings(check, conn);
    if (lite_op_ok(op) && !wants_rows_only(check) && check->count == 1)
        lite_check_find(check, OUTBOX_SEVERITY_OK, NULL, "tables \"%s\", \"%s\" and \"%s\" are as they should be",
                        schema->table, schema->dead_table, schema->relay_name);
}

static void report(const struct lite_check_op *check, const struct lite_finding *finding)
{
    char subject[160];
    snprintf(subject, sizeof subject, "table %s", check->op.store->schema.table);
    const struct outbox_finding found = {.struct_size = sizeof found,
                                         .severity = finding->severity,
                                         .subject = subject,
                                         .reason = finding->text,
                                         .advice = finding->advice,
                                         .command = finding->command};
    check->args->report(check->args->arg, &found);
}

static void check_finish(struct lite_op *op)
{
    struct lite_check_op *check = (struct lite_check_op *)op;
    const struct outbox_host *host = op->store->host;
    for (uint32_t i = 0; i < check->count; i++) {
        report(check, &check->findings[i]);
        sqlite3_free(check->findings[i].command);
    }
    host->release(host, check->findings);
    lite_check_rows_report(&check->rows, check->args);
}

void lite_check(void *self, outbox_op_t id, const struct outbox_check *args)
{
    struct lite_store *store = self;
    struct lite_check_op *check = lite_op_begin(&store->lanes, id, LANE_ADMIN, check_run);
    check->args = args;
    check->findings = store->host->alloc(store->host, MAX_FINDINGS * sizeof *check->findings);
    if (!check->findings) {
        lite_op_fail_memory(&check->op, CHECKING);
        return;
    }
    check->op.finish = check_finish;
    lite_op_submit(&check->op);
}
