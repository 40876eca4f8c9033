/*
 * backends/sqlite/admin.c - setup, print, check, status, add
 */
#include "store.h"

#include <stdio.h>
#include <string.h>

/* ---- setup --------------------------------------------------------------------------------------------------- */

#define MAKING "set up outbox database"

static int set_wal(struct lite_conn *conn, struct outbox_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(conn->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    const char *mode = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
    if (code != SQLITE_ROW)
        lite_fail(conn, code, MAKING, error);
    else if (!mode || strcmp(mode, "wal") != 0)
        outbox_error_set(error, OUTBOX_E_UNSUPPORTED,
                         MAKING " %s: its journal mode cannot be set to wal; use a local file system",
                         conn->store->path);
    sqlite3_finalize(statement);
    return error->code;
}

static void make_tables(struct lite_store *store, struct lite_conn *conn, struct outbox_error *error)
{
    char *sql;
    if (lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), MAKING, error))
        return;
    for (int i = 0; !error->code && (sql = lite_schema_sql(store, i)); i++)
        lite_exec(conn, sql, MAKING, error);
    if (!error->code && !lite_schema_check(store, conn, MAKING, error))
        lite_exec(conn, sqlite3_mprintf("COMMIT"), MAKING, error);
    lite_rollback(conn);
}

static void setup_run(struct lite_job *job, struct lite_conn *none)
{
    struct lite_conn conn;
    (void)none;
    if (!lite_open(job->store, &conn, job, true, MAKING) && !set_wal(&conn, &job->error))
        make_tables(job->store, &conn, &job->error);
    lite_close(&conn);
}

void lite_setup(void *self, outbox_op_t op)
{
    lite_job_submit(lite_job_new(self, op, LANE_ALONE, setup_run));
}

int lite_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
               struct outbox_error *error)
{
    const struct lite_store *store = self;
    char *sql;
    if (what == OUTBOX_PRINT_GRANTS) {
        line(arg,
             "-- SQLite has no grants: the relay's user must be able to write the database file and its directory");
        return OUTBOX_OK;
    }
    line(arg, "PRAGMA journal_mode = WAL;");
    for (int i = 0; i < 4; i++) {
        if (!(sql = lite_schema_sql(store, i)))
            return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "print the tables of %s: out of memory", store->path);
        for (char *at = sql, *end; at; at = end ? end + 1 : NULL) {
            if ((end = strchr(at, '\n'))) {
                *end = '\0';
                line(arg, at);
                continue;
            }
            char *last = sqlite3_mprintf("%s;", at);
            line(arg, last ? last : at);
            sqlite3_free(last);
        }
        sqlite3_free(sql);
    }
    return OUTBOX_OK;
}

/* ---- check --------------------------------------------------------------------------------------------------- */

#define CHECKING "check outbox database"
#define MAX_FINDINGS 12

struct lite_finding {
    enum outbox_log_level level;
    char text[256];
    const char *advice;
};

static void find(struct lite_job *job, enum outbox_log_level level, const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void find(struct lite_job *job, enum outbox_log_level level, const char *advice, const char *format, ...)
{
    if (job->as.check.count == MAX_FINDINGS)
        return;
    struct lite_finding *finding = &job->as.check.findings[job->as.check.count++];
    va_list args;
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    finding->level = level;
    finding->advice = advice;
}

/* The number that a query gives; -1 when it gives none. sql as in lite_prepare. */
static int64_t ask(struct lite_job *job, struct lite_conn *conn, char *sql, const char *what)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    int code = sql ? sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL) : SQLITE_NOMEM;
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(statement, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE && lite_ok(job))
        lite_fail(conn, code, what, &job->error);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return number;
}

static void check_columns(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    for (int i = 0; i < NAME_COUNT; i++) {
        bool needed = i != NAME_EVENT_ID && i != NAME_HEADERS && i != NAME_CREATED_AT;
        if (!lite_has_column(conn, store->table, store->physical[i]))
            find(job, needed ? OUTBOX_LOG_ERROR : OUTBOX_LOG_WARN, "add it, or name the one to use in `columns`",
                 "table \"%s\" has no column \"%s\"", store->table, store->physical[i]);
    }
}

