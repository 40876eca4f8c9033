/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/check.c - what `outbox check` says about file and tables
 *
 * Findings are made on a worker and told on the loop.
 */
#include "store.h"

#include <stdio.h>

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

static void check_columns(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    if (!lite_has_table(conn, store->table))
        return; /* that is told by the first statement */
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
    int64_t bad = lite_ask(job, conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\" WHERE \"%w\" < 1", store->table, id),
                           CHECKING);
    if (bad > 0)
        find(job, OUTBOX_LOG_ERROR, "give them ids of 1 and above",
             "%lld rows of table \"%s\" have ids below 1, and will never be relayed", (long long)bad, store->table);
    int64_t triggers = lite_ask(job, conn,
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
