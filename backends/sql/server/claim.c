/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/claim.c - claiming rows
 *
 * wake-up policy -> [inspect writers, when that is due] -> claim -> read -> take in -> batch. The gap tracker processes
 * the result. It may require the same claim again with more gaps (a long transaction ended). A first row that is too
 * large also causes another claim: driver->learn() makes it fit. All this happens within one operation.
 *
 * Of rows that share an id the first comes alone, and the host rejects it: to remove it would remove them all.
 */
#include "sql/server/claim.h"

#include <stdio.h>

#include "sql/capture/capture.h"
#include "sql/server/locked_rows.h"
#include "sql/server/owner.h"
#include "sql/server/refused.h"
#include "sql/server/unreadable.h"

static void submit(struct sql_op *op);

/* ---- the result -------------------------------------------------------------------------------------------------- */

static void fail(struct sql_op *op, int code, const char *why)
{
    sql_op_fail(op, code, "claim rows from %s: %s", op->store->table_name, why);
}

static struct obx_sql_batch *make_batch(struct sql_op *op, const struct sql_reading *reading)
{
    struct sql_store *store = op->store;
    struct obx_sql_batch *batch = obx_sql_batch_get(&store->batches, store->host, reading->rows, store->selected_count);
    if (!batch)
        return NULL;
    batch->result = op->result;
    op->result = NULL;
    uint64_t bytes = store->driver->fill(store, batch, reading);
    obx_sql_batch_seal(batch, reading->rows, store->selected_count, bytes);
    return batch;
}

void sql_release(void *self, struct outbox_batch *released)
{
    struct sql_store *store = self;
    struct obx_sql_batch *batch = (struct obx_sql_batch *)(void *)released;
    if (batch->captured)
        sql_capture_release(store, batch);
    else
        store->driver->free_result(batch->result);
    obx_sql_batch_put(&store->batches, store->host, batch);
}

static void give(struct sql_op *op, struct obx_sql_batch *batch, const struct sql_reading *reading)
{
    struct sql_store *store = op->store;
    struct outbox_claim *claim = sql_claim_of(op);
    bool more = reading->truncated && (!claim->positions || reading->rows < claim->position_count);
    if (batch && reading->shared_id)
        obx_sql_batch_set_unreadable(batch, op->reason);
    sql_unreadable_mark(op, batch);
    if (batch) {
        batch->batch.flags = more ? OUTBOX_BATCH_MORE : 0;
        batch->batch.floor.major = claim->positions ? 0 : (uint64_t)obx_sql_gaps_floor(&store->gaps);
    }
    claim->batch = batch ? &batch->batch : NULL;
    claim->unusable = store->unusable;
    sql_wakeup_after(store, claim, reading);
    sql_refused_log(store);
    if (!batch && !claim->positions)
        sql_stray_scan_if_due(store);
    if (!claim->positions && store->driver->after_claim)
        store->driver->after_claim(store);
    if (sql_captures(store) && batch)
        sql_capture_table_rows(op, batch);
    if (sql_captures(store) && !batch && !claim->positions)
        sql_capture_table_end(op);
    else
        sql_op_complete(op, NULL);
}

static enum obx_sql_accepted accept(struct sql_op *op, const struct sql_reading *reading)
{
    struct sql_store *store = op->store;
    const struct obx_sql_seen seen = {.ids = store->ids,
                                      .count = reading->rows,
                                      .truncated = reading->truncated,
                                      .snapshot = reading->snapshot,
                                      .now_ns = store->host->now(store->host)};
    if (sql_claim_of(op)->positions || sql_capture_is_spool_claim(op))
        return OBX_SQL_ACCEPTED;
    return obx_sql_outstanding_accept(&store->outstanding, &store->gaps, &seen);
}

/* The result was discarded. */
static void refuse(struct sql_op *op, enum obx_sql_accepted why)
{
    if (why == OBX_SQL_ASK_AGAIN)
        submit(op);
    else if (why == OBX_SQL_NO_MEMORY)
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory");
    else
        fail(op, OUTBOX_E_BUG, "the server returned ids outside the claim; please report this");
}

/* The claim ends before rows that share an id, or, if they are the first ones, with one of them. Once there were such
 * rows, the last row of a full claim is left for the next one: it may share its id with a row that did not come. */
