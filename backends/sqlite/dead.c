/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/dead.c - the dead letters: list, show, keys, replay, drop
 *
 * Letters are read on a worker a page at a time and told on the loop, so that neither memory nor the loop minds how
 * many there are. Replaying and dropping go in short transactions like every other write of the relay: those
 * letters that were done stay done when a later one fails.
 */
#include "sql/dead.h"
#include "store.h"

#include <string.h>

#define READING "read the dead letters of"
#define PAGE 256
#define PAGE_BYTES ((size_t)1024 * 1024)
#define CHUNK 50
#define LEAVE_NS 1500000u

struct lite_letter {
    struct lite_letter *next;
    struct outbox_dead_letter letter; /* its bytes follow */
};

static const void *column_bytes(sqlite3_stmt *statement, int column, size_t *size)
{
    const void *data = sqlite3_column_type(statement, column) == SQLITE_BLOB ? sqlite3_column_blob(statement, column)
                                                                             : sqlite3_column_text(statement, column);
    *size = (size_t)sqlite3_column_bytes(statement, column);
    return data || sqlite3_column_type(statement, column) == SQLITE_NULL ? data : "";
}

/* The size of its bytes, or -1 without memory. */
static int64_t keep_letter(struct lite_job *job, sqlite3_stmt *statement, int parts)
{
    const struct outbox_host *host = job->store->host;
    size_t size = 0, one;
    for (int i = 0; i < parts; i++) {
        column_bytes(statement, i, &one);
        size += one;
    }
    struct lite_letter *kept = host->alloc(host, sizeof *kept + size);
    if (!kept) {
        outbox_error_set(&job->error, OUTBOX_E_NO_MEMORY, READING " %s: out of memory", job->store->path);
        return -1;
    }
    char *to = (char *)(kept + 1);
    kept->letter.struct_size = sizeof kept->letter;
    kept->letter.event.struct_size = sizeof kept->letter.event;
    for (int i = 0; i < parts; i++) {
        struct outbox_bytes *bytes = obx_sql_letter_part(&kept->letter, i);
        const void *data = bytes ? column_bytes(statement, i, &one) : NULL;
        if (!data)
            continue;
        *bytes = (struct outbox_bytes){memcpy(to, data, one), one};
        to += one;
    }
    job->as.dead.after = (uint64_t)sqlite3_column_int64(statement, OBX_SQL_NUMBER);
    if (parts == OBX_SQL_PARTS) {
        kept->letter.number = job->as.dead.after;
        kept->letter.attempts = sqlite3_column_int64(statement, OBX_SQL_ATTEMPTS);
        kept->letter.died_us = lite_time(statement, OBX_SQL_DIED_AT);
    }
    *job->as.dead.end = kept;
    job->as.dead.end = &kept->next;
    return (int64_t)size;
}

static sqlite3_stmt *prepare(struct lite_job *job, struct lite_conn *conn, char *sql)
{
    sqlite3_stmt *statement = NULL;
    int code = sql ? sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (code != SQLITE_OK)
        lite_fail(conn, code, READING, &job->error);
    return statement;
}

static sqlite3_stmt *prepare_read(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    const struct outbox_dead *dead = job->as.dead.args;
    if (dead->action == OUTBOX_DEAD_KEYS)
        return prepare(job, conn,
                       sqlite3_mprintf("SELECT min(number), topic, \"key\" FROM \"%w\" GROUP BY topic, \"key\" "
                                       "HAVING min(number) > ?1 ORDER BY 1 LIMIT ?2",
                                       store->dead_table));
    return prepare(job, conn,
                   sqlite3_mprintf("SELECT number, topic, \"key\", reason, attempts, died_at, event_id, aggregatetype, "
                                   "aggregateid, type, payload, headers FROM \"%w\" WHERE number %s ?1 ORDER BY number "
                                   "LIMIT ?2",
                                   store->dead_table, dead->count ? "=" : ">"));
}

/* Letters into the page until it is full or there are none left. */
static void read_some(struct lite_job *job, struct lite_conn *conn, sqlite3_stmt *statement, uint64_t number,
                      size_t *bytes, uint32_t *count)
{
    int parts = obx_sql_dead_parts(job->as.dead.args), code;
    int64_t size = 0;
    sqlite3_bind_int64(statement, 1, (int64_t)number);
    sqlite3_bind_int64(statement, 2, PAGE);
    while (*count < PAGE && *bytes < PAGE_BYTES && (code = sqlite3_step(statement)) == SQLITE_ROW && size >= 0) {
        size = keep_letter(job, statement, parts);
        *bytes += size > 0 ? (size_t)size : 0;
        ++*count;
    }
    if (*count < PAGE && *bytes < PAGE_BYTES && lite_ok(job) && code != SQLITE_DONE && code != SQLITE_ROW)
        lite_fail(conn, code, READING, &job->error);
    sqlite3_reset(statement);
}

static void read_page(struct lite_job *job, struct lite_conn *conn)
{
    const struct outbox_dead *dead = job->as.dead.args;
    size_t bytes = 0;
    uint32_t count = 0;
    lite_admin_conn(job, conn, READING);
    sqlite3_stmt *statement = lite_ok(job) ? prepare_read(job, conn) : NULL;
    job->as.dead.letters = NULL;
    job->as.dead.end = &job->as.dead.letters;
    if (statement && !dead->count)
        read_some(job, conn, statement, job->as.dead.after, &bytes, &count);
    while (statement && lite_ok(job) && job->as.dead.index < dead->count && count < PAGE && bytes < PAGE_BYTES)
        read_some(job, conn, statement, dead->numbers[job->as.dead.index++], &bytes, &count);
    job->as.dead.finished = dead->count ? job->as.dead.index == dead->count : count < PAGE && bytes < PAGE_BYTES;
    sqlite3_finalize(statement);
}

