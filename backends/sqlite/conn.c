/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/conn.c - see conn.h
 *
 * Every connection refuses what a hostile database file could do to it: SQLITE_DBCONFIG_DEFENSIVE forbids writes to the
 * schema table and to shadow tables, and without SQLITE_DBCONFIG_TRUSTED_SCHEMA triggers, views and defaults in the
 * file call no function with side effects. Both hold for this connection alone, not for the application's.
 */
#include "conn.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "error.h"
#include "lock_holder.h"
#include "pack.h"

int lite_fail(const struct lite_conn *conn, int code, const char *what, struct outbox_error *error)
{
    char holder[80];
    int result = lite_error_sqlite(error, conn->db, code, what, conn->path);
    if (error && (code & 0xff) == SQLITE_BUSY && lite_lock_holder(conn->path, holder, sizeof holder)) {
        result = outbox_error_set(error, result,
                                  "%s %s: the database is locked by %s; make its transactions shorter, or raise "
                                  "busy_timeout",
                                  what, conn->path, holder);
        error->native = code;
    }
    return result;
}

int lite_fail_memory(const struct lite_conn *conn, const char *what, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "%s %s: out of memory", what, conn->path);
}

/* ---- waiting for locks --------------------------------------------------------------------------------------- */

static bool is_canceled(const struct lite_conn *conn)
{
    return conn->canceled && *conn->canceled;
}

/* Called by SQLite for each failed attempt. Waits are short, so that the lock is taken soon after it is free. */
static int on_busy(void *arg, int tries)
{
    struct lite_conn *conn = arg;
    uint64_t now = conn->host->now(conn->host);
    if (tries == 0)
        conn->busy_until_ns = now + conn->busy_timeout_ms * 1000000u;
    if (now >= conn->busy_until_ns || is_canceled(conn))
        return 0;
    long pause_ns = tries < 10 ? 250000 : tries < 100 ? 1000000 : 5000000;
    nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
    return 1;
}

/* Called by SQLite every PROGRESS_STEPS steps of its virtual machine. */
#define PROGRESS_STEPS 1000
static int on_progress(void *arg)
{
    return is_canceled(arg);
}

/* ---- opening and closing ------------------------------------------------------------------------------------- */

void lite_conn_init(struct lite_conn *conn, const struct outbox_host *host, const char *path, uint64_t busy_timeout_ms)
{
    *conn = (struct lite_conn){.host = host, .path = path, .busy_timeout_ms = busy_timeout_ms};
}

static int fail_open(const struct lite_conn *conn, int code, bool create, const char *what, struct outbox_error *error)
{
    int number = conn->db ? sqlite3_system_errno(conn->db) : 0;
    bool missing = number == ENOENT || number == ENOTDIR;
    if (missing && create)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "%s %s: its directory does not exist; create that first",
                                what, conn->path);
    if (missing)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "%s %s: no such file; create it with 'outbox init'", what,
                                conn->path);
    if (number == EACCES || number == EPERM)
        return outbox_error_set(error, OUTBOX_E_PERMISSION,
                                "%s %s: permission denied; give this user access to the file and its directory", what,
                                conn->path);
    return lite_fail(conn, code, what, error);
}

static int configure(struct lite_conn *conn)
{
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_busy_handler(conn->db, on_busy, conn);
    sqlite3_progress_handler(conn->db, PROGRESS_STEPS, on_progress, conn);
    sqlite3_wal_autocheckpoint(conn->db, 0);
    return lite_pack_register(conn->db);
}

int lite_conn_open(struct lite_conn *conn, bool create, const char *what, struct outbox_error *error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    struct stat status;
    if (stat(conn->path, &status) == 0 && S_ISDIR(status.st_mode))
        return outbox_error_set(error, OUTBOX_E_INVALID, "%s %s: it is a directory; name the database file", what,
                                conn->path);
    int code = sqlite3_open_v2(conn->path, &conn->db, flags, NULL);
    if (code != SQLITE_OK) {
        code = fail_open(conn, code, create, what, error);
        lite_conn_close(conn);
        return code;
    }
    code = configure(conn);
    if (code == SQLITE_OK)
        return OUTBOX_OK;
    lite_fail(conn, code, what, error); /* not covered: no memory just here */
    lite_conn_close(conn);
    return error->code;
}

void lite_conn_close(struct lite_conn *conn)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(conn->statements[i]);
    sqlite3_close(conn->db);
    memset(conn->statements, 0, sizeof conn->statements);
    conn->db = NULL;
    conn->canceled = NULL;
}

/* ---- statements ---------------------------------------------------------------------------------------------- */

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

sqlite3_stmt *lite_prepare_once(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sql ? sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (code != SQLITE_OK)
        lite_fail(conn, code, what, error);
    return statement;
}

int lite_step(struct lite_conn *conn, enum lite_statement which, const char *what, struct outbox_error *error)
{
    sqlite3_stmt *statement = conn->statements[which];
    int code = sqlite3_step(statement);
    bool failed = code != SQLITE_DONE && code != SQLITE_ROW;
    if (failed)
        lite_fail(conn, code, what, error); /* before the reset, which may change the text */
    sqlite3_reset(statement);
    return failed ? error->code : OUTBOX_OK;
}

int lite_exec(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error)
{
    int code = sql ? sqlite3_exec(conn->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return code == SQLITE_OK ? OUTBOX_OK : lite_fail(conn, code, what, error);
}

int64_t lite_query_int64(struct lite_conn *conn, char *sql, const char *what, struct outbox_error *error)
{
    int64_t number = -1;
    sqlite3_stmt *statement = lite_prepare_once(conn, sql, what, error);
    if (!statement)
        return -1;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(statement, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, what, error);
    sqlite3_finalize(statement);
    return number;
}

void lite_rollback(struct lite_conn *conn)
{
    if (conn->db && !sqlite3_get_autocommit(conn->db))
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
}
