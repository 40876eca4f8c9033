/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/settle.c - remove delivered rows, in short write transactions
 *
 * Rows are removed by ranges of ids without gaps, so a range cannot contain a row that was not published. While the
 * lock is left to others, the pages of the next rows are read into the cache. A transaction that a disk or the
 * scheduler delays commits early, with the rows that it has removed. write.h fences and schedules the transactions, and
 * checkpoint.h keeps the log short that they fill.
 *
 * Failure modes: a row that the database refuses to remove stays, and is reported, see refused.h. Otherwise those of
 * write.h. What earlier transactions of the settle removed stays removed; the host tries the
 * whole settle again, and rows that are gone are no failure.
 */
#include <stdio.h>
#include <time.h>

#include "checkpoint.h"
#include "claim_rows.h"
#include "write.h"

#define SETTLING "settle rows of"
#define PREFETCH_MIN_ROWS 32u

struct settle_op {
    struct lite_op op;
    const struct outbox_settle *args;
};
LITE_OP_FITS(struct settle_op);

/* Where the settle has come to in its ids. */
struct cursor {
    struct obx_sql_ranges *ids;
    uint32_t max_step; /* rows of one statement; smaller while a trigger that rolls back is searched for */
    uint32_t range;
    int64_t next; /* id within the range; 0: its first */
};

/* The next ids without a gap, at most `most`: how many. */
static uint32_t next_ids(struct cursor *at, uint32_t most, int64_t *low)
{
    if (at->range == at->ids->count)
        return 0;
    const struct obx_sql_range *range = &at->ids->items[at->range];
    *low = at->next ? at->next : range->lo;
    if (range->hi - *low >= (int64_t)most) {
        at->next = *low + most;
        return most;
    }
    at->range++;
    at->next = 0;
    return (uint32_t)(range->hi - *low + 1);
}

static uint64_t cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Reads the pages of the next transaction, without the lock. A failure is reported by the removal. False: no ids left.
 */
static bool prefetch(struct lite_op *op, struct lite_conn *conn, struct cursor at)
{
    struct lite_store *store = op->store;
    sqlite3_stmt *statement = conn->statements[STATEMENT_REMAINING];
    int64_t low;
    uint32_t count = next_ids(&at, store->pace.chunk_rows, &low);
    if (lite_pace_contended(&store->pace, lite_now(store))) /* the next commit of others empties the cache */
        lite_op_sleep(op, store->host, store->pace.next_hold);
    if (count > PREFETCH_MIN_ROWS) {
        sqlite3_bind_int64(statement, 1, low);
        sqlite3_bind_int64(statement, 2, low + (count - 1));
        sqlite3_step(statement);
        sqlite3_reset(statement);
    }
    return count;
}

/*
 * A trigger has rolled the transaction back, so the state of its other rows is unknown. Begin again, in statements of
 * half as many rows, until the row is alone in its statement; then leave it out.
 */
static void search_rollback(struct lite_op *op, struct lite_conn *conn, struct cursor *at, int64_t low, uint32_t count)
{
    struct lite_store *store = op->store;
    at->range = 0;
    at->next = 0;
    at->max_step = count > 1 ? count / 2 : UINT32_MAX;
    if (count > 1)
        return;
    if (lite_refused_add(&store->refused, conn, low, "a trigger of the table rolls the transaction back", SETTLING,
                         &op->error) &&
        !obx_sql_ranges_remove(store->host, at->ids, low, low))
        lite_fail_memory(conn, SETTLING, &op->error);
}

/* One transaction's worth, in steps; the clock is read after each. Returns the number of rows. */
static uint32_t remove_chunk(struct lite_op *op, struct lite_conn *conn, struct cursor *at)
{
    struct lite_store *store = op->store;
    uint32_t rows = 0, limit = store->pace.chunk_rows, step = lite_pace_step_rows(&store->pace);
    step = step > at->max_step ? at->max_step : step;
    do {
        int64_t low;
        uint32_t count = next_ids(at, limit - rows < step ? limit - rows : step, &low);
        if (!count)
            break;
        enum lite_removal removal = lite_remove(&store->refused, conn, low, low + (count - 1), SETTLING, &op->error);
        if (removal == LITE_ROLLED_BACK)
            search_rollback(op, conn, at, low, count);
        if (removal != LITE_REMOVED)
            break;
        rows += count;
    } while (rows < limit && !lite_write_is_over(op));
    return rows;
}

/* One transaction. False: nothing is left to remove, or it failed. */
static bool settle_chunk(struct lite_op *op, struct lite_conn *conn, struct cursor *at)
{
    struct lite_store *store = op->store;
    if (!prefetch(op, conn, *at) || lite_write_begin(op, conn, SETTLING))
        return false;
    uint64_t begin = cpu_ns();
    uint32_t rows = remove_chunk(op, conn, at);
    if (lite_op_ok(op) && sqlite3_get_autocommit(conn->db)) /* rolled back: there is nothing to commit */
        return true;
    if (lite_write_commit(op, conn, SETTLING))
        return false;
    lite_pace_learn_rows(&store->pace, rows, cpu_ns() - begin, lite_now(store));
    lite_log_after_commit(op, conn);
    return true;
}

/* The host reads the remaining rows from the arguments, or gets an error. */
static void report_refused(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_refused *refused = &op->store->refused;
    const struct outbox_settle *args = ((struct settle_op *)op)->args;
    bool reports_refused = OUTBOX_HAS_MEMBER(args, refused) && args->refused;
    if (!refused->ids.count || !lite_op_ok(op))
        return;
    if (!reports_refused) {
        outbox_error_set(&op->error, OUTBOX_E_AGAIN, SETTLING " %s: %s", conn->path, refused->reason);
        return;
    }
    args->refused->rows = lite_refused_count(refused);
    snprintf(args->refused->reason, sizeof args->refused->reason, "%s", refused->reason);
    if (OUTBOX_HAS_MEMBER(args->refused, position_count)) {
        args->refused->position_count = lite_refused_list(refused, op->store->host);
        args->refused->positions = refused->positions;
    }
}

static void settle_run(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_store *store = op->store;
    struct cursor at = {.ids = &store->settle_ids, .max_step = UINT32_MAX};
    if (!obx_sql_id_ranges(store->host, &store->settle_ids, ((struct settle_op *)op)->args)) {
        lite_fail_memory(conn, SETTLING, &op->error);
        return;
    }
    while (settle_chunk(op, conn, &at)) {
    }
    lite_refused_log(&store->refused, conn);
    report_refused(op, conn);
}

/* Without memory an id stays outstanding, which only keeps stray scans from it. */
static void settle_finish(struct lite_op *op)
{
    struct lite_store *store = op->store;
    const struct obx_sql_ranges *ids = &store->settle_ids;
    for (uint32_t i = 0; lite_op_ok(op) && i < ids->count; i++)
        obx_sql_ranges_remove(store->host, &store->reader.outstanding, ids->items[i].lo, ids->items[i].hi);
    lite_claim_leave_out_refused(store);
}

void lite_settle(void *self, outbox_op_t id, const struct outbox_settle *args)
{
    struct lite_store *store = self;
    struct settle_op *settle = lite_op_begin(&store->lanes, id, LANE_WRITE, settle_run);
    settle->args = args;
    settle->op.finish = settle_finish;
    lite_op_submit(&settle->op);
}