static void tell_page(struct lite_job *job)
{
    const struct outbox_host *host = job->store->host;
    struct outbox_dead *dead = job->as.dead.args;
    bool full = false;
    for (struct lite_letter *letter; (letter = job->as.dead.letters);) {
        full = dead->limit && job->as.dead.affected == dead->limit;
        if (lite_ok(job) && !full) {
            dead->row(dead->arg, &letter->letter);
            job->as.dead.affected++;
        }
        job->as.dead.letters = letter->next;
        host->release(host, letter);
    }
    dead->affected = job->as.dead.affected;
    job->again = lite_ok(job) && !full && !job->as.dead.finished && !job->canceled;
}

/* ---- replay and drop ----------------------------------------------------------------------------------------- */

static char *replay_sql(const struct lite_store *store, struct lite_conn *conn)
{
    sqlite3_str *sql = sqlite3_str_new(conn->db), *columns = sqlite3_str_new(conn->db);
    lite_schema_columns(store, conn, columns, true);
    sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (", store->table);
    char *list = sqlite3_str_finish(columns);
    sqlite3_str_appendall(sql, list ? list + 2 : "");
    sqlite3_free(list);
    columns = sqlite3_str_new(conn->db);
    lite_schema_columns(store, conn, columns, false);
    list = sqlite3_str_finish(columns);
    sqlite3_str_appendf(sql, ") SELECT %s FROM \"%w\" WHERE number = ?1", list ? list + 2 : "", store->dead_table);
    sqlite3_free(list);
    return sqlite3_str_finish(sql);
}

static bool run_one(struct lite_job *job, struct lite_conn *conn, sqlite3_stmt *statement, uint64_t number,
                    const char *what)
{
    if (!statement)
        return lite_ok(job);
    sqlite3_bind_int64(statement, 1, (int64_t)number);
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE)
        lite_fail(conn, code, what, &job->error);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

/* The next letter's number; 0: none. */
static uint64_t next_number(struct lite_job *job, struct lite_conn *conn, sqlite3_stmt *next)
{
    const struct outbox_dead *dead = job->as.dead.args;
    if (dead->count)
        return job->as.dead.index < dead->count ? dead->numbers[job->as.dead.index++] : 0;
    sqlite3_bind_int64(next, 1, (int64_t)job->as.dead.after);
    int code = sqlite3_step(next);
    uint64_t number = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(next, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, READING, &job->error);
    sqlite3_reset(next);
    job->as.dead.after = number;
    return number;
}

struct moving {
    sqlite3_stmt *next, *replay, *drop;
    const char *what;
};

/* One transaction. False: it failed, or nothing is left. */
static bool move_some(struct lite_job *job, struct lite_conn *conn, const struct moving *moving)
{
    uint64_t moved = 0, number = 1;
    if (lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), moving->what, &job->error))
        return false;
    for (int i = 0; i < CHUNK && lite_ok(job) && (number = next_number(job, conn, moving->next)); i++) {
        if (run_one(job, conn, moving->replay, number, moving->what) &&
            run_one(job, conn, moving->drop, number, moving->what))
            moved += (uint64_t)sqlite3_changes(conn->db);
    }
    if (lite_ok(job))
        lite_exec(conn, sqlite3_mprintf("COMMIT"), moving->what, &job->error);
    lite_rollback(conn);
    job->as.dead.affected += lite_ok(job) ? moved : 0;
    return lite_ok(job) && number && lite_job_sleep(job, lite_now(job->store) + LEAVE_NS);
}

static void move_run(struct lite_job *job, struct lite_conn *conn)
{
    const struct lite_store *store = job->store;
    bool replay = job->as.dead.args->action == OUTBOX_DEAD_REPLAY;
    struct moving moving = {.what = replay ? "replay dead letters of" : "drop dead letters of"};
    lite_admin_conn(job, conn, moving.what);
    if (lite_ok(job))
        moving.next =
            prepare(job, conn, sqlite3_mprintf("SELECT min(number) FROM \"%w\" WHERE number > ?1", store->dead_table));
    if (lite_ok(job))
        moving.drop = prepare(job, conn, sqlite3_mprintf("DELETE FROM \"%w\" WHERE number = ?1", store->dead_table));
    if (lite_ok(job) && replay)
        moving.replay = prepare(job, conn, replay_sql(store, conn));
    while (lite_ok(job) && move_some(job, conn, &moving)) {
    }
    sqlite3_finalize(moving.next);
    sqlite3_finalize(moving.drop);
    sqlite3_finalize(moving.replay);
}

static void move_finish(struct lite_job *job)
{
    job->as.dead.args->affected = job->as.dead.affected;
}

void lite_dead(void *self, outbox_op_t op, struct outbox_dead *dead)
{
    bool move = dead->action == OUTBOX_DEAD_REPLAY || dead->action == OUTBOX_DEAD_DROP;
    struct lite_job *job = lite_job_new(self, op, LANE_ADMIN, move ? move_run : read_page);
    job->finish = move ? move_finish : tell_page;
    job->as.dead.args = dead;
    lite_job_submit(job);
}