static void end_at_shared_id(struct sql_op *op, struct sql_reading *reading)
{
    struct sql_store *store = op->store;
    uint32_t row = 1;
    while (row < reading->rows && store->ids[row] != store->ids[row - 1])
        row++;
    if (row >= reading->rows) {
        reading->rows -= sql_claim_extra(op) && reading->truncated && !reading->oversize && reading->rows > 1;
        return;
    }
    store->shared_ids = reading->truncated = true;
    reading->shared_id = row == 1;
    reading->rows = reading->shared_id ? 1 : row - 1;
    reading->oversize = 0;
    if (reading->shared_id)
        snprintf(op->reason, sizeof op->reason, "several rows have the id %lld; %s", (long long)store->ids[0],
                 store->driver->duplicate_advice);
}

static void on_rows(struct sql_op *op, struct sql_reading *reading)
{
    struct obx_sql_batch *batch = NULL;
    op->store->driver->learn(op, reading);
    if (!sql_unreadable_is_found(op, reading)) {
        submit(op);
        return;
    }
    if (reading->oversize && !reading->rows) {
        submit(op);
        return;
    }
    end_at_shared_id(op, reading);
    if (reading->rows && !(batch = make_batch(op, reading))) {
        fail(op, OUTBOX_E_NO_MEMORY, "out of memory");
        return;
    }
    enum obx_sql_accepted accepted = accept(op, reading);
    if (accepted == OBX_SQL_ACCEPTED) {
        give(op, batch, reading);
        return;
    }
    if (batch)
        sql_release(op->store, &batch->batch);
    refuse(op, accepted);
}

static void claimed(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_reading reading = {0};
    struct outbox_error verdict = *error;
    SQL_FAILPOINT(op->store, after_claim);
    if (op->store->owns)
        verdict = sql_owner_verdict(request, error);
    if (!verdict.code && !op->result)
        outbox_error_set(&verdict, OUTBOX_E_BUG, "claim rows from %s: the server gave no rows, and no reason",
                         op->store->table_name);
    if (verdict.code && sql_unreadable_search(op, &verdict, submit))
        return;
    if (verdict.code || op->store->driver->read_claim(op, &reading, &verdict))
        sql_op_complete(op, &verdict);
    else
        on_rows(op, &reading);
}

/* ---- the claim --------------------------------------------------------------------------------------------------- */

static void send_claim(struct sql_op *op)
{
    op->request.sql = &op->store->claim_sql;
    sql_op_submit(op, op->store->reader, "claim rows", op->store->driver->put_claim, sql_op_store_result, claimed);
}

static void submit(struct sql_op *op)
{
    const struct sql_driver *driver = op->store->driver;
    op->request.sql = &op->sql;
    if (!sql_claim_of(op)->positions && driver->inspection_due(op->store))
        driver->inspect_writers(op, send_claim);
    else
        send_claim(op);
}

void sql_claim_table(struct sql_op *op)
{
    submit(op);
}

void sql_claim_rewind(struct sql_store *store)
{
    obx_sql_gaps_reset(&store->gaps);
    obx_sql_outstanding_reset(&store->outstanding);
    obx_sql_stray_scan_reset(&store->strays);
    sql_refused_reset(store);
    sql_locked_reset(store);
    if (store->driver->rewind)
        store->driver->rewind(store);
}

void sql_claim(void *self, outbox_op_t id, struct outbox_claim *claim)
{
    struct sql_store *store = self;
    struct sql_op *op = sql_op_begin(store, id);
    struct outbox_error error;
    op->out = claim;
    store->claim_op = id;
    claim->batch = NULL;
    if (claim->flags & OUTBOX_CLAIM_REWIND) {
        sql_claim_rewind(store);
        sql_capture_rewind(store);
    }
    if (claim->flags & OUTBOX_CLAIM_MEASURE && !sql_captures(store)) {
        sql_measure(op);
        return;
    }
    sql_wakeup_before(store, claim);
    sql_unreadable_reset(store);
    if (!claim->max_rows && !(claim->flags & OUTBOX_CLAIM_MEASURE))
        fail(op, OUTBOX_E_INVALID, "max_rows is 0");
    else if (SQL_FAILPOINT_ERROR(store, before_claim, &error))
        sql_op_complete(op, &error);
    else if (sql_captures(store) && !claim->positions)
        sql_capture_claim(op);
    else
        submit(op);
}
