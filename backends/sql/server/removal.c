/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/removal.c - see removal.h */
#include "sql/server/removal.h"

#include "sql/server/locked_rows.h"
#include "sql/server/owner.h"
#include "sql/server/refused.h"
#include "sql/server/removal_chunk.h"
#include "sql/server/removal_failure.h"

enum { FAILURES_MAX = 200, HURRIED_MAX = 20 }; /* statements of one removal */

/* ---- one statement after the other ------------------------------------------------------------------------------- */

static void next_chunk(struct sql_op *op);

/* A row that proves the ownership may be locked. */
static void set_mode(struct sql_op *op, enum sql_locked_mode mode)
{
    op->removal.mode = mode;
    op->full_proof = op->full_proof || mode != SQL_LOCKED_WAIT;
    if (mode == SQL_LOCKED_HURRY)
        op->removal.failures_max = op->removal.failures + HURRIED_MAX;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t twice(int64_t rows)
{
    return rows > INT64_MAX / 2 ? INT64_MAX : rows * 2;
}

/* After a time-out statements grow again from one removal to the next, so that each of them gets as far. */
static void finish(struct sql_op *op, const struct outbox_error *error)
{
    if (!error->code && !op->removal.timed_out)
        op->store->removal_rows = twice(op->store->removal_rows);
    op->removal.done(op, error);
}

static void finish_again(struct sql_op *op)
{
    op->removal.error.code = OUTBOX_E_AGAIN;
    finish(op, &op->removal.error);
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
    sql_retire_chunk(op, &store->remaining, NULL);
    next_chunk(op);
}

/* Their ids are noted; nothing else is known of them yet. */
static void leave_locked(struct sql_op *op, const struct obx_sql_ranges *locked)
{
    struct sql_store *store = op->store;
    if (sql_locked_has_room(store, locked)) {
        sql_retire_chunk(op, NULL, locked);
        next_chunk(op);
        return;
    }
    sql_put_chunk_back(op);
    outbox_error_set(&op->removal.error, OUTBOX_E_AGAIN,
                     "settle rows of %s: another session has locked more than %d published rows, %s among them",
                     store->table_name, SQL_LOCKED_MAX, sql_id_list(locked).text);
    finish_again(op);
}

/* Of one row that is still locked after a moment. */
static void leave_row_locked(struct sql_op *op)
{
    struct sql_store *store = op->store;
    obx_sql_ranges_clear(&store->remaining);
    if (!obx_sql_ranges_add(store->host, &store->remaining, op->ranges[0].lo, op->ranges[0].lo))
        store->outstanding.incomplete = true;
    leave_locked(op, &store->remaining);
}

static void divide(struct sql_op *op)
{
    struct sql_removal *removal = &op->removal;
    uint64_t rows = sql_ranges_rows(op->ranges, op->range_count);
    if (rows == 1) {
        refuse_row(op);
        return;
    }
    sql_put_chunk_back(op);
    removal->rows = (int64_t)(rows / 2);
    if (removal->error.code == OUTBOX_E_TIMEOUT)
        op->store->removal_rows = removal->rows;
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
    op->removal.sent_ns = op->store->host->now(op->store->host);
    op->request.transaction = op->request.fires_triggers = true;
    sql_op_submit(op, op->store->owner, "settle rows", op->store->driver->put_settle, op->store->driver->removal_result,
                  done);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* Another session has locked some of these rows. Which? */
static void divide_locked(struct sql_op *op)
{
    uint64_t rows = sql_ranges_rows(op->ranges, op->range_count);
    if (rows == 1) {
        leave_row_locked(op);
        return;
    }
    sql_put_chunk_back(op);
    op->removal.rows = (int64_t)(rows / 2);
    next_chunk(op);
}

/* The statement works without rows, so the last failure was one of its rows'. */
static void on_proof(struct sql_op *op)
{
    sql_cut_chunk(op);
    if (!op->store->driver->is_lock_wait(&op->removal.error)) {
        divide(op);
        return;
    }
    sql_locked_found(op->store, SQL_LOCKED_HURRY);
    if (op->removal.mode != SQL_LOCKED_HURRY)
        set_mode(op, SQL_LOCKED_HURRY);
    divide_locked(op);
}

/* If the statement fails without rows as well, the failure was no row's: it is the result. */
static void on_trial(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (sends_again(request, error)) {
        submit(op, on_trial);
        return;
    }
    struct outbox_error verdict = sql_owner_verdict(request, error);
    op->removal.verified = true;
    if (!verdict.code)
        on_proof(op);
    else if (sql_may_be_a_row(&verdict))
        finish_again(op);
    else
        finish(op, &verdict);
}

/* Does the statement work at all? */
static void try_without_rows(struct sql_op *op)
{
    sql_put_chunk_back(op);
    op->range_count = 0;
    submit(op, on_trial);
}

/* After a first wait the rows go that are not locked. A wait that took long may have been for a lock of the table, and
 * leaves no time for another one in this operation. */
static void on_lock(struct sql_op *op)
{
    struct sql_removal *removal = &op->removal;
    bool hurries = op->store->driver->retry_mode == SQL_LOCKED_HURRY, waited = removal->mode == SQL_LOCKED_WAIT;
    sql_locked_found(op->store, SQL_LOCKED_SKIP);
    if (!waited && hurries && removal->verified) {
        divide_locked(op);
    } else if (!waited && hurries) {
        try_without_rows(op);
    } else {
        sql_put_chunk_back(op);
        if (!waited || sql_removal_took_long(op)) {
            finish_again(op);
            return;
        }
        set_mode(op, SQL_LOCKED_SKIP);
        next_chunk(op);
    }
}

static void on_failed(struct sql_op *op, const struct outbox_error *error)
{
    switch (sql_removal_failed(op, error, sql_ranges_rows(op->ranges, op->range_count))) {
    case SQL_FAILURE_OF_ROWS:
        divide(op);
        break;
    case SQL_FAILURE_UNPROVEN:
        try_without_rows(op);
        break;
    case SQL_FAILURE_OF_LOCK:
        on_lock(op);
        break;
    default:
        finish(op, &op->removal.error);
    }
}

/* What remains of a statement that leaves locked rows out is locked. What remains of another one is refused. */
static void on_remaining(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    if (error->code) {
        struct outbox_error verdict = *error;
        sql_put_chunk_back(op);
        sql_keep_connection(&verdict);
        finish(op, &verdict);
        return;
    }
    if (op->removal.mode == SQL_LOCKED_SKIP) {
        leave_locked(op, &store->remaining);
        return;
    }
    if (store->remaining.count)
        sql_refused_set_reason(store, NULL);
    sql_retire_chunk(op, &store->remaining, NULL);
    next_chunk(op);
}

/* Ranges have only ids that were claimed. */
static void note_shared_ids(const struct sql_op *op, uint64_t ids)
{
    struct sql_store *store = op->store;
    if (op->removed <= ids)
        return;
    store->shared_ids = true;
    store->host->log(store->host, OUTBOX_LOG_ERROR,
                     "table %s.%s: several rows had the same id: %llu rows were removed with others of their id, and "
                     "may not have been published; %s",
                     store->table.schema, store->outbox.name, (unsigned long long)(op->removed - ids),
                     store->driver->duplicate_advice);
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
    note_shared_ids(op, rows);
    if (op->removed < rows) {
        sql_remaining_read(op, op->ranges, op->range_count, on_remaining);
        return;
    }
    sql_retire_chunk(op, NULL, NULL);
    next_chunk(op);
}

static void next_chunk(struct sql_op *op)
{
    static const struct outbox_error none;
    struct sql_removal *removal = &op->removal;
    struct sql_store *store = op->store;
    if (removal->first == removal->ranges->count) {
        finish(op, &none);
        return;
    }
    if (removal->failures >= removal->failures_max || removal->timed_out) {
        finish_again(op);
        return;
    }
    removal->rows = least(removal->rows, least(removal->limit, store->removal_rows));
    sql_cut_chunk(op);
    submit(op, on_removed);
    SQL_FAILPOINT(store, settle_sent); /* op may have ended */
}

static void begin(struct sql_op *op, enum sql_locked_mode mode)
{
    op->full_proof = false;
    set_mode(op, mode);
    next_chunk(op);
}

void sql_remove(struct sql_op *op, struct obx_sql_ranges *ranges, int64_t limit,
                void (*done)(struct sql_op *op, const struct outbox_error *error))
{
    op->removal = (struct sql_removal){
        .ranges = ranges, .limit = limit, .rows = op->store->removal_rows, .failures_max = FAILURES_MAX, .done = done};
    begin(op, sql_locked_mode(op->store));
}

void sql_remove_locked(struct sql_op *op, struct obx_sql_ranges *ranges, void (*then)(struct sql_op *op),
                       void (*done)(struct sql_op *op, const struct outbox_error *error))
{
    enum sql_locked_mode mode = op->store->driver->retry_mode;
    op->removal = (struct sql_removal){.ranges = ranges,
                                       .limit = mode == SQL_LOCKED_HURRY ? 1 : INT64_MAX,
                                       .rows = op->store->removal_rows,
                                       .failures_max = FAILURES_MAX,
                                       .then = then,
                                       .done = done};
    begin(op, mode);
}
