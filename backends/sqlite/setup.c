/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/setup.c - create the file and its tables, or print the SQL that does
 *
 * One transaction. Setup never alters an outbox that exists, but checks it: a table that cannot be relayed is an error,
 * and then nothing was created.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

#define MAKING "set up outbox database"

/* Without rights for other users: the events are in it. An existing file, or link, stays as it is; SQLite gives the
 * files of the log the mode of the database. A failure is reported by the opening that follows. */
static void create_file(const char *path)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd >= 0)
        close(fd);
}

/* The application writes to a table whose name differs in underscores only: a new, empty one would be relayed, and
 * nothing would ever come. */
static int refuse_alike(const struct lite_schema *schema, struct lite_conn *conn, struct outbox_error *error)
{
    if (lite_schema_has_table(conn, schema->table))
        return OUTBOX_OK;
    sqlite3_stmt *statement = lite_prepare_once(
        conn,
        sqlite3_mprintf("SELECT name FROM sqlite_schema WHERE type = 'table' AND lower(replace(name, '_', '')) = "
                        "lower(replace(%Q, '_', '')) LIMIT 1",
                        schema->table),
        MAKING, error);
    if (statement && sqlite3_step(statement) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        outbox_error_set(error, OUTBOX_E_CONFIG,
                         "set up the tables: there is no table %s, but there is %s; set table: %s if that one is "
                         "meant, or else run what 'outbox init --print-sql' prints",
                         schema->table, name, name);
    }
    sqlite3_finalize(statement);
    return error->code;
}

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
                         MAKING " %s: its journal mode cannot be set to wal; use a local file system", conn->path);
    sqlite3_finalize(statement);
    return error->code;
}

/* The dead letters of an earlier version have no place for columns of the application. */
static void add_rest(const struct lite_schema *schema, struct lite_conn *conn, struct outbox_error *error)
{
    if (!error->code && !lite_schema_has_column(conn, schema->dead_table, "rest"))
        lite_exec(conn, sqlite3_mprintf("ALTER TABLE \"%w\" ADD COLUMN rest BLOB", schema->dead_table), MAKING, error);
}

static void make_tables(const struct lite_schema *schema, struct lite_conn *conn, struct outbox_error *error)
{
    if (lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), MAKING, error))
        return;
    for (int i = 0; !error->code && i < LITE_SCHEMA_STATEMENTS; i++)
        lite_exec(conn, lite_schema_sql(schema, i), MAKING, error);
    add_rest(schema, conn, error);
    if (!error->code && !lite_schema_check(schema, conn, MAKING, error))
        lite_exec(conn, sqlite3_mprintf("COMMIT"), MAKING, error);
    lite_rollback(conn);
}

static void setup_run(struct lite_op *op, struct lite_conn *none)
{
    struct lite_store *store = op->store;
    struct lite_conn conn;
    (void)none;
    lite_conn_init(&conn, store->host, store->file.path, (uint64_t)store->busy_timeout_ms);
    conn.canceled = &op->canceled;
    create_file(store->file.path);
    if (!lite_conn_open(&conn, true, MAKING, &op->error) && !refuse_alike(&store->schema, &conn, &op->error) &&
        !set_wal(&conn, &op->error))
        make_tables(&store->schema, &conn, &op->error);
    lite_conn_close(&conn);
}

void lite_setup(void *self, outbox_op_t id)
{
    struct lite_store *store = self;
    lite_op_submit(lite_op_begin(&store->lanes, id, LANE_ALONE, setup_run));
}

/* ---- print --------------------------------------------------------------------------------------------------- */

/* The text line by line, with a semicolon after the last; frees it. */
static void print_lines(char *sql, void (*line)(void *arg, const char *text), void *arg)
{
    for (char *at = sql, *end; at; at = end ? end + 1 : NULL) {
        end = strchr(at, '\n');
        if (end) {
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

int lite_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
               struct outbox_error *error)
{
    const struct lite_store *store = self;
    if (what == OUTBOX_PRINT_INBOX_SQL || what == OUTBOX_PRINT_INBOX_GRANTS)
        return lite_print_inbox(store, what, line, arg, error);
    if (what == OUTBOX_PRINT_GRANTS) {
        line(arg,
             "-- SQLite has no grants: the relay's user must be able to write the database file and its directory");
        return OUTBOX_OK;
    }
    line(arg, "PRAGMA journal_mode = WAL;");
    for (int i = 0; i < LITE_SCHEMA_STATEMENTS; i++) {
        char *sql = lite_schema_sql(&store->schema, i);
        if (!sql)
            return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "print the tables of %s: out of memory",
                                    store->file.path);
        print_lines(sql, line, arg);
    }
    return OUTBOX_OK;
}
