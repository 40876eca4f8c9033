/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/settle.c - settles of a store that reads a log
 *
 * Rows of the table are deleted by the removal of backends/sql/server; events of the log need nothing. Then the
 * position is recorded, if it has moved. Copies above the recorded position are deleted by a later settle: the first
 * one after the record of a position that has passed them.
 */
#include "sql/capture/capture.h"
#include "sql/gaps/id_ranges.h"
#include "sql/server/owner.h"
#include "sql/server/settle.h"

/* ---- the position ------------------------------------------------------------------------------------------------ */

static bool put_record(struct sql_request *request)
{
    struct sql_store *store = request->store;
    struct obx_sql_text sql = sql_text(store);
    sql_capture_append_record(store, &sql);
    return store->driver->put_text(request, &sql);
}

/* The driver's removal_result() may expect a fence before the UPDATE. */
static void count_rows(struct sql_request *request, void *result)
{
    struct sql_op *op = request->arg;
    op->removed += request->affected;
    op->store->driver->free_result(result);
}

static void on_recorded(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    struct outbox_error verdict = sql_owner_verdict(request, error);
    OUTBOX_FAILPOINT(store->host, capture, recorded);
    if (!verdict.code)
        sql_capture_recorded(store, op->sequence, op->removed, &verdict);
    op->recorded(op, &verdict);
}

/* The position is recorded when it has moved, until that is committed: by `low`, over events that were settled before,
 * or over log without events. The index belongs to the transaction after the position: it changes with the queue only.
 * While the queue is empty, that transaction was not read yet, or the index is 0.
 */
static bool has_moved(struct sql_store *store, struct outbox_position low)
{
    struct sql_capture *capture = &store->capture;
    int64_t before = capture->queue.low;
    uint32_t had = capture->queue.count;
    uint64_t index = sql_capture_queue_pass(&capture->queue, low.major > INT64_MAX ? before : (int64_t)low.major,
                                            capture->source->pass, store);
    if (had)
        capture->passed_index = index;
    capture->unrecorded |= capture->queue.low != before || sql_capture_pass_idle(store);
    sql_capture_resume(store);
    return capture->unrecorded;
}

void sql_capture_record(struct sql_op *op, struct outbox_position low,
                        void (*done)(struct sql_op *op, const struct outbox_error *error))
{
    static const struct outbox_error none;
    struct sql_store *store = op->store;
    struct outbox_error error;
    if (!has_moved(store, low)) {
        done(op, &none);
        return;
    }
    if (OUTBOX_FAILPOINT_ERROR(store->host, capture, before_record, &error)) {
        done(op, &error);
        return;
    }
    op->recorded = done;
    op->sequence = store->capture.queue.low;
    op->removed = 0;
    op->request.transaction = op->request.fires_triggers = true;
    sql_op_submit(op, store->owner, "record the position", put_record, count_rows, on_recorded);
}

/* ---- settle ------------------------------------------------------------------------------------------------------ */

static bool is_of_table(const struct sql_store *store, const struct outbox_batch *batch, int64_t id)
{
    const struct sql_capture_queue *queue = &store->capture.queue;
    return !sql_capture_is_event(batch) || id <= queue->low || obx_sql_ranges_contain(&queue->done, id);
}

/* Events of the log above `low` are remembered: a rewind of this owner does not return them. */
static bool note_settled(struct sql_store *store, const struct outbox_settle *settle, struct sql_capture_queue *queue)
{
    int64_t low = (int64_t)settle->low.major < queue->last ? (int64_t)settle->low.major : queue->last;
    for (uint32_t s = 0; s < settle->span_count; s++) {
        const struct outbox_span *span = &settle->spans[s];
        for (uint32_t i = 0; i < span->count; i++) {
            int64_t id = (int64_t)span->batch->positions[span->first + i].major;
            if (id > queue->low && id > low && sql_capture_is_event(span->batch) &&
                !obx_sql_ranges_add(store->host, &queue->done, id, id))
                return false;
        }
    }
    return true;
}

/* A copy whose spool was not followed by a record: its relay died, or the record failed. */
static bool is_proof(const struct sql_store *store, int64_t id)
{
    return id > SQL_CAPTURE_BASE && id > store->capture.row.sequence;
}

static bool add_row(struct sql_store *store, int64_t id)
{
    if (is_proof(store, id))
        return obx_sql_ranges_add(store->host, &store->capture.proofs, id, id);
    return obx_sql_id_range_add(store->host, &store->ranges, id);
}

/* They stay in `proofs` until the removal has succeeded. */
static bool add_passed_proofs(struct sql_store *store)
{
    const struct obx_sql_ranges *proofs = &store->capture.proofs;
    int64_t passed = store->capture.row.sequence;
    for (uint32_t i = 0; i < proofs->count && !is_proof(store, proofs->items[i].lo); i++) {
        int64_t hi = proofs->items[i].hi;
        if (!obx_sql_ranges_add(store->host, &store->ranges, proofs->items[i].lo, hi < passed ? hi : passed))
            return false;
    }
    return true;
}

bool sql_capture_ranges(struct sql_op *op)
{
    struct sql_store *store = op->store;
    const struct outbox_settle *settle = op->in;
    op->sequence = store->capture.row.sequence;
    obx_sql_ranges_clear(&store->ranges);
    for (uint32_t s = 0; s < settle->span_count; s++) {
        const struct outbox_span *span = &settle->spans[s];
        for (uint32_t i = 0; i < span->count; i++) {
            int64_t id = (int64_t)span->batch->positions[span->first + i].major;
            if (is_of_table(store, span->batch, id) && !add_row(store, id))
                return false;
        }
    }
    return add_passed_proofs(store) && note_settled(store, settle, &store->capture.queue);
}

/* Only the bottom of the set goes: that needs no memory. */
void sql_capture_removed(struct sql_op *op)
{
    obx_sql_ranges_remove(op->store->host, &op->store->capture.proofs, SQL_CAPTURE_BASE, op->sequence);
}
