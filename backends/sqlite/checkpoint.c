/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/checkpoint.c - see checkpoint.h */
#include "checkpoint.h"

#include <string.h>

#include "write.h"

/* pages of the log */
#define AHEAD_EVERY_PAGES 200       /* a checkpoint ahead, whenever so many were added */
#define CHECKPOINT_PAGES 600        /* one between transactions, while others write */
#define CHECKPOINT_ALONE_PAGES 1400 /* while nobody else writes */
#define CHECKPOINT_REPEAT_PAGES 250 /* pages, after a checkpoint that could not restart the log */
#define LONG_PAGES 2000             /* of a log that a flush holds up: then the relay waits for that */
/* times */
#define CLAIM_WAIT_NS 10000000u /* the longest wait for a claim to end */
#define AHEAD_WAIT_NS 10000000u /* the longest wait for a checkpoint ahead to end */
#define LONG_WAIT_NS 2000000000u
#define AHEAD_RETRY_NS 1000000u
#define FLUSH_SLOW_NS 2500000u /* a checkpoint that took longer shows that a flush with the lock would be slow */
#define AHEAD_ATTEMPTS 3

static void warn(struct lite_conn *conn, int code)
{
    struct outbox_error error;
    if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY)
        return;
    lite_fail(conn, code, "checkpoint", &error);
    conn->host->log(conn->host, OUTBOX_LOG_WARN, "%s", error.text);
}

static int copy_log(struct lite_conn *conn, int *pages, int *copied)
{
    return sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, pages, copied);
}

/* ---- ahead: LOG lane ----------------------------------------------------------------------------------------- */

/* SQLite flushes the database file only in a checkpoint that reaches the end of the log. Flushed here, the pages need
 * no flush in the next one. */
static int flush_database(struct lite_conn *conn)
{
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK || !file || !file->pMethods)
        return code;
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

/* A claim that began while the log was empty prevents the copying until it ends: hence the attempts. */
static void ahead_run(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_store *store = op->store;
    int code, pages = 0, copied = 0;
    for (int attempt = 1;; attempt++) {
        code = copy_log(conn, &pages, &copied);
        if (code != SQLITE_OK || copied >= store->log.ahead_target_pages || attempt == AHEAD_ATTEMPTS ||
            !lite_op_sleep(op, store->host, lite_now(store) + AHEAD_RETRY_NS))
            break;
    }
    if (code == SQLITE_OK && copied > 0 && copied < pages)
        code = flush_database(conn);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        store->log.ahead_failed = true;
    warn(conn, code);
    store->log.ahead = false;
}

static void start_ahead(struct lite_store *store);

static void ahead_finish(struct lite_op *op)
{
    struct lite_store *store = op->store;
    store->log.ahead_runs = false;
    if (!lite_op_ok(op)) /* it did not run */
        store->log.ahead = false;
    else if (store->log.ahead) /* requested again since */
        start_ahead(store);
}

static void start_ahead(struct lite_store *store)
{
    struct lite_op *op = &store->log.ahead_op;
    *op = (struct lite_op){
        .lanes = &store->lanes, .store = store, .lane = LANE_LOG, .run = ahead_run, .finish = ahead_finish};
    store->log.ahead_runs = true;
    lite_op_submit(op);
}

/* Loop thread: the WRITE lane has requested a checkpoint. */
static void on_request(struct outbox_task *task)
{
    struct lite_store *store = task->arg;
    if (store->log.ahead_runs)
        return; /* ahead_finish() starts the next one */
    if (lite_lanes_closing(&store->lanes))
        store->log.ahead = false;
    else
        start_ahead(store);
}

static void request_ahead(struct lite_store *store)
{
    struct lite_log *log = &store->log;
    if (log->ahead || log->ahead_failed || log->pages - log->ahead_pages < AHEAD_EVERY_PAGES)
        return;
    log->ahead_pages = log->ahead_target_pages = log->pages;
    log->ahead = true;
    store->host->post(store->host, &log->ahead_task);
}

/* Two checkpoints exclude each other. */
static void wait_for_ahead(struct lite_op *op)
{
    struct lite_store *store = op->store;
    uint64_t until = lite_now(store) + (store->log.pages > LONG_PAGES ? LONG_WAIT_NS : AHEAD_WAIT_NS);
    while (store->log.ahead && lite_now(store) < until &&
           lite_op_sleep(op, store->host, lite_now(store) + AHEAD_WAIT_NS / 40)) {
    }
}

/* ---- between transactions: WRITE lane ------------------------------------------------------------------------ */

