/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/removal.c - see removal.h */
#include "sql/server/removal.h"

#include "sql/server/owner.h"
#include "sql/server/refused.h"

enum { FAILURES_MAX = 200 }; /* statements of one removal */

bool sql_may_be_a_row(const struct outbox_error *error)
{
    switch (error->code) {
    case OUTBOX_OK:
    case OUTBOX_E_NO_MEMORY:
    case OUTBOX_E_NOT_CONNECTED:
    case OUTBOX_E_CANCELED:
    case OUTBOX_E_AGAIN:
    case OUTBOX_E_STANDBY:
    case OUTBOX_E_FENCED:
    case OUTBOX_E_READ_ONLY:
    case OUTBOX_E_FULL:
    case OUTBOX_E_BUG:
        return false;
    default:
        return true;
    }
}

void sql_keep_connection(struct outbox_error *error)
{
    if (sql_may_be_a_row(error))
        error->code = OUTBOX_E_AGAIN;
}

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

/* The next ranges, as many as one transaction takes; the last of them is cut if need be. */
static void cut_chunk(struct sql_op *op)
{
    struct sql_removal *removal = &op->removal;
    struct obx_sql_range *ranges = removal->ranges->items + removal->first;
    uint32_t left = removal->ranges->count - removal->first, count = 0;
    int64_t room = removal->rows;
    removal->rest = (struct obx_sql_range){.lo = 1, .hi = 0};
    while (count < left && count < op->store->driver->settle_ranges && room > 0) {
        struct obx_sql_range *range = &ranges[count++];
        if (range->hi - range->lo >= room) {
            removal->rest = (struct obx_sql_range){range->lo + room, range->hi};
            range->hi = range->lo + room - 1;
        }
        room -= range->hi - range->lo + 1;
    }
    op->ranges = ranges;
    op->range_count = count;
}

static void put_chunk_back(struct sql_op *op)
{
    const struct sql_removal *removal = &op->removal;
    if (removal->rest.lo <= removal->rest.hi)
        removal->ranges->items[removal->first + op->range_count - 1].hi = removal->rest.hi;
}

/* The rows of the chunk are gone, but for `remaining`; NULL: all. */
static void retire_chunk(struct sql_op *op, const struct obx_sql_ranges *remaining)
{
    struct sql_removal *removal = &op->removal;
    struct sql_store *store = op->store;
    for (uint32_t i = 0; i < op->range_count; i++)
        obx_sql_outstanding_remove(&store->outstanding, op->ranges[i].lo, op->ranges[i].hi);
    sql_refused_note(store, op->ranges, op->range_count, remaining);
    removal->first += op->range_count;
    if (removal->rest.lo <= removal->rest.hi)
        removal->ranges->items[--removal->first] = removal->rest;
}

/* ---- one statement after the other ------------------------------------------------------------------------------- */

static void next_chunk(struct sql_op *op);

static void finish(struct sql_op *op, const struct outbox_error *error)
{
    op->removal.done(op, error);
}

static void finish_again(struct sql_op *op)
{
    op->removal.error.code = OUTBOX_E_AGAIN;
    finish(op, &op->removal.error);
}

static int64_t twice(int64_t rows)
{
    return rows > INT64_MAX / 2 ? INT64_MAX : rows * 2;
}

static void refuse_row(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct sql_removal *removal = &op->removal;
    int64_t id = op->ranges[0].lo;
    if (!sql_refused_has_room(store, id)) {
        outbox_error_set(&removal->error, OUTBOX_E_AGAIN,
                         "settle rows of %s: the server refuses to remove more than %d published rows, the last is %s",
                         store->table_name, SQL_REFUSED_MAX, sql_refused_reason(store));
        finish_again(op);
        return;
    }
    sql_refused_set_reason(store, &removal->error);
    obx_sql_ranges_clear(&store->remaining);
    if (!obx_sql_ranges_add(store->host, &store->remaining, id, id))
        store->outstanding.incomplete = true; /* as if it were gone, but no stray scan returns it */
    retire_chunk(op, &store->remaining);
    next_chunk(op);
}

