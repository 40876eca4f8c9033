/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/conn.c - one connection: opening, closing, statements, and how it waits for the locks of others
 *
 * A connection belongs to a lane, or to a job that runs alone; it is used by one worker at a time, so it is opened
 * without SQLite's own mutex.
 */
#include "store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int lite_fail(const struct lite_conn *conn, int code, const char *what, struct outbox_error *error)
{
    return lite_error_sqlite(error, conn->db, code, what, conn->store->path);
}

/* Waits are short, so that the lock is had soon after it is free; their sum is bounded by busy_timeout. */
static int busy(void *arg, int tries)
{
    struct lite_conn *conn = arg;
    uint64_t now = lite_now(conn->store);
    if (tries == 0)
        conn->busy_until = now + conn->patience_ms * 1000000;
    if (now >= conn->busy_until || (conn->job && conn->job->canceled))
        return 0;
    long pause = tries < 10 ? 250000 : tries < 100 ? 1000000 : 5000000;
    nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
    return 1;
}

static int progress(void *arg)
{
    const struct lite_conn *conn = arg;
    return conn->job && conn->job->canceled;
}

static int open_failed(struct lite_store *store, struct lite_conn *conn, int code, bool create, const char *what,
                       struct outbox_error *error)
{
    int number = conn->db ? sqlite3_system_errno(conn->db) : 0;
    if (create && (number == ENOENT || number == ENOTDIR))
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "%s %s: its directory does not exist; create that first",
                                what, store->path);
    if (number == ENOENT || number == ENOTDIR)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "%s %s: no such file; create it with 'outbox init'", what,
                                store->path);
    if (number == EACCES || number == EPERM)
        return outbox_error_set(error, OUTBOX_E_PERMISSION,
                                "%s %s: permission denied; give this user access to the file and its directory", what,
                                store->path);
    return lite_fail(conn, code, what, error);
}

int lite_open(struct lite_store *store, struct lite_conn *conn, struct lite_job *job, bool create, const char *what)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    struct stat status;
    memset(conn, 0, sizeof *conn);
    conn->store = store;
    conn->job = job;
    conn->patience_ms = (uint64_t)store->busy_timeout;
    if (stat(store->path, &status) == 0 && S_ISDIR(status.st_mode))
        return outbox_error_set(&job->error, OUTBOX_E_INVALID, "%s %s: it is a directory; name the database file", what,
                                store->path);
    int code = sqlite3_open_v2(store->path, &conn->db, flags, NULL);
    if (code != SQLITE_OK) {
        code = open_failed(store, conn, code, create, what, &job->error);
        lite_close(conn);
        return code;
    }
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_busy_handler(conn->db, busy, conn);
    sqlite3_progress_handler(conn->db, 1000, progress, conn);
    sqlite3_wal_autocheckpoint(conn->db, 0);
    return OUTBOX_OK;
}

void lite_close(struct lite_conn *conn)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(conn->statements[i]);
    sqlite3_close(conn->db);
    memset(conn->statements, 0, sizeof conn->statements);
    conn->db = NULL;
    conn->job = NULL;
}

int lite_prepare(struct lite_conn *conn, enum lite_statement which, const char *sql, const char *what,
                 struct outbox_error *error)
{
    int code = SQLITE_NOMEM;
    sqlite3_finalize(conn->statements[which]);
    conn->statements[which] = NULL;
    if (sql)
        code = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &conn->statements[which], NULL);
    return code == SQLITE_OK ? OUTBOX_OK : lite_fail(conn, code, what, error);
}

int lite_exec(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error)
{
    int code = sql ? sqlite3_exec(conn->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return code == SQLITE_OK ? OUTBOX_OK : lite_fail(conn, code, what, error);
}

/* For statements that give no rows. */
int lite_step(struct lite_conn *conn, enum lite_statement which, const char *what, struct outbox_error *error)
{
    sqlite3_stmt *statement = conn->statements[which];
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        lite_fail(conn, code, what, error); /* before the reset, which may change the text */
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? OUTBOX_OK : error->code;
}

int64_t lite_ask(struct lite_job *job, struct lite_conn *conn, char *sql, const char *what)
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

void lite_rollback(struct lite_conn *conn)
{
    if (conn->db && !sqlite3_get_autocommit(conn->db))
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
}

void lite_admin_conn(struct lite_job *job, struct lite_conn *conn, const char *what)
{
    if (conn->db || lite_open(job->store, conn, job, false, what))
        return;
    if (sqlite3_exec(conn->db, "PRAGMA synchronous=FULL; PRAGMA cache_size=-256", NULL, NULL, NULL) != SQLITE_OK) {
        lite_fail(conn, sqlite3_extended_errcode(conn->db), what, &job->error);
        lite_close(conn);
    }
}
