/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/settle.c - write transactions of the relay, each of them short: delivered rows go, dead ones move
 *
 * SQLite has one write lock, and an application that waits for it asks again after 1 ms, then 2 ms later, then 5 and
 * so on. So a transaction of the relay holds it for about two milliseconds and then leaves it alone for a little
 * longer: whenever a writer met the relay, the lock is free at its first or its second question. While others are
 * seen to write it holds the lock for much less than that, so that a disk or a scheduler that makes a transaction
 * several times as long does not push them to the third question, five milliseconds later. If that happens all the
 * same, a transaction ends early with what it has, and the pause behind it is as long as the sleep of whoever met it,
 * so that nobody meets the relay twice. How many rows fit is learned as it goes, in the time of the processor: on a
 * busy machine the clock on the wall would teach ever smaller pieces, and small pieces write the same pages again and
 * again. What it will remove it reads before it asks for the lock. The log that all this fills is the business of
 * log.c. Every transaction begins with a look at the epoch, so that an owner that was replaced removes nothing. Rows
 * are removed by ranges of ids without gaps: such a range cannot contain a row that was not published.
 */
#include "store.h"

#include <time.h>

#define SETTLING "settle rows of"
#define PARKING "park rows of"
#define HOLD_NS 2000000u
#define HOLD_BESIDE_NS 600000u
#define LEAVE_NS 2300000u
#define LEAVE_BESIDE_NS 4000000u
#define LATE_NS 300000u /* a timer wakes somebody so much later than he asked for */
#define NAP_NS 60000    /* a timer is late by as much again */
#define CHUNK_LEAST 16u
#define PIECES 4u /* of a transaction: after each it looks at the clock */
#define CHUNK_MOST 8192u
#define WARM_LEAST 32u /* fewer rows are not worth a look ahead */

/* ---- transactions -------------------------------------------------------------------------------------------- */

static int canceled(const struct lite_job *job, const char *what, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_CANCELED, "%s %s: canceled", what, job->store->path);
}

static uint64_t hold_ns(const struct lite_store *store)
{
    return lite_others_write(store) ? HOLD_BESIDE_NS : HOLD_NS;
}

/* How long may a writer still sleep that met a lock which was held for so long? SQLite's table, a look after each. */
static uint64_t sleeps_ns(uint64_t held_ns)
{
    static const uint64_t pauses_ms[] = {1, 2, 5, 10, 15, 20, 25};
    uint64_t pause_ns = 0, looks_ns = 0;
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms && looks_ns <= held_ns; i++) {
        pause_ns = pauses_ms[i] * 1000000u;
        looks_ns += pause_ns;
    }
    return pause_ns + LATE_NS;
}

/* By the clock on the wall: enough, whatever was meant to be done. */
static bool hold_is_over(const struct lite_store *store)
{
    return lite_now(store) - store->held_since >= hold_ns(store);
}

void lite_write_leave(struct lite_store *store, uint64_t since_ns)
{
    uint64_t now = lite_now(store), sleeps = sleeps_ns(now - since_ns);
    uint64_t least = lite_others_write(store) ? LEAVE_BESIDE_NS : LEAVE_NS;
    store->write_after = now + (sleeps > least ? sleeps : least);
}

/*
 * Who has worked for a while, as look_ahead() has, will soon be made to wait for a processor, and with the lock that is
 * everybody's wait. Whoever wakes up begins his share of the processor anew, so this sleeps, as shortly as can be.
 */
