/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/start.c - open, start, stop
 *
 * start opens the three connections that relaying needs, looks at the tables and prepares every statement, so that
 * what does not fit is told now and not at the first event. It never creates anything: a missing file is an error
 * that says so, since an empty database in the wrong place would look like an outbox without events.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- start --------------------------------------------------------------------------------------------------- */

#define OPENING "open outbox database"

static const char *const beside[] = {"-wal", "-shm"};

static bool is_file(const struct lite_file *file, const struct stat *status)
{
    return status->st_dev == file->device && status->st_ino == file->inode;
}

static int stat_beside(const struct lite_store *store, int which, struct stat *status)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s%s", store->real, beside[which]);
    return stat(path, status);
}

/* Writers that come after somebody has removed them make new ones, and what they commit there is nowhere in ours. */
static int same_beside(struct lite_store *store, const char *what, struct outbox_error *error)
{
    for (int i = 0; i < 2; i++) {
        struct stat status;
        if (!stat_beside(store, i, &status) && is_file(&store->beside[i], &status))
            continue;
        store->torn = true;
        return outbox_error_set(error, OUTBOX_E_NOT_CONNECTED,
                                "%s %s: somebody removed %s%s while it was open, which may lose commits and damage the "
                                "database; it will be opened anew: check it with 'PRAGMA integrity_check'",
                                what, store->path, store->real, beside[i]);
    }
    return OUTBOX_OK;
}

int lite_same_file(struct lite_store *store, const char *what, struct outbox_error *error)
{
    struct stat status;
    if (stat(store->path, &status))
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND,
                                "%s %s: the file was removed while it was open; put it back, or create a new one with "
                                "'outbox init'",
                                what, store->path);
    if (is_file(&store->file, &status))
        return same_beside(store, what, error);
    return outbox_error_set(error, OUTBOX_E_NOT_CONNECTED,
                            "%s %s: another file has taken its place while it was open; it will be opened anew", what,
                            store->path);
}

/* One value of a PRAGMA as text, into `value`. */
static int pragma(struct lite_conn *conn, const char *sql, char *value, size_t size, struct outbox_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL);
    value[0] = '\0';
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        snprintf(value, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        code = SQLITE_OK;
    else
        lite_fail(conn, code, OPENING, error);
    sqlite3_finalize(statement);
    return code == SQLITE_OK ? OUTBOX_OK : error->code;
}

/* Its mode, that is; a file system that is mounted to be read is another matter. */
static bool may_write(const char *path)
{
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || (errno != EACCES && errno != EPERM);
}

static int check_database(struct lite_store *store, struct lite_conn *conn, struct outbox_error *error)
{
    char value[32];
    struct stat status;
    if (sqlite3_db_readonly(conn->db, "main") == 1)
        return outbox_error_set(error, may_write(store->path) ? OUTBOX_E_READ_ONLY : OUTBOX_E_PERMISSION,
                                OPENING " %s: this user may only read it; make the file and its directory writable",
                                store->path);
    if (pragma(conn, "PRAGMA journal_mode", value, sizeof value, error))
        return error->code;
    if (strcmp(value, "wal") != 0)
        return outbox_error_set(error, OUTBOX_E_SCHEMA,
                                OPENING
                                " %s: its journal mode is %s, in which readers and writers block each other; set "
                                "it to wal with 'outbox init'",
                                store->path, value);
    if (pragma(conn, "PRAGMA encoding", value, sizeof value, error))
        return error->code;
    store->utf16 = strcmp(value, "UTF-8") != 0;
    free(store->real);
    store->real = realpath(store->path, NULL);
    if (!store->real || stat(store->real, &status))
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND, OPENING " %s: %s", store->path, strerror(errno));
    store->file = (struct lite_file){status.st_dev, status.st_ino};
    for (int i = 0; i < 2; i++) { /* the pragmas have opened them */
        if (stat_beside(store, i, &status))
            return outbox_error_set(error, OUTBOX_E_IO, OPENING " %s: look at %s%s: %s", store->path, store->real,
                                    beside[i], strerror(errno));
        store->beside[i] = (struct lite_file){status.st_dev, status.st_ino};
    }
    return OUTBOX_OK;
}

/* The logical name of a column, or NAME_COUNT for one that has its own name. */
static enum lite_name find_name(const char *name)
{
    int i = 0;
    while (i < NAME_COUNT && strcmp(lite_names[i], name) != 0)
        i++;
    return (enum lite_name)i;
}

