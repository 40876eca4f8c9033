/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/owner.c - one relay at a time
 *
 * Two things make an owner. A lock on a file beside the database, DATABASE-TABLE.relay-lock, says that it lives: the
 * kernel frees it with the process, so that the next one takes over at once. A number in the database, the epoch,
 * says who it is: each new owner raises it, and every write of an owner begins with a look at it, so that one who
 * was replaced can remove nothing.
 *
 * An owner that lives but hangs keeps its lock. For this it writes heartbeats into the lock file (not into the
 * database, where they would cost writers and ring the doorbell). A standby that sees no change of the heartbeat for
 * the length of the lease, by its own clock, raises the epoch, and puts a new lock file in the place of the old.
 */
#include "store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OWNING LITE_OWNING

/* ---- the epoch ----------------------------------------------------------------------------------------------- */

static int read_epoch(struct lite_job *job, struct lite_conn *conn, const char *what, int64_t *epoch)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_EPOCH];
    int code = sqlite3_step(statement);
    *epoch = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, what, &job->error);
    sqlite3_reset(statement);
    return job->error.code;
}

int lite_check_epoch(struct lite_job *job, struct lite_conn *conn, const char *what)
{
    const struct lite_store *store = job->store;
    int64_t epoch;
    if (read_epoch(job, conn, what, &epoch))
        return job->error.code;
    if (store->epoch && epoch == store->epoch)
        return OUTBOX_OK;
    return outbox_error_set(&job->error, OUTBOX_E_FENCED, "%s %s: %s; nothing was changed", what, store->path,
                            store->epoch ? "another relay has taken the outbox over"
                                         : "this relay does not own the outbox");
}

/* The last id that the table ever gave. Fewer than before: the database is an older one, put back. */
static int64_t last_id(struct lite_job *job, struct lite_conn *conn)
{
    sqlite3_stmt *statement = NULL;
    int64_t id = -1;
    if (sqlite3_prepare_v2(conn->db, "SELECT seq FROM sqlite_sequence WHERE name = ?1 COLLATE NOCASE", -1, &statement,
                           NULL) == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, job->store->table, -1, SQLITE_STATIC);
        if (sqlite3_step(statement) == SQLITE_ROW)
            id = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return id;
}

static void describe_me(char *text, size_t size)
{
    char host[64] = "localhost", since[32] = "";
    struct tm tm;
    time_t now = time(NULL);
    gethostname(host, sizeof host - 1);
    if (gmtime_r(&now, &tm))
        strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(text, size, "process %ld on %.40s since %s", (long)getpid(), host, since);
}

/* Raise the epoch from what it was when the decision was made; fails when another standby was faster. */
static int take_over(struct lite_job *job, struct lite_conn *conn, int64_t from)
{
    struct lite_store *store = job->store;
    char me[96];
    describe_me(me, sizeof me);
    if (lite_exec(
            conn,
            sqlite3_mprintf("UPDATE \"%w\" SET epoch = epoch + 1, owner = %Q WHERE singleton = 1 AND epoch = %lld",
                            store->relay_name, me, (long long)from),
            OWNING, &job->error))
        return job->error.code;
    if (sqlite3_changes(conn->db) != 1)
        return outbox_error_set(&job->error, OUTBOX_E_STANDBY, OWNING " %s: another relay was faster", store->path);
    bool same = from == store->last_epoch && store->file.inode == store->last_file.inode &&
                store->file.device == store->last_file.device && last_id(job, conn) >= job->as.acquire.highest;
    job->as.acquire.flags = same ? OUTBOX_ACQUIRED_SAME : 0;
    store->epoch = store->last_epoch = from + 1;
    store->last_file = store->file;
    return OUTBOX_OK;
}