void lite_begin_fresh(const struct lite_store *store)
{
    if (lite_others_write(store))
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

/* And look whether it is still ours. */
static int write_begin(struct lite_job *job, struct lite_conn *conn, const char *what)
{
    if (!lite_job_sleep(job, job->store->write_after))
        return canceled(job, what, &job->error);
    lite_begin_fresh(job->store);
    if (OUTBOX_FAILPOINT_ERROR(job->store->host, sqlite, before_begin, &job->error) ||
        lite_step(conn, STATEMENT_BEGIN, what, &job->error))
        return job->canceled ? canceled(job, what, &job->error) : job->error.code;
    job->store->held_since = lite_now(job->store);
    if (lite_check_epoch(job, conn, what))
        lite_rollback(conn);
    return job->error.code;
}

static int write_commit(struct lite_job *job, struct lite_conn *conn, const char *what)
{
    if (!lite_ok(job) || OUTBOX_FAILPOINT_ERROR(job->store->host, sqlite, before_commit, &job->error) ||
        lite_step(conn, STATEMENT_COMMIT, what, &job->error))
        lite_rollback(conn);
    OUTBOX_FAILPOINT(job->store->host, sqlite, after_commit);
    lite_write_leave(job->store, job->store->held_since);
    return job->error.code;
}

/* ---- settle -------------------------------------------------------------------------------------------------- */

struct cursor {
    const struct obx_sql_ranges *runs;
    uint32_t run;
    int64_t next; /* id within the run; 0: its first */
};

/* The next ids without a gap, at most `most`: how many. */
static uint32_t next_range(struct cursor *at, uint32_t most, int64_t *low)
{
    if (at->run == at->runs->count)
        return 0;
    const struct obx_sql_range *run = &at->runs->items[at->run];
    *low = at->next ? at->next : run->lo;
    if (run->hi - *low >= (int64_t)most) {
        at->next = *low + most;
        return most;
    }
    at->run++;
    at->next = 0;
    return (uint32_t)(run->hi - *low + 1);
}

static int remove_range(struct lite_job *job, struct lite_conn *conn, int64_t low, int64_t high, const char *what)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_DELETE_RANGE];
    sqlite3_bind_int64(statement, 1, low);
    sqlite3_bind_int64(statement, 2, high);
    return lite_step(conn, STATEMENT_DELETE_RANGE, what, &job->error);
}

static uint64_t processor_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void learn(struct lite_store *store, uint32_t rows, uint64_t worked_ns)
{
    uint64_t fit = (uint64_t)rows * hold_ns(store) / (worked_ns ? worked_ns : 1);
    if (fit > store->chunk && rows < store->chunk)
        return; /* too few to tell */
    fit = fit > store->chunk * 2ull ? store->chunk * 2ull : fit;
    fit = fit < store->chunk / 2 ? store->chunk / 2 : fit;
    store->chunk = (uint32_t)(fit < CHUNK_LEAST ? CHUNK_LEAST : fit > CHUNK_MOST ? CHUNK_MOST : fit);
}

/* Read what will be removed while the lock is left to others: what is in the cache need not be read with the lock. */
static void warm(struct lite_conn *conn, int64_t low, int64_t high)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_WARM];
    sqlite3_bind_int64(statement, 1, low);
    sqlite3_bind_int64(statement, 2, high);
    sqlite3_step(statement); /* a failure will be met again, and told, by the removal */
    sqlite3_reset(statement);
}

/* What will be removed next. False: nothing is left. */
static bool look_ahead(struct lite_job *job, struct lite_conn *conn, struct cursor at)
{
    struct lite_store *store = job->store;
    int64_t low;
    uint32_t count = next_range(&at, store->chunk, &low);
    if (lite_others_write(store)) /* their next commit will empty the cache */
        lite_job_sleep(job, store->write_after);
    if (count > WARM_LEAST)
        warm(conn, low, low + (count - 1));
    return count;
}

/*
 * Piece by piece, so that one who is kept waiting while he holds the lock, by a disk or for a processor, commits what
 * he has. How many rows.
 */
static uint32_t remove_some(struct lite_job *job, struct lite_conn *conn, struct cursor *at)
{
    struct lite_store *store = job->store;
    uint32_t rows = 0, piece = store->chunk < CHUNK_LEAST * PIECES ? CHUNK_LEAST : store->chunk / PIECES;
    do {
        uint32_t left = store->chunk - rows;
        int64_t low;
        uint32_t count = next_range(at, left < piece ? left : piece, &low);
        if (!count || remove_range(job, conn, low, low + (count - 1), SETTLING))
            break;
        rows += count;
    } while (rows < store->chunk && !hold_is_over(store));
    return rows;
}

