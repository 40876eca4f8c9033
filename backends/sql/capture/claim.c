/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/claim.c - claims of a store that reads a log: where the next rows come from
 *
 * rewind -> rows of the table, by the gap tracker -> spooled rows, by id -> the log (log_claim.c). Later the log, and
 * once a second the table: an application may insert rows there.
 */
#include "sql/capture/capture.h"
#include "sql/server/claim.h"

#define TABLE_EVERY_NS UINT64_C(1000000000)

/* ---- the table --------------------------------------------------------------------------------------------------- */

struct sql_capture_window sql_capture_window(const struct sql_store *store)
{
    if (store->capture.phase == SQL_CAPTURE_SPOOL)
        return store->capture.spool_window;
    return (struct sql_capture_window){store->gaps.hi, SQL_CAPTURE_BASE - 1};
}

/* The copies after the cursor, up to the next ones that this owner has published. */
static struct sql_capture_window next_copies(const struct sql_capture *capture)
{
    struct sql_capture_window window = {capture->spool_cursor, INT64_MAX};
    for (uint32_t i = 0; i < capture->proofs.count; i++) {
        const struct obx_sql_range *published = &capture->proofs.items[i];
        if (published->lo > window.after + 1)
            return (struct sql_capture_window){window.after, published->lo - 1};
        if (published->hi > window.after)
            window.after = published->hi;
    }
    return window;
}

static void claim_rows(struct sql_op *op)
{
    op->store->capture.spool_window = next_copies(&op->store->capture);
    sql_claim_table(op);
}

bool sql_capture_is_spool_claim(const struct sql_op *op)
{
    return sql_captures(op->store) && op->store->capture.phase == SQL_CAPTURE_SPOOL;
}

void sql_capture_table_rows(struct sql_op *op, struct obx_sql_batch *batch)
{
    struct sql_capture *capture = &op->store->capture;
    struct outbox_claim *claim = sql_claim_of(op);
    if (capture->phase == SQL_CAPTURE_SPOOL && !claim->positions)
        capture->spool_cursor = (int64_t)batch->positions[batch->batch.rows - 1].major;
    batch->batch.flags |= OUTBOX_BATCH_SPOOLED;
    if (capture->phase != SQL_CAPTURE_LOG && !claim->positions)
        batch->batch.flags |= OUTBOX_BATCH_MORE;
    sql_capture_report_log(op->store, claim);
}

void sql_capture_table_end(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct sql_capture *capture = &store->capture;
    sql_op_drop_result(op);
    if (capture->phase == SQL_CAPTURE_SPOOL && capture->spool_window.last < INT64_MAX) {
        capture->spool_cursor = capture->spool_window.last;
        claim_rows(op);
        return;
    }
    if (capture->phase == SQL_CAPTURE_TABLE) {
        capture->phase = SQL_CAPTURE_SPOOL;
        claim_rows(op);
        return;
    }
    capture->phase = SQL_CAPTURE_LOG;
    sql_capture_begin_reading(store);
    sql_capture_claim_log(op);
}

/* ---- the claim --------------------------------------------------------------------------------------------------- */

void sql_capture_rewind(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (!capture->source)
        return;
    sql_capture_stop(store);
    sql_capture_queue_reset(&capture->queue, capture->queue.low);
    capture->phase = capture->table_in_log ? SQL_CAPTURE_SPOOL : SQL_CAPTURE_TABLE;
    capture->spool_cursor = SQL_CAPTURE_BASE;
    capture->failure.code = OUTBOX_OK;
}

void sql_capture_claim(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct sql_capture *capture = &store->capture;
    const struct outbox_claim *claim = sql_claim_of(op);
    uint64_t now = store->host->now(store->host);
    if (claim->flags & OUTBOX_CLAIM_MEASURE) {
        sql_capture_report_log(store, sql_claim_of(op));
        sql_op_complete(op, NULL);
    } else if (claim->flags & OUTBOX_CLAIM_LOG_ONLY) {
        capture->phase = SQL_CAPTURE_LOG;
        sql_capture_begin_reading(store);
        sql_capture_claim_log(op);
    } else if (capture->phase != SQL_CAPTURE_LOG ||
               (!capture->table_in_log && now - capture->table_polled_ns > TABLE_EVERY_NS)) {
        capture->table_polled_ns = now;
        claim_rows(op);
    } else {
        sql_capture_begin_reading(store);
        sql_capture_claim_log(op);
    }
}
