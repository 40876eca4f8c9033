/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/settle.c - deleting what was published
 *
 * Only on the owner's lane, only ids that were claimed, as ranges of consecutive ids. A row that is gone already is
 * settled as well. If the server counts fewer rows than ids, the ids are looked for: see refused.h. A server may bound
 * the ranges and the bytes of one transaction: then a settle is a series of chunks, one after the other. What a chunk
 * has deleted is gone, whatever becomes of the next.
 */
#include "sql/server/settle.h"

#include "sql/gaps/id_ranges.h"
#include "sql/server/owner.h"
#include "sql/server/refused.h"

static void submit(struct sql_op *op);
static void send_chunk(struct sql_op *op);

static void finish(struct sql_op *op, const struct outbox_error *error)
{
    obx_sql_outstanding_removed(&op->store->outstanding);
    sql_op_complete(op, error);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

/* The ranges from settled_ranges on, as many as one transaction takes; the last of them is cut if need be. */
static void cut_chunk(struct sql_store *store)
{
    struct sql_chunk *chunk = &store->chunk;
    int64_t room = store->chunk_rows;
    uint32_t left = store->ranges.count - store->settled_ranges;
    *chunk = (struct sql_chunk){.items = store->ranges.items + store->settled_ranges, .rest = {.lo = 1, .hi = 0}};
    while (chunk->count < left && chunk->count < store->driver->settle_ranges && room > 0) {
        struct obx_sql_range *range = &chunk->items[chunk->count++];
        if (range->hi - range->lo >= room) {
            chunk->rest = (struct obx_sql_range){range->lo + room, range->hi};
            range->hi = range->lo + room - 1;
        }
        room -= range->hi - range->lo + 1;
    }
}

/* The rows of the chunk are gone; `remain`: but for store->remaining. */
static void retire_chunk(struct sql_store *store, bool remain)
{
    struct sql_chunk *chunk = &store->chunk;
    for (uint32_t i = 0; i < chunk->count; i++)
        obx_sql_outstanding_remove(&store->outstanding, chunk->items[i].lo, chunk->items[i].hi);
    sql_refused_note(store, chunk->items, chunk->count, remain);
    store->settled_ranges += chunk->count;
    if (chunk->rest.lo <= chunk->rest.hi)
        store->ranges.items[--store->settled_ranges] = chunk->rest;
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

/* ---- the settle -------------------------------------------------------------------------------------------------- */

static void succeed(struct sql_op *op)
{
    struct outbox_error error = {.code = OUTBOX_OK};
    sql_refused_report(op->store, op->in, &error);
    finish(op, &error);
}

static void go_on(struct sql_op *op, bool remain)
{
    struct sql_store *store = op->store;
    retire_chunk(store, remain);
    if (store->settled_ranges == store->ranges.count)
        succeed(op);
    else
        submit(op);
}

static void on_looked(struct sql_request *request, const struct outbox_error *error)
{
    if (error->code)
        finish(request->arg, error);
    else
        go_on(request->arg, true);
}

/* Rows that others deleted are not counted either. */
static void on_settled(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    const struct sql_chunk *chunk = &store->chunk;
    SQL_FAILPOINT(store, after_settle);
    if (error->code && store->driver->send_again && store->driver->send_again(store, error)) {
        send_chunk(op);
        return;
    }
    struct outbox_error verdict = sql_owner_verdict(store, error);
    if (verdict.code)
        finish(op, &verdict);
    else if (op->removed < sql_ranges_rows(chunk->items, chunk->count))
        sql_refused_look(op, chunk->items, chunk->count, on_looked);
    else
        go_on(op, false);
}

static void submit(struct sql_op *op)
{
    cut_chunk(op->store);
    send_chunk(op);
}

static void send_chunk(struct sql_op *op)
{
    struct sql_store *store = op->store;
    op->removed = 0;
    op->request.sql = &store->settle_sql;
    op->request.transaction = true;
    sql_op_submit(op, store->owner, "settle rows", store->driver->put_settle, store->driver->removal_result,
                  on_settled);
    SQL_FAILPOINT(store, settle_sent); /* op may have ended */
}

void sql_settle(void *self, outbox_op_t id, const struct outbox_settle *settle)
{
    struct sql_store *store = self;
    struct sql_op *op = sql_op_begin(store, id);
    struct outbox_error error = {.code = OUTBOX_OK};
    op->in = settle;
    if (!sql_owner_may(op, "settle rows"))
        return;
    obx_sql_outstanding_removing(&store->outstanding);
    store->settled_ranges = 0;
    store->chunk_rows = rows_of_chunk(settle, store->driver->settle_bytes);
    if (!obx_sql_id_ranges(store->host, &store->ranges, settle))
        outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "settle rows of %s: out of memory", store->table_name);
    else
        sql_refused_retry(store);
    if (error.code || !store->ranges.count || SQL_FAILPOINT_ERROR(store, before_settle, &error))
        finish(op, &error);
    else
        submit(op);
}