static int missing_column(const struct lite_store *store, const char *logical, const char *physical,
                          struct outbox_error *error)
{
    bool mappable = find_name(logical) != NAME_COUNT;
    return outbox_error_set(error, OUTBOX_E_SCHEMA, OPENING " %s: table \"%s\" has no column \"%s\"; add it%s%s%s",
                            store->path, store->table, physical,
                            mappable ? ", or name the one to use in columns: {" : ", or take it out of the route",
                            mappable ? logical : "", mappable ? ": NAME}" : "");
}

/* What a claim selects: the id, then the columns in the order of the host; NULL for those that are not there. */
static char *select_list(struct lite_store *store, struct lite_conn *conn, const struct outbox_store_start *start,
                         struct outbox_error *error)
{
    sqlite3_str *sql = sqlite3_str_new(conn->db);
    sqlite3_str_appendf(sql, "SELECT \"%w\"", store->physical[NAME_ID]);
    for (uint32_t i = 0; i < start->column_count; i++) {
        const struct outbox_column *column = &start->columns[i];
        enum lite_name name = find_name(column->name);
        const char *physical = name == NAME_COUNT ? column->name : store->physical[name];
        store->kinds[i] = name == NAME_CREATED_AT ? KIND_TIME : name == NAME_EVENT_ID ? KIND_UUID : KIND_PLAIN;
        if (lite_has_column(conn, store->table, physical))
            sqlite3_str_appendf(sql, ", \"%w\"", physical);
        else if (column->flags & OUTBOX_COLUMN_OPTIONAL)
            sqlite3_str_appendall(sql, ", NULL");
        else
            missing_column(store, column->name, physical, error);
    }
    sqlite3_str_appendf(sql, " FROM \"%w\"", store->table);
    return sqlite3_str_finish(sql);
}

static int prepare_reader(struct lite_store *store, struct lite_conn *conn, const struct outbox_store_start *start,
                          struct outbox_error *error)
{
    char *list = select_list(store, conn, start, error);
    const char *id = store->physical[NAME_ID];
    if (!list && !error->code)
        outbox_error_set(error, OUTBOX_E_NO_MEMORY, OPENING " %s: out of memory", store->path);
    char *next = error->code
                     ? NULL
                     : sqlite3_mprintf("%s WHERE \"%w\" BETWEEN ?1 AND ?2 ORDER BY \"%w\" LIMIT ?3", list, id, id);
    char *exact = error->code ? NULL : sqlite3_mprintf("%s WHERE \"%w\" = ?1", list, id);
    if (!error->code && !lite_prepare(conn, STATEMENT_NEXT, next, OPENING, error))
        lite_prepare(conn, STATEMENT_EXACT, exact, OPENING, error);
    sqlite3_free(list);
    sqlite3_free(next);
    sqlite3_free(exact);
    return error->code;
}

static char *bury_sql(const struct lite_store *store, struct lite_conn *conn)
{
    sqlite3_str *sql = sqlite3_str_new(conn->db);
    sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (topic, \"key\", reason, attempts, id", store->dead_table);
    lite_schema_columns(store, conn, sql, false);
    sqlite3_str_appendf(sql, ") SELECT ?2, ?3, ?4, ?5, \"%w\"", store->physical[NAME_ID]);
    lite_schema_columns(store, conn, sql, true);
    sqlite3_str_appendf(sql, " FROM \"%w\" WHERE \"%w\" = ?1", store->table, store->physical[NAME_ID]);
    return sqlite3_str_finish(sql);
}

static int prepare_writer(struct lite_store *store, struct lite_conn *conn, struct outbox_error *error)
{
    const struct {
        enum lite_statement which;
        char *sql;
    } all[] = {
        {STATEMENT_BEGIN, sqlite3_mprintf("BEGIN IMMEDIATE")},
        {STATEMENT_COMMIT, sqlite3_mprintf("COMMIT")},
        {STATEMENT_EPOCH, sqlite3_mprintf("SELECT epoch FROM \"%w\" WHERE singleton = 1", store->relay_name)},
        {STATEMENT_DELETE_RANGE,
         sqlite3_mprintf("DELETE FROM \"%w\" WHERE \"%w\" BETWEEN ?1 AND ?2", store->table, store->physical[NAME_ID])},
        {STATEMENT_WARM, sqlite3_mprintf("SELECT count(*) FROM \"%w\" WHERE \"%w\" BETWEEN ?1 AND ?2", store->table,
                                         store->physical[NAME_ID])},
        {STATEMENT_BURY, bury_sql(store, conn)},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!error->code)
            lite_prepare(conn, all[i].which, all[i].sql, OPENING, error);
        sqlite3_free(all[i].sql);
    }
    return error->code;
}