/* A statement that took too long may leave no time for another one in this operation. */
static void divide(struct sql_op *op)
{
    struct sql_removal *removal = &op->removal;
    uint64_t rows = sql_ranges_rows(op->ranges, op->range_count);
    bool timed_out = removal->error.code == OUTBOX_E_TIMEOUT;
    if (rows == 1) {
        refuse_row(op);
        return;
    }
    put_chunk_back(op);
    removal->rows = (int64_t)(rows / 2);
    if (timed_out)
        op->store->removal_rows = removal->rows;
    if (timed_out || removal->failures >= FAILURES_MAX)
        finish_again(op);
    else
        next_chunk(op);
}

/* With a proof of ownership that costs more. */
static bool sends_again(struct sql_request *request, const struct outbox_error *error)
{
    const struct sql_driver *driver = request->store->driver;
    return error->code && driver->send_again && driver->send_again(request, error);
}

static void submit(struct sql_op *op, void (*done)(struct sql_request *request, const struct outbox_error *error))
{
    op->removed = 0;
    op->request.transaction = op->request.fires_triggers = true;
    sql_op_submit(op, op->store->owner, "settle rows", op->store->driver->put_settle, op->store->driver->removal_result,
                  done);
}

static void on_trial(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (sends_again(request, error)) {
        submit(op, on_trial);
        return;
    }
    struct outbox_error verdict = sql_owner_verdict(request, error);
    op->removal.verified = true;
    if (!verdict.code) {
        cut_chunk(op);
        divide(op);
        return;
    }
    sql_keep_connection(&verdict);
    finish(op, &verdict);
}

/* Does the statement work at all? */
static void try_without_rows(struct sql_op *op)
{
    put_chunk_back(op);
    op->range_count = 0;
    submit(op, on_trial);
}

static void on_failed(struct sql_op *op, const struct outbox_error *error)
{
    struct sql_removal *removal = &op->removal;
    removal->failures++;
    removal->error = *error;
    if (!sql_may_be_a_row(error)) {
        sql_keep_connection(&removal->error);
        finish(op, &removal->error);
    } else if (!removal->verified && error->code != OUTBOX_E_TIMEOUT) {
        try_without_rows(op);
    } else {
        divide(op);
    }
}

static void on_looked(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (error->code) {
        finish(op, error);
        return;
    }
    if (op->store->remaining.count)
        sql_refused_set_reason(op->store, NULL);
    retire_chunk(op, &op->store->remaining);
    next_chunk(op);
}

/* Rows that others deleted are not counted either. */
static void on_removed(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_removal *removal = &op->removal;
    uint64_t rows = sql_ranges_rows(op->ranges, op->range_count);
    SQL_FAILPOINT(op->store, after_settle);
    if (sends_again(request, error)) {
        submit(op, on_removed);
        return;
    }
    struct outbox_error verdict = sql_owner_verdict(request, error);
    if (verdict.code) {
        on_failed(op, &verdict);
        return;
    }
    removal->rows = twice(removal->rows);
    op->store->removal_rows = twice(op->store->removal_rows);
    if (op->removed < rows) {
        sql_refused_look(op, op->ranges, op->range_count, on_looked);
        return;
    }
    retire_chunk(op, NULL);
    next_chunk(op);
}

static void next_chunk(struct sql_op *op)
{
    static const struct outbox_error none;
    struct sql_removal *removal = &op->removal;
    struct sql_store *store = op->store;
    (void)store; /* only failpoints read it */
    if (removal->first == removal->ranges->count) {
        finish(op, &none);
        return;
    }
    if (removal->failures >= FAILURES_MAX) {
        finish_again(op);
        return;
    }
    removal->rows = removal->rows < removal->limit ? removal->rows : removal->limit;
    cut_chunk(op);
    submit(op, on_removed);
    SQL_FAILPOINT(store, settle_sent); /* op may have ended */
}

void sql_remove(struct sql_op *op, struct obx_sql_ranges *ranges, int64_t limit,
                void (*done)(struct sql_op *op, const struct outbox_error *error))
{
    op->removal = (struct sql_removal){.ranges = ranges, .limit = limit, .rows = op->store->removal_rows, .done = done};
    next_chunk(op);
}
