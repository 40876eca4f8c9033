/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/start.c - open the connections and check the tables; close everything
 *
 * Start opens the three connections that relaying needs. It never creates anything: an empty database in the wrong
 * place would look like an outbox without events, so a missing file is an error.
 *
 * A start without columns prepares administration: a missing or unfit table is no error then, since setup() or check()
 * follows. Stop never fails: if the owner's name could not be removed, closing the lock file gives the ownership back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "claim_rows.h"
#include "prepare.h"

#define LOG_NS 60000000000u /* the line about the database at most once a minute */

struct start_op {
    struct lite_op op;
    const struct outbox_store_start *args;
};
LITE_OP_FITS(struct start_op);

/* ---- the database -------------------------------------------------------------------------------------------- */

/* The value of a PRAGMA as text. */
static int read_pragma(struct lite_conn *conn, const char *sql, char *value, size_t size, struct outbox_error *error)
{
    sqlite3_stmt *statement = lite_prepare_once(conn, sqlite3_mprintf("%s", sql), LITE_OPENING, error);
    value[0] = '\0';
    if (!statement)
        return error->code;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_text(statement, 0))
        snprintf(value, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, LITE_OPENING, error);
    sqlite3_finalize(statement);
    return error->code;
}

/* By its mode. A file system that is mounted read-only is another failure. */
static bool may_write(const char *path)
{
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || (errno != EACCES && errno != EPERM);
}

static int check_database(struct lite_store *store, struct lite_conn *conn, struct outbox_error *error)
{
    char value[32];
    if (sqlite3_db_readonly(conn->db, "main") == 1)
        return outbox_error_set(
            error, may_write(conn->path) ? OUTBOX_E_READ_ONLY : OUTBOX_E_PERMISSION,
            LITE_OPENING " %s: this user may only read it; make the file and its directory writable", conn->path);
    if (read_pragma(conn, "PRAGMA journal_mode", value, sizeof value, error))
        return error->code;
    if (strcmp(value, "wal") != 0)
        return outbox_error_set(error, OUTBOX_E_SCHEMA,
                                LITE_OPENING
                                " %s: its journal mode is %s, in which readers and writers block each other; set "
                                "it to wal with 'outbox init'",
                                conn->path, value);
    if (read_pragma(conn, "PRAGMA encoding", value, sizeof value, error))
        return error->code;
    store->rows.utf16 = strcmp(value, "UTF-8") != 0;
    return lite_file_record(&store->file, LITE_OPENING, error);
}

/* ---- the connections ----------------------------------------------------------------------------------------- */

/* The last connection that closes copies its log into the database file and removes the file of the log's name, which
 * must not happen to a log file that is not ours. */
static void close_all(struct lite_store *store)
{
    for (int i = 0; i < LANE_COUNT; i++) {
        struct lite_conn *conn = &store->lanes.conns[i];
        if (store->file.log_replaced && conn->db)
            sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        lite_conn_close(conn);
    }
    store->file.log_replaced = false;
}

static int open_lane(struct lite_op *op, enum lite_lane_name lane)
{
    struct lite_conn *conn = &op->store->lanes.conns[lane];
    conn->canceled = &op->canceled;
    return lite_conn_open(conn, false, LITE_OPENING, &op->error);
}

static int set_pragmas(struct lite_conn *conn, const char *sql, struct outbox_error *error)
{
    return lite_exec(conn, sqlite3_mprintf("%s", sql), LITE_OPENING, error);
}

static int open_reader(struct start_op *start)
{
    struct lite_store *store = start->op.store;
    struct lite_conn *conn = &store->lanes.conns[LANE_READ];
    struct outbox_error *error = &start->op.error;
    if (!open_lane(&start->op, LANE_READ) && !check_database(store, conn, error) &&
        !set_pragmas(conn, "PRAGMA cache_size=-512", error) &&
        !lite_schema_check(&store->schema, conn, LITE_OPENING, error))
        lite_prepare_reader(store, conn, start->args, error);
    return error->code;
}

