/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/claim.c - read the next rows
 *
 * One writer at a time and AUTOINCREMENT: ids become visible in ascending order, so the id of the last row that was
 * given is all that must be remembered to read on. The exception is a row that the application inserted with an
 * id of its own choice, below that. So once in a while, and always before the relay sleeps, a sweep asks for rows in
 * the gaps between the ids that were given and are not settled yet: a few seeks in the index, since those ids are
 * kept as ranges.
 */
#include "store.h"

#include <string.h>

#define READING "claim rows from"
#define SWEEP_PAUSE 1000000000u /* nanoseconds */
#define MOMENT_NS 50000000u     /* the longest that a claim waits for the log to begin anew */
#define SWEEP_RANGES 4096u      /* more of them are swept as rarely as that takes longer */

/* Rows from low to high into the batch, up to the claim's limits. */
static int read_rows(struct lite_job *job, struct lite_conn *conn, int64_t low, int64_t high)
{
    const struct outbox_claim *claim = job->as.claim.args;
    struct outbox_batch *rows = lite_batch_rows(job->as.claim.batch);
    sqlite3_stmt *statement = conn->statements[STATEMENT_NEXT];
    uint32_t room = claim->max_rows - rows->rows;
    int code = SQLITE_OK, added = OUTBOX_OK;
    sqlite3_bind_int64(statement, 1, low);
    sqlite3_bind_int64(statement, 2, high);
    sqlite3_bind_int64(statement, 3, room);
    uint32_t before = rows->rows;
    while (!added && (code = sqlite3_step(statement)) == SQLITE_ROW)
        added = lite_batch_add(job->store, job->as.claim.batch, statement, claim->max_bytes);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        lite_fail(conn, code, READING, &job->error);
    sqlite3_reset(statement);
    if (added == OUTBOX_E_NO_MEMORY)
        outbox_error_set(&job->error, added, READING " %s: out of memory", job->store->path);
    if (added == OUTBOX_E_AGAIN || rows->rows - before == room)
        job->as.claim.more = true;
    return job->error.code;
}

static void read_exact(struct lite_job *job, struct lite_conn *conn)
{
    const struct outbox_claim *claim = job->as.claim.args;
    sqlite3_stmt *statement = conn->statements[STATEMENT_EXACT];
    for (uint32_t i = 0; i < claim->position_count && lite_ok(job) && !job->as.claim.more; i++) {
        sqlite3_bind_int64(statement, 1, (int64_t)claim->positions[i].major);
        int code = sqlite3_step(statement), added = OUTBOX_OK;
        if (code == SQLITE_ROW)
            added = lite_batch_add(job->store, job->as.claim.batch, statement, claim->max_bytes);
        else if (code != SQLITE_DONE)
            lite_fail(conn, code, READING, &job->error);
        sqlite3_reset(statement);
        if (added == OUTBOX_E_NO_MEMORY)
            outbox_error_set(&job->error, added, READING " %s: out of memory", job->store->path);
        job->as.claim.more = added == OUTBOX_E_AGAIN;
    }
}

/* Everything below the last id that is in no range of those given. */
static void sweep(struct lite_job *job, struct lite_conn *conn)
{
    const struct obx_sql_ranges *given = &job->as.claim.sweep;
    int64_t low = 1;
    for (uint32_t i = 0; i <= given->count && lite_ok(job) && !job->as.claim.more; i++) {
        int64_t high = i < given->count ? given->items[i].lo - 1 : job->as.claim.from;
        if (low <= high)
            read_rows(job, conn, low, high);
        if (i < given->count && given->items[i].hi == INT64_MAX)
            return; /* there is no next one */
        low = i < given->count ? given->items[i].hi + 1 : low;
    }
}

/* The WRITE lane asks for a moment without readers: it takes the time of a flush. */
static void begin_reading(struct lite_job *job)
{
    struct lite_store *store = job->store;
    uint64_t until = lite_now(store) + MOMENT_NS;
    do {
        while (store->claims_wait && lite_now(store) < until &&
               lite_job_sleep(job, lite_now(store) + MOMENT_NS / 200)) {
        }
        store->claiming = true;
        if (!store->claims_wait || lite_now(store) >= until || job->canceled)
            return;
        store->claiming = false; /* asked for just now */
    } while (true);
}