static int count_pages(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct lite_store *store = arg;
    (void)db;
    (void)name;
    store->wal_pages = pages;
    return SQLITE_OK;
}

/* The last connection would copy its log into the database and remove the file that has the log's name now. */
static void close_all(struct lite_store *store)
{
    for (int i = 0; i < LANE_COUNT; i++) {
        if (store->torn && store->lanes[i].conn.db)
            sqlite3_db_config(store->lanes[i].conn.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        lite_close(&store->lanes[i].conn);
    }
    store->torn = false;
}

static int pragmas(struct lite_conn *conn, const char *sql, struct outbox_error *error)
{
    int code = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OUTBOX_OK : lite_fail(conn, code, OPENING, error);
}

/* A store that was started without columns is there to be administered: what setup() would cure is no obstacle. */
static bool is_for_setup(const struct lite_job *job)
{
    return job->as.start->column_count == 0 &&
           (job->error.code == OUTBOX_E_NOT_FOUND || job->error.code == OUTBOX_E_SCHEMA);
}

static void start_run(struct lite_job *job, struct lite_conn *none)
{
    struct lite_store *store = job->store;
    struct lite_conn *reader = &store->lanes[LANE_READ].conn, *writer = &store->lanes[LANE_WRITE].conn;
    struct lite_conn *log = &store->lanes[LANE_LOG].conn;
    struct outbox_error *error = &job->error;
    (void)none;
    close_all(store);
    if (OUTBOX_FAILPOINT_ERROR(store->host, sqlite, before_open, error) ||
        lite_open(store, reader, job, false, OPENING) || check_database(store, reader, error) ||
        pragmas(reader, "PRAGMA cache_size=-512", error) || lite_schema_check(store, reader, OPENING, error) ||
        prepare_reader(store, reader, job->as.start, error) || lite_open(store, writer, job, false, OPENING) ||
        pragmas(writer, "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-2048", error) ||
        prepare_writer(store, writer, error) || lite_open(store, log, job, false, OPENING) ||
        pragmas(log, "PRAGMA schema_version", error)) /* reads the database, without which there is no checkpoint */
        close_all(store);
    else
        sqlite3_wal_hook(writer->db, count_pages, store);
    reader->job = writer->job = log->job = NULL;
    if (is_for_setup(job))
        job->error.code = OUTBOX_OK;
}

static void start_finish(struct lite_job *job)
{
    struct lite_store *store = job->store;
    if (!lite_ok(job))
        return;
    lite_claim_rewind(store);
    store->sweep_at = 0;
    store->chunk = 256;
    store->write_after = 0;
    store->wal_pages = store->wal_seen = store->checkpointed = store->ahead_from = 0;
    store->others_until = 0;
    store->ahead_failed = false;
    store->ahead = false;
    lite_batches_free(store); /* their columns may be others now */
    if (store->lanes[LANE_READ].conn.db)
        lite_wake_start(store, &job->error);
}

void lite_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    struct lite_store *store = self;
    struct lite_job *job = lite_job_new(store, op, LANE_ALONE, start_run);
    size_t size = start->column_count * sizeof *store->kinds;
    store->host->release(store->host, store->kinds);
    store->kinds = store->host->alloc(store->host, size ? size : 1);
    store->column_count = start->column_count;
    if (!store->kinds) {
        outbox_error_set(&job->error, OUTBOX_E_NO_MEMORY, OPENING " %s: out of memory", store->path);
        store->host->op_done(store->host, op, &job->error);
        return;
    }
    job->as.start = start;
    job->finish = start_finish;
    lite_job_submit(job);
}

/* ---- stop ---------------------------------------------------------------------------------------------------- */

static void stop_run(struct lite_job *job, struct lite_conn *none)
{
    struct lite_store *store = job->store;
    (void)none;
    lite_give_up(store, &store->lanes[LANE_WRITE].conn);
    close_all(store);
}

/* Once more: a start that was in flight has finished since. */
static void stop_finish(struct lite_job *job)
{
    lite_wake_stop(job->store);
}

/* Never fails: what could not be given back is freed by the closing of the lock file. */
void lite_stop(void *self, outbox_op_t op)
{
    struct lite_store *store = self;
    struct lite_job *job = lite_job_new(store, op, LANE_ALONE, stop_run);
    lite_wake_stop(store);
    job->finish = stop_finish;
    lite_job_submit(job);
}
