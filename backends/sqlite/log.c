/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/log.c - the write-ahead log stays short, and cleaning it up holds up neither writers nor the relay
 *
 * Whoever commits to a log of 1,000 pages checkpoints it, in the middle of that commit. The relay writes most of the
 * log when it works off a backlog, so it also cleans up, before the log is that long and without the write lock, in two
 * steps. Ahead, in a lane and with a connection of its own, while transactions go on: what is in the log is copied into
 * the database and flushed. Then, in between two transactions, the little that has come since: the next commit begins
 * the log anew, if nothing was added meanwhile and nobody reads from it. Claims are held for that. Where others keep
 * committing it does not come about by itself, and they are made to wait once, for the flush of what they added,
 * instead of in each of their commits. How often is learned: on a disk that is slow to flush, as beside a drain, the
 * log grows longer before it comes to that. While nobody else writes, too: it holds up nobody then.
 *
 * Failure modes: a checkpoint that fails is told and tried again with the next; the log grows meanwhile. After a
 * failure ahead there is no more of that until the store is started anew: pages that a failed flush has lost must
 * not be vouched for by a later one of the same descriptor. Without a worker for it, everything is left to the second
 * step.
 */
#include "store.h"

#include <string.h>

#define CLAIM_NS 10000000u /* a claim is over by then */
#define AHEAD_NS 10000000u /* the longest that is waited for what goes on ahead */
#define AHEAD_PAGES 200
#define AHEAD_TRIES 3
#define TRY_AGAIN_NS 1000000u
#define CHECKPOINT_PAGES 600
#define ALONE_PAGES 1400
#define AGAIN_PAGES 250
#define LONG_LOG_LEAST 800
#define LONG_LOG_MOST 16384
#define SLOW_RESTART_NS 1500000u
#define SLOW_FLUSH_NS 2500000u
#define OTHERS_NS 1000000000u /* somebody who wrote is expected to write again for so long */

static void warn(struct lite_conn *conn, int code)
{
    struct outbox_error error;
    if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY)
        return;
    lite_fail(conn, code, "checkpoint", &error);
    conn->store->host->log(conn->store->host, OUTBOX_LOG_WARN, "%s", error.text);
}

/* ---- ahead --------------------------------------------------------------------------------------------------- */

/* A checkpoint that did not reach the end of the log has not flushed the database: the next one need not, then. */
static int flush_database(struct lite_conn *conn)
{
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK || !file || !file->pMethods)
        return code;
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

/* A claim that began when the log was empty keeps it from being copied until it is over. */
static void ahead_run(struct lite_job *job, struct lite_conn *conn)
{
    struct lite_store *store = job->store;
    int code, pages = 0, copied = 0;
    for (int tries = 1;; tries++) {
        code = sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
        if (code != SQLITE_OK || copied >= store->ahead_wanted || tries == AHEAD_TRIES ||
            !lite_job_sleep(job, lite_now(store) + TRY_AGAIN_NS))
            break;
    }
    if (code == SQLITE_OK && copied > 0 && copied < pages)
        code = flush_database(conn);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        store->ahead_failed = true;
    warn(conn, code);
    store->ahead = false;
}

static void start_ahead(struct lite_store *store);

static void ahead_finish(struct lite_job *job)
{
    struct lite_store *store = job->store;
    store->ahead_runs = false;
    if (!lite_ok(job)) /* it did not run */
        store->ahead = false;
    else if (store->ahead) /* asked for again since */
        start_ahead(store);
}

static void start_ahead(struct lite_store *store)
{
    struct lite_job *job = &store->ahead_job;
    memset(job, 0, sizeof *job);
    job->store = store;
    job->lane = LANE_LOG;
    job->run = ahead_run;
    job->finish = ahead_finish;
    store->ahead_runs = true;
    lite_job_submit(job);
}

/* The WRITE lane has asked; loop thread. */
static void asked(struct outbox_task *task)
{
    struct lite_store *store = task->arg;
    if (store->ahead_runs)
        return; /* its end looks again */
    if (store->alone || store->alone_first)
        store->ahead = false; /* the store is about to stop */
    else
        start_ahead(store);
}

void lite_log_init(struct lite_store *store)
{
    store->long_log = LONG_LOG_LEAST;
    store->ahead_task.run = asked;
    store->ahead_task.arg = store;
}

static void ask_ahead(struct lite_store *store)
{
    if (store->ahead || store->ahead_failed || store->wal_pages - store->ahead_from < AHEAD_PAGES)
        return;
    store->ahead_from = store->ahead_wanted = store->wal_pages;
    store->ahead = true;
    store->host->post(store->host, &store->ahead_task);
}