static void claim_run(struct lite_job *job, struct lite_conn *conn)
{
    if (lite_same_file(job->store, READING, &job->error) ||
        OUTBOX_FAILPOINT_ERROR(job->store->host, sqlite, before_claim, &job->error))
        return;
    begin_reading(job);
    if (job->as.claim.args->positions)
        read_exact(job, conn);
    if (job->as.claim.sweep.items)
        sweep(job, conn);
    if (lite_ok(job) && !job->as.claim.more && !job->as.claim.args->positions && job->as.claim.from < INT64_MAX)
        read_rows(job, conn, job->as.claim.from + 1, INT64_MAX);
    job->store->claiming = false;
    OUTBOX_FAILPOINT(job->store->host, sqlite, after_claim);
}

/* From here on these ids count as given. */
static int note_given(struct lite_store *store, const struct outbox_batch *rows)
{
    struct obx_sql_ranges runs = {0};
    const struct outbox_span all = {.batch = rows, .count = rows->rows};
    const struct outbox_settle settle = {.spans = &all, .span_count = 1};
    bool noted = obx_sql_id_ranges(store->host, &runs, &settle);
    for (uint32_t i = 0; i < runs.count && noted; i++)
        noted = obx_sql_ranges_add(store->host, &store->given, runs.items[i].lo, runs.items[i].hi);
    if (noted && runs.items[runs.count - 1].hi > store->high)
        store->high = runs.items[runs.count - 1].hi;
    if (store->high > store->highest)
        store->highest = store->high;
    obx_sql_ranges_free(store->host, &runs);
    return noted ? OUTBOX_OK : OUTBOX_E_NO_MEMORY;
}

/* Rows that could not be noted are not given: the host will connect anew, and begin at the first row. */
static void claim_finish(struct lite_job *job)
{
    struct lite_store *store = job->store;
    struct outbox_claim *claim = job->as.claim.args;
    struct outbox_batch *rows = lite_batch_rows(job->as.claim.batch);
    obx_sql_ranges_free(store->host, &job->as.claim.sweep);
    if (lite_ok(job) && rows->rows && !claim->positions && note_given(store, rows))
        outbox_error_set(&job->error, OUTBOX_E_NO_MEMORY, READING " %s: out of memory", store->path);
    if (!lite_ok(job) || !rows->rows) {
        lite_batch_put(store, job->as.claim.batch);
        return;
    }
    rows->flags = job->as.claim.more ? OUTBOX_BATCH_MORE : 0;
    claim->batch = rows;
}

static bool sweep_is_due(struct lite_store *store, const struct outbox_claim *claim)
{
    uint64_t now = lite_now(store);
    if (claim->positions || !store->high || (now < store->sweep_at && !(claim->flags & OUTBOX_CLAIM_ARM_WAKEUP)))
        return false;
    store->sweep_at = now + SWEEP_PAUSE * (uint64_t)(1 + store->given.count / SWEEP_RANGES);
    return true;
}

/* Without memory for the copy there is no sweep this time. */
static void copy_given(const struct lite_store *store, struct obx_sql_ranges *copy)
{
    const struct obx_sql_ranges *given = &store->given;
    if (!obx_sql_grow(store->host, (void **)&copy->items, &copy->room, given->count + 1, sizeof *copy->items))
        return;
    copy->count = given->count;
    if (given->count)
        memcpy(copy->items, given->items, given->count * sizeof *copy->items);
}

void lite_claim_rewind(struct lite_store *store)
{
    store->high = 0;
    obx_sql_ranges_clear(&store->given);
}

void lite_claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    struct lite_store *store = self;
    struct lite_job *job = lite_job_new(store, op, LANE_READ, claim_run);
    claim->batch = NULL;
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        lite_claim_rewind(store);
    if (claim->flags & OUTBOX_CLAIM_ARM_WAKEUP)
        lite_batches_free(store); /* nothing to do for a while: an idle relay is a small one */
    lite_wake_arm(store);
    job->as.claim.args = claim;
    job->as.claim.from = store->high;
    job->as.claim.batch = lite_batch_get(store);
    if (!job->as.claim.batch) {
        struct outbox_error error;
        outbox_error_set(&error, OUTBOX_E_NO_MEMORY, READING " %s: out of memory", store->path);
        store->host->op_done(store->host, op, &error);
        return;
    }
    if (sweep_is_due(store, claim))
        copy_given(store, &job->as.claim.sweep);
    job->finish = claim_finish;
    lite_job_submit(job);
}