static void check_run(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    const char *id = store->physical[NAME_ID];
    lite_admin_conn(job, conn, CHECKING);
    if (!lite_ok(job))
        return;
    find(job, OUTBOX_LOG_INFO, NULL, "SQLite %s, %s, journal mode wal", sqlite3_libversion(), store->path);
    check_columns(job, conn);
    int64_t bad =
        ask(job, conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\" WHERE \"%w\" < 1", store->table, id), CHECKING);
    if (bad > 0)
        find(job, OUTBOX_LOG_ERROR, "give them ids of 1 and above",
             "%lld rows of table \"%s\" have ids below 1, and will never be relayed", (long long)bad, store->table);
    int64_t triggers = ask(job, conn,
                           sqlite3_mprintf("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND "
                                           "lower(tbl_name) = lower(%Q) AND sql LIKE '%%delete%%'",
                                           store->table),
                           CHECKING);
    if (triggers > 0)
        find(job, OUTBOX_LOG_WARN, "drop them if they are not meant to run for each relayed event",
             "table \"%s\" has triggers on delete, which run when the relay removes an event", store->table);
    if (lite_ok(job) && job->as.check.count == 1)
        find(job, OUTBOX_LOG_INFO, NULL, "tables \"%s\", \"%s\" and \"%s\" are as they should be", store->table,
             store->dead_table, store->relay_name);
}

static void check_finish(struct lite_job *job)
{
    const struct outbox_check *check = job->as.check.args;
    for (uint32_t i = 0; i < job->as.check.count; i++) {
        const struct lite_finding *finding = &job->as.check.findings[i];
        check->report(check->arg, finding->level, finding->text, finding->advice);
    }
    job->store->host->release(job->store->host, job->as.check.findings);
}

void lite_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    struct lite_store *store = self;
    struct lite_job *job = lite_job_new(store, op, LANE_ADMIN, check_run);
    job->as.check.args = check;
    job->as.check.findings = store->host->alloc(store->host, MAX_FINDINGS * sizeof *job->as.check.findings);
    if (!job->as.check.findings) {
        outbox_error_set(&job->error, OUTBOX_E_NO_MEMORY, CHECKING " %s: out of memory", store->path);
        store->host->op_done(store->host, op, &job->error);
        return;
    }
    job->finish = check_finish;
    lite_job_submit(job);
}

/* ---- status -------------------------------------------------------------------------------------------------- */

#define ASKING "read the status of"

static int64_t read_oldest(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    sqlite3_stmt *statement = NULL;
    int64_t oldest = -1;
    if (!lite_has_column(conn, store->table, store->physical[NAME_CREATED_AT]))
        return -1;
    char *sql = sqlite3_mprintf("SELECT \"%w\" FROM \"%w\" ORDER BY \"%w\" LIMIT 1", store->physical[NAME_CREATED_AT],
                                store->table, store->physical[NAME_ID]);
    int code = sql ? sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL) : SQLITE_NOMEM;
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        oldest = lite_time(statement, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, ASKING, &job->error);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return oldest == INT64_MIN ? -1 : oldest;
}

static void read_owner(struct lite_job *job, struct lite_conn *conn)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("SELECT owner FROM \"%w\" WHERE singleton = 1", job->store->relay_name);
    if (sql && sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        snprintf(job->as.status.owner, sizeof job->as.status.owner, "%s",
                 (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_free(sql);
}

static void status_run(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    lite_admin_conn(job, conn, ASKING);
    if (!lite_ok(job))
        return;
    job->as.status.pending = ask(job, conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\"", store->table), ASKING);
    job->as.status.dead = ask(job, conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\"", store->dead_table), ASKING);
    job->as.status.oldest_us = read_oldest(job, conn);
    read_owner(job, conn);
}

static void status_finish(struct lite_job *job)
{
    struct outbox_store_status *status = job->as.status.args;
    status->pending = job->as.status.pending;
    status->oldest_us = job->as.status.oldest_us;
    status->dead = job->as.status.dead;
    memcpy(status->owner, job->as.status.owner, sizeof status->owner);
    snprintf(status->server, sizeof status->server, "SQLite %s", sqlite3_libversion());
}

void lite_status(void *self, outbox_op_t op, struct outbox_store_status *status)
{
    struct lite_job *job = lite_job_new(self, op, LANE_ADMIN, status_run);
    job->as.status.args = status;
    job->finish = status_finish;
    lite_job_submit(job);
}

/* ---- add ----------------------------------------------------------------------------------------------------- */

#define ADDING "add events to"

static void add_run(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    const struct outbox_add *add = job->as.add;
    char what[64];
    lite_admin_conn(job, conn, ADDING);
    if (!lite_ok(job) || lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), ADDING, &job->error))
        return;
    for (uint32_t i = 0; i < add->count && lite_ok(job); i++) {
        snprintf(what, sizeof what, "add event %u of %u", i + 1, add->count);
        lite_insert(conn->db, store->table, store->physical + NAME_EVENT_ID, add->events[i], what, NULL, &job->error);
    }
    if (lite_ok(job))
        lite_exec(conn, sqlite3_mprintf("COMMIT"), ADDING, &job->error);
    lite_rollback(conn);
}

void lite_add(void *self, outbox_op_t op, const struct outbox_add *add)
{
    struct lite_job *job = lite_job_new(self, op, LANE_ADMIN, add_run);
    job->as.add = add;
    lite_job_submit(job);
}