static int open_writer(struct start_op *start)
{
    struct lite_store *store = start->op.store;
    struct lite_conn *conn = &store->lanes.conns[LANE_WRITE];
    struct outbox_error *error = &start->op.error;
    const char *pragmas = "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-2048";
    if (!open_lane(&start->op, LANE_WRITE) && !set_pragmas(conn, pragmas, error) &&
        !lite_prepare_writer(&store->schema, conn, error))
        lite_log_watch(store, conn);
    return error->code;
}

/* A connection that has not read the database makes no checkpoint, so it reads. */
static int open_log(struct start_op *start)
{
    struct lite_conn *conn = &start->op.store->lanes.conns[LANE_LOG];
    if (!open_lane(&start->op, LANE_LOG))
        set_pragmas(conn, "PRAGMA schema_version", &start->op.error);
    return start->op.error.code;
}

/* ---- start --------------------------------------------------------------------------------------------------- */

static bool is_for_administration(const struct start_op *start)
{
    int code = start->op.error.code;
    return start->args->column_count == 0 && (code == OUTBOX_E_NOT_FOUND || code == OUTBOX_E_SCHEMA);
}

static void start_run(struct lite_op *op, struct lite_conn *none)
{
    struct start_op *start = (struct start_op *)op;
    struct lite_store *store = op->store;
    (void)none;
    close_all(store);
    if (OUTBOX_FAILPOINT_ERROR(store->host, sqlite, before_open, &op->error) || open_reader(start) ||
        open_writer(start) || open_log(start))
        close_all(store);
    for (int i = 0; i < LANE_COUNT; i++)
        store->lanes.conns[i].canceled = NULL;
    if (is_for_administration(start))
        op->error.code = OUTBOX_OK;
}

/* At most once a minute, at this level. */
static void log_opened(struct lite_store *store)
{
    uint64_t now = lite_now(store);
    bool known = store->opened_logged_ns && now - store->opened_logged_ns < LOG_NS;
    store->host->log(store->host, known ? OUTBOX_LOG_DEBUG : OUTBOX_LOG_INFO, "opened %s with SQLite %s, table \"%s\"",
                     store->file.path, sqlite3_libversion(), store->schema.table);
    if (!known)
        store->opened_logged_ns = now;
}

static void start_finish(struct lite_op *op)
{
    struct lite_store *store = op->store;
    if (!lite_op_ok(op))
        return;
    lite_claim_rewind(store);
    lite_refused_clear(&store->refused);
    lite_claim_leave_out_refused(store);
    store->reader.stray_scan_at = 0;
    lite_pace_reset(&store->pace);
    lite_log_reset(store);
    lite_rows_trim(&store->rows); /* their columns may be others now */
    if (((struct start_op *)op)->args->column_count)
        log_opened(store);
    if (store->lanes.conns[LANE_READ].db)
        lite_wakeup_start(store, &op->error);
}

void lite_start(void *self, outbox_op_t id, const struct outbox_store_start *args)
{
    struct lite_store *store = self;
    struct start_op *start = lite_op_begin(&store->lanes, id, LANE_ALONE, start_run);
    if (!lite_rows_columns(&store->rows, args->column_count)) {
        lite_op_fail_memory(&start->op, LITE_OPENING);
        return;
    }
    start->args = args;
    start->op.finish = start_finish;
    lite_op_submit(&start->op);
}

/* ---- stop ---------------------------------------------------------------------------------------------------- */

static void stop_run(struct lite_op *op, struct lite_conn *none)
{
    struct lite_store *store = op->store;
    (void)none;
    lite_owner_release(store, &store->lanes.conns[LANE_WRITE]);
    close_all(store);
}

/* Once more: a start that was in flight has finished since. */
static void stop_finish(struct lite_op *op)
{
    lite_wakeup_stop(op->store);
}

void lite_stop(void *self, outbox_op_t id)
{
    struct lite_store *store = self;
    struct lite_op *op = lite_op_begin(&store->lanes, id, LANE_ALONE, stop_run);
    lite_wakeup_stop(store);
    op->finish = stop_finish;
    lite_op_submit(op);
}
