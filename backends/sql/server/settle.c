/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/settle.c - deleting what was published
 *
 * Only on the owner's lane, only ids that were claimed, as ranges of consecutive ids. A row that is gone already is
 * settled as well. A server may bound the ranges and the bytes of one transaction: then a settle is a series of chunks,
 * one after the other; see removal.h. What a chunk has deleted is gone, whatever becomes of the next. Rows that the
 * server refuses to delete are recorded and left out: see refused.h. So are rows that another session has locked: see
 * locked_rows.h.
 */
#include "sql/server/settle.h"

#include "sql/capture/capture.h"
#include "sql/gaps/id_ranges.h"
#include "sql/server/locked_rows.h"
#include "sql/server/owner.h"
#include "sql/server/refused.h"
#include "sql/server/removal.h"

static void finish(struct sql_op *op, const struct outbox_error *error)
{
    obx_sql_outstanding_removed(&op->store->outstanding);
    sql_op_complete(op, error);
}

static struct outbox_position low_of(const struct outbox_settle *settle)
{
    if (!OUTBOX_HAS_MEMBER(settle, low))
        return (struct outbox_position){0};
    return settle->low;
}

static void conclude(struct sql_op *op)
{
    struct outbox_error verdict = {.code = OUTBOX_OK};
    if (sql_captures(op->store))
        sql_capture_removed(op);
    sql_refused_log(op->store);
    sql_locked_log(op->store);
    sql_refused_report(op->store, op->in, &verdict);
    if (!verdict.code && sql_captures(op->store))
        sql_capture_record(op, low_of(op->in), finish);
    else
        finish(op, &verdict);
}

static void on_removed(struct sql_op *op, const struct outbox_error *error)
{
    if (!error->code) {
        sql_locked_retry(op, conclude);
        return;
    }
    sql_refused_log(op->store);
    sql_locked_log(op->store);
    finish(op, error);
}

/* How many rows one transaction may delete: by the bytes that they have on average. */
static int64_t rows_of_chunk(const struct outbox_settle *settle, uint64_t bytes_max)
{
    uint64_t rows = 0, bytes = 0;
    for (uint32_t i = 0; i < settle->span_count; i++) {
        rows += settle->spans[i].batch->rows;
        bytes += settle->spans[i].batch->bytes;
    }
    if (bytes_max == UINT64_MAX)
        return INT64_MAX;
    return bytes < bytes_max * rows ? (int64_t)(bytes_max * rows / (bytes ? bytes : 1)) : 1;
}

void sql_settle(void *self, outbox_op_t id, const struct outbox_settle *settle)
{
    struct sql_store *store = self;
    struct sql_op *op = sql_op_begin(store, id);
    struct outbox_error error = {.code = OUTBOX_OK};
    op->in = settle;
    op->request.sql = &store->settle_sql;
    if (!sql_owner_may(op, "settle rows"))
        return;
    obx_sql_outstanding_removing(&store->outstanding);
    bool fine = sql_captures(store) ? sql_capture_ranges(op) : obx_sql_id_ranges(store->host, &store->ranges, settle);
    if (!fine || !sql_refused_leave_out(store, &store->ranges) || !sql_locked_leave_out(store, &store->ranges))
        outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "settle rows of %s: out of memory", store->table_name);
    if (error.code || SQL_FAILPOINT_ERROR(store, before_settle, &error))
        finish(op, &error);
    else if (sql_captures(store) && !store->ranges.count)
        on_removed(op, &error);
    else
        sql_remove(op, &store->ranges, rows_of_chunk(settle, store->driver->settle_bytes), on_removed);
}