static void wait_for_claim(struct lite_op *op)
{
    struct lite_store *store = op->store;
    uint64_t until = lite_now(store) + CLAIM_WAIT_NS;
    store->log.hold_claims = true;
    while (store->reader.reading && lite_now(store) < until &&
           lite_op_sleep(op, store->host, lite_now(store) + CLAIM_WAIT_NS / 20)) {
    }
}

/* Holds the write lock for the flush of the few pages that came after the last checkpoint. It waits for no reader,
 * since it would wait with the lock. */
static int restart_log(struct lite_conn *conn, struct lite_store *store)
{
    uint64_t busy_timeout_ms = conn->busy_timeout_ms;
    lite_write_yield(store);
    uint64_t begin = lite_now(store);
    lite_pace_begin(&store->pace, begin);
    conn->busy_timeout_ms = 0;
    int code = sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    conn->busy_timeout_ms = busy_timeout_ms;
    uint64_t end = lite_now(store);
    if (code == SQLITE_OK)
        lite_pace_learn_restart(&store->pace, end - begin);
    lite_pace_end(&store->pace, end);
    return code;
}

/*
 * First without the lock once more: claims wait, so no reader of this relay prevents it from reaching the end of the
 * log, and if nobody else writes that is enough. Its duration predicts that of the restart: the same disk and as few
 * pages.
 */
static int clean_up(struct lite_conn *conn, struct lite_store *store)
{
    uint64_t begin = lite_now(store);
    int code = copy_log(conn, NULL, NULL);
    uint64_t end = lite_now(store);
    if (code != SQLITE_OK || !lite_pace_contended(&store->pace, end))
        return code;
    if (end - begin <= FLUSH_SLOW_NS)
        return restart_log(conn, store);
    lite_pace_learn_restart(&store->pace, end - begin);
    return SQLITE_OK;
}

static void checkpoint(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_store *store = op->store;
    struct lite_log *log = &store->log;
    int pages = 0, copied = 0;
    wait_for_ahead(op);
    OUTBOX_FAILPOINT(store->host, sqlite, before_checkpoint);
    warn(conn, copy_log(conn, &pages, &copied));
    OUTBOX_FAILPOINT(store->host, sqlite, after_checkpoint);
    log->checkpointed_pages = log->ahead_pages = log->pages;
    wait_for_claim(op);
    bool unfinished = lite_pace_contended(&store->pace, lite_now(store)) || copied < pages;
    if (log->pages > (int)store->pace.restart_pages && unfinished)
        warn(conn, clean_up(conn, store));
    log->hold_claims = false;
}

/* Did the log begin anew since the last inspection, and did another connection add to it? */
static void inspect_log(struct lite_store *store, struct lite_conn *conn)
{
    struct lite_log *log = &store->log;
    int own_pages = 0, ignored;
    sqlite3_db_status(conn->db, SQLITE_DBSTATUS_CACHE_WRITE, &own_pages, &ignored, 1);
    bool anew = log->pages < log->seen_pages;
    int added_pages = log->pages - (anew ? 0 : log->seen_pages);
    if (anew)
        log->checkpointed_pages = log->ahead_pages = 0;
    if (added_pages > own_pages)
        lite_pace_note_writer(&store->pace, lite_now(store));
    log->seen_pages = log->pages;
}

static int due_pages(const struct lite_store *store)
{
    if (store->log.checkpointed_pages)
        return CHECKPOINT_REPEAT_PAGES;
    return lite_pace_contended(&store->pace, lite_now(store)) ? CHECKPOINT_PAGES : CHECKPOINT_ALONE_PAGES;
}

void lite_log_checkpoint(struct lite_op *op, struct lite_conn *conn, int pages)
{
    inspect_log(op->store, conn);
    if (op->store->log.pages - op->store->log.checkpointed_pages >= pages)
        checkpoint(op, conn);
}

void lite_log_after_commit(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_store *store = op->store;
    inspect_log(store, conn);
    if (store->log.pages - store->log.checkpointed_pages >= due_pages(store))
        checkpoint(op, conn);
    else
        request_ahead(store);
}

/* ---- start --------------------------------------------------------------------------------------------------- */

void lite_log_init(struct lite_store *store)
{
    store->log.ahead_task = (struct outbox_task){.run = on_request, .arg = store};
}

void lite_log_reset(struct lite_store *store)
{
    struct lite_log *log = &store->log;
    log->pages = log->seen_pages = log->checkpointed_pages = log->ahead_pages = 0;
    log->ahead = log->ahead_failed = false;
}

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct lite_store *store = arg;
    (void)db;
    (void)name;
    store->log.pages = pages;
    return SQLITE_OK;
}

void lite_log_watch(struct lite_store *store, struct lite_conn *conn)
{
    sqlite3_wal_hook(conn->db, on_commit, store);
}