/* One transaction. False: nothing is left, or it failed. */
static bool settle_some(struct lite_job *job, struct lite_conn *conn, struct cursor *at)
{
    struct lite_store *store = job->store;
    if (!look_ahead(job, conn, *at) || write_begin(job, conn, SETTLING))
        return false;
    uint64_t worked = processor_ns();
    uint32_t rows = remove_some(job, conn, at);
    if (write_commit(job, conn, SETTLING))
        return false;
    learn(store, rows, processor_ns() - worked);
    lite_log_tend(job, conn);
    return true;
}

static void settle_run(struct lite_job *job, struct lite_conn *conn)
{
    struct lite_store *store = job->store;
    struct cursor at = {.runs = &store->runs};
    if (!obx_sql_id_ranges(store->host, &store->runs, job->as.settle)) {
        outbox_error_set(&job->error, OUTBOX_E_NO_MEMORY, SETTLING " %s: out of memory", store->path);
        return;
    }
    while (settle_some(job, conn, &at)) {
    }
}

/* An id that stays among the given for lack of memory only keeps the sweep from it. */
static void settle_finish(struct lite_job *job)
{
    struct lite_store *store = job->store;
    for (uint32_t i = 0; lite_ok(job) && i < store->runs.count; i++)
        obx_sql_ranges_remove(store->host, &store->given, store->runs.items[i].lo, store->runs.items[i].hi);
}

void lite_settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    struct lite_job *job = lite_job_new(self, op, LANE_WRITE, settle_run);
    job->as.settle = settle;
    job->finish = settle_finish;
    lite_job_submit(job);
}

/* ---- park ---------------------------------------------------------------------------------------------------- */

static int bury(struct lite_job *job, struct lite_conn *conn, const struct outbox_dead_row *row)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_BURY];
    sqlite3_bind_int64(statement, 1, (int64_t)row->position.major);
    sqlite3_bind_text(statement, 4, row->reason, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, row->attempts);
    int native = lite_bind_bytes(statement, 2, row->topic);
    if (native == SQLITE_OK)
        native = lite_bind_bytes(statement, 3, row->key);
    if (native != SQLITE_OK)
        lite_fail(conn, native, PARKING, &job->error);
    else
        lite_step(conn, STATEMENT_BURY, PARKING, &job->error);
    sqlite3_clear_bindings(statement);
    return job->error.code;
}

/* One transaction, of at least one row. What was parked before a failure is gone when the host tries again: no harm. */
static uint32_t park_some(struct lite_job *job, struct lite_conn *conn, uint32_t from)
{
    const struct outbox_dead_letter_rows *park = job->as.park;
    if (write_begin(job, conn, PARKING))
        return park->count;
    do {
        int64_t id = (int64_t)park->rows[from].position.major;
        if (!bury(job, conn, &park->rows[from++]))
            remove_range(job, conn, id, id, PARKING);
    } while (from < park->count && lite_ok(job) && !hold_is_over(job->store));
    write_commit(job, conn, PARKING);
    return from;
}

static void park_run(struct lite_job *job, struct lite_conn *conn)
{
    for (uint32_t next = 0; next < job->as.park->count && lite_ok(job);)
        next = park_some(job, conn, next);
}

static void park_finish(struct lite_job *job)
{
    struct lite_store *store = job->store;
    for (uint32_t i = 0; lite_ok(job) && i < job->as.park->count; i++) {
        int64_t id = (int64_t)job->as.park->rows[i].position.major;
        obx_sql_ranges_remove(store->host, &store->given, id, id);
    }
}

void lite_park(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *park)
{
    struct lite_job *job = lite_job_new(self, op, LANE_WRITE, park_run);
    job->as.park = park;
    job->finish = park_finish;
    lite_job_submit(job);
}