/* Two checkpoints cannot run beside each other. */
static void wait_for_ahead(struct lite_job *job)
{
    struct lite_store *store = job->store;
    uint64_t until = lite_now(store) + AHEAD_NS;
    while (store->ahead && lite_now(store) < until && lite_job_sleep(job, lite_now(store) + AHEAD_NS / 40)) {
    }
}

/* ---- in between ---------------------------------------------------------------------------------------------- */

/* No claim reads from the log, and none begins to, until claims are let go again. */
static void hold_claims(struct lite_job *job)
{
    struct lite_store *store = job->store;
    uint64_t until = lite_now(store) + CLAIM_NS;
    store->claims_wait = true;
    while (store->claiming && lite_now(store) < until && lite_job_sleep(job, lite_now(store) + CLAIM_NS / 20)) {
    }
}

bool lite_others_write(const struct lite_store *store)
{
    return lite_now(store) < store->others_until;
}

static void learn(struct lite_store *store, uint64_t held_ns)
{
    int pages = held_ns > SLOW_RESTART_NS ? store->long_log * 2 : store->long_log / 2;
    store->long_log = pages < LONG_LOG_LEAST ? LONG_LOG_LEAST : pages > LONG_LOG_MOST ? LONG_LOG_MOST : pages;
}

/*
 * With the write lock, for the flush of the few pages that came after the checkpoint. It waits for nobody: whoever
 * waits for a reader here does so with the lock.
 */
static int begin_log_anew(struct lite_conn *conn)
{
    lite_begin_fresh(conn->store);
    uint64_t patience = conn->patience_ms, since = lite_now(conn->store);
    conn->patience_ms = 0;
    int code = sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    conn->patience_ms = patience;
    if (code == SQLITE_OK)
        learn(conn->store, lite_now(conn->store) - since);
    lite_write_leave(conn->store, since);
    return code;
}

/*
 * Without the lock once more: claims are held, so nothing of ours keeps it from the end of the log now, and when nobody
 * else writes that is enough. How long it takes tells what the flush with the lock would take, since the disk is the
 * same and there are as few pages.
 */
static int clean_up(struct lite_conn *conn)
{
    struct lite_store *store = conn->store;
    uint64_t since = lite_now(store);
    int code = sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    uint64_t took = lite_now(store) - since;
    if (code != SQLITE_OK || !lite_others_write(store))
        return code;
    if (took <= SLOW_FLUSH_NS)
        return begin_log_anew(conn);
    learn(store, took);
    return SQLITE_OK;
}

/* Did the log begin anew since we looked, and is all that was added to it ours? */
static void look_at_log(struct lite_store *store, struct lite_conn *conn)
{
    int written = 0, most;
    sqlite3_db_status(conn->db, SQLITE_DBSTATUS_CACHE_WRITE, &written, &most, 1);
    bool anew = store->wal_pages < store->wal_seen;
    int added = store->wal_pages - (anew ? 0 : store->wal_seen);
    if (anew)
        store->checkpointed = store->ahead_from = 0;
    if (added > written)
        store->others_until = lite_now(store) + OTHERS_NS;
    store->wal_seen = store->wal_pages;
}

static void checkpoint(struct lite_job *job, struct lite_conn *conn)
{
    struct lite_store *store = job->store;
    int pages = 0, copied = 0;
    wait_for_ahead(job);
    OUTBOX_FAILPOINT(store->host, sqlite, before_checkpoint);
    warn(conn, sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied));
    OUTBOX_FAILPOINT(store->host, sqlite, after_checkpoint);
    store->checkpointed = store->ahead_from = store->wal_pages;
    hold_claims(job);
    if (store->wal_pages > store->long_log && (lite_others_write(store) || copied < pages))
        warn(conn, clean_up(conn));
    store->claims_wait = false;
}

void lite_checkpoint(struct lite_job *job, struct lite_conn *conn, int pages)
{
    look_at_log(job->store, conn);
    if (job->store->wal_pages - job->store->checkpointed >= pages)
        checkpoint(job, conn);
}

/* A log that was cleaned up and still goes on needs another look before it is too long. */
static int due_pages(const struct lite_store *store)
{
    if (store->checkpointed)
        return AGAIN_PAGES;
    return lite_others_write(store) ? CHECKPOINT_PAGES : ALONE_PAGES;
}

void lite_log_tend(struct lite_job *job, struct lite_conn *conn)
{
    struct lite_store *store = job->store;
    look_at_log(store, conn);
    if (store->wal_pages - store->checkpointed >= due_pages(store))
        checkpoint(job, conn);
    else
        ask_ahead(store);
}
