/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/setup.c - the file and its tables: made by setup, or only printed
 *
 * All in one transaction; what exists is never altered, but looked at: an outbox that cannot be relayed is refused.
 */
#include "store.h"

#include <string.h>

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