void lite_read_owner(struct lite_conn *conn, char *owner, size_t size)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("SELECT owner FROM \"%w\" WHERE singleton = 1", conn->store->relay_name);
    if (sql && sqlite3_prepare_v2(conn->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        snprintf(owner, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_free(sql);
}

/* ---- acquire ------------------------------------------------------------------------------------------------- */

/* Has the owner, who holds the lock, been silent for the lease? The clock starts anew with each sign of life. */
static bool lease_is_over(struct lite_job *job, int64_t epoch)
{
    struct lite_store *store = job->store;
    char text[96], now_seen[sizeof store->seen];
    lite_lock_read(store, text, sizeof text);
    snprintf(now_seen, sizeof now_seen, "%lld %s", (long long)epoch, text);
    uint64_t now = lite_now(store);
    if (strcmp(now_seen, store->seen) != 0) {
        memcpy(store->seen, now_seen, sizeof now_seen);
        store->seen_at = now;
        return false;
    }
    return now - store->seen_at >= job->as.acquire.args->lease_ms * 1000000ull;
}

static void stand_by(struct lite_job *job, struct lite_conn *conn)
{
    lite_read_owner(conn, job->as.acquire.owner, sizeof job->as.acquire.owner);
    outbox_error_set(&job->error, OUTBOX_E_STANDBY, OWNING " %s: owned by %s", job->store->path,
                     job->as.acquire.owner[0] ? job->as.acquire.owner : "another relay");
}

static void acquire_run(struct lite_job *job, struct lite_conn *conn)
{
    struct lite_store *store = job->store;
    int64_t epoch;
    if (lite_same_file(store, OWNING, &job->error) ||
        OUTBOX_FAILPOINT_ERROR(store->host, sqlite, before_acquire, &job->error) ||
        read_epoch(job, conn, OWNING, &epoch))
        return;
    if (store->lock_fd >= 0 && store->epoch == epoch) { /* the owner already */
        job->as.acquire.flags = OUTBOX_ACQUIRED_SAME;
        return;
    }
    if (lite_lock_name(store, &job->error))
        return;
    int fd = lite_lock_take(store, &job->error);
    bool expired = fd < 0 && lite_ok(job) && lease_is_over(job, epoch);
    if (fd < 0 && lite_ok(job) && !expired)
        stand_by(job, conn);
    if (lite_ok(job) && !take_over(job, conn, epoch) && expired)
        fd = lite_lock_replace(store, &job->error);
    if (lite_ok(job) && !OUTBOX_FAILPOINT_ERROR(store->host, sqlite, epoch_raised, &job->error)) {
        store->lock_fd = fd;
        lite_lock_beat(store, &job->error);
    }
    if (!lite_ok(job)) {
        store->epoch = 0;
        store->lock_fd = -1;
        if (fd >= 0)
            close(fd);
    }
}

static void acquire_finish(struct lite_job *job)
{
    struct outbox_acquire *acquire = job->as.acquire.args;
    acquire->flags = lite_ok(job) ? job->as.acquire.flags : 0;
    if (lite_ok(job) && !(acquire->flags & OUTBOX_ACQUIRED_SAME))
        job->store->highest = 0;
    memcpy(acquire->owner, job->as.acquire.owner, sizeof acquire->owner);
}

void lite_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    struct lite_store *store = self;
    struct lite_job *job = lite_job_new(store, op, LANE_WRITE, acquire_run);
    job->as.acquire.args = acquire;
    job->as.acquire.highest = store->highest;
    job->finish = acquire_finish;
    lite_job_submit(job);
}

/* ---- renew, give up ------------------------------------------------------------------------------------------ */

static void renew_run(struct lite_job *job, struct lite_conn *conn)
{
    struct lite_store *store = job->store;
    if (lite_same_file(store, OWNING, &job->error) || lite_check_epoch(job, conn, OWNING))
        return;
    if (!lite_lock_is_named(store, store->lock_fd)) { /* somebody tidied up: a lock that nobody finds protects nobody */
        int fd = lite_lock_replace(store, &job->error);
        if (fd < 0)
            return;
        close(store->lock_fd);
        store->lock_fd = fd;
    }
    if (!lite_lock_beat(store, &job->error))
        lite_checkpoint(job, conn,
                        1); /* a moment that comes every few seconds: what was settled becomes durable, too */
}

void lite_renew(void *self, outbox_op_t op)
{
    lite_job_submit(lite_job_new(self, op, LANE_WRITE, renew_run));
}

/* Best effort: a writer that holds the lock for long must not hold up the end of the relay. Nothing is written to a log
 * that others do not have. */
void lite_give_up(struct lite_store *store, struct lite_conn *conn)
{
    OUTBOX_FAILPOINT(store->host, sqlite, before_give_up);
    struct outbox_error ignored;
    char *sql = store->epoch && conn->db && !lite_same_file(store, OWNING, &ignored)
                    ? sqlite3_mprintf("UPDATE \"%w\" SET owner = '' WHERE singleton = 1 AND epoch = %lld",
                                      store->relay_name, (long long)store->epoch)
                    : NULL;
    conn->patience_ms = 200;
    if (sql)
        sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    store->lock_fd = -1;
    store->epoch = 0;
    store->host->release(store->host, store->lock_path);
    store->lock_path = NULL;
}
