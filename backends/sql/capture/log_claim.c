/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/log_claim.c - claims of the log: the reader fills the queue, a claim empties it
 *
 * A claim takes events that are visible to other sessions: a commit is in the log before that, and a synchronous
 * standby may not have it yet. So one statement per claim gives the snapshot, unless everything that waits is known to
 * be visible.
 *
 * A claim that finds nothing waits until the reader has come to where the log ended when the statement ran: so a claim
 * without rows is exact.
 *
 * Failure modes: the failure of a reading is the answer to the claim that waits. Without one the host is informed that
 * the connection is lost; a failure that lasts is the answer to each claim until the next rewind. A claim that waits
 * for PATIENCE_US ends as one that is behind.
 */
#include "sql/capture/capture.h"
#include "sql/server/claim.h"
#include "sql/server/unreadable.h"

enum { QUEUE_BYTES = 6 << 20, QUEUE_RESUME = 3 << 20, PATIENCE_US = 500000 };

/* ---- the reader -------------------------------------------------------------------------------------------------- */

bool sql_capture_commit(struct sql_store *store, struct sql_capture_list *events,
                        const uint64_t marks[SQL_CAPTURE_MARKS], uint64_t index, bool whole)
{
    struct outbox_error error;
    if (sql_capture_queue_commit(&store->capture.queue, events, marks, index, whole))
        return true;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "read the log: out of memory");
    store->capture.source->end(store);
    sql_capture_fail(store, &error);
    return false;
}

void sql_capture_advance(struct sql_store *store, const uint64_t marks[SQL_CAPTURE_MARKS])
{
    sql_capture_queue_advance(&store->capture.queue, marks);
}

static uint64_t bytes_of(const struct sql_store *store)
{
    const struct sql_capture *capture = &store->capture;
    uint64_t bytes = sql_capture_queue_bytes(&capture->queue);
    return bytes + (capture->source->bytes ? capture->source->bytes(store) : 0);
}

bool sql_capture_is_full(struct sql_store *store)
{
    store->capture.paused = bytes_of(store) >= QUEUE_BYTES;
    return store->capture.paused;
}

static struct sql_op *stop_waiting(struct sql_store *store)
{
    struct sql_op *op = store->capture.waiting;
    store->capture.waiting = NULL;
    if (op && store->capture.patience)
        store->host->timer_clear(store->capture.patience);
    return op;
}

static void end_waiting(struct sql_store *store, const struct outbox_error *error)
{
    struct sql_op *op = stop_waiting(store);
    if (op)
        sql_op_complete(op, error);
}

void sql_capture_cancel(struct sql_store *store)
{
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "claim events: canceled");
    end_waiting(store, &error);
}

/* Not all that was committed before has come. */
static void end_behind(struct sql_store *store)
{
    struct sql_op *op = stop_waiting(store);
    if (!op)
        return;
    sql_capture_report_log(store, sql_claim_of(op));
    sql_claim_of(op)->result |= OUTBOX_CLAIMED_BEHIND;
    sql_op_complete(op, NULL);
}

/* A long log without events: the host learns that the reader is behind. */
static void on_patience(void *arg)
{
    struct sql_store *store = arg;
    end_behind(store);
}

static void wait_for_reader(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct sql_capture *capture = &store->capture;
    if (!capture->patience && store->host->timer_open(store->host, on_patience, store, &capture->patience)) {
        sql_op_fail(op, OUTBOX_E_NO_MEMORY, "claim events of %s: no timer", store->table_name);
        return;
    }
    capture->waiting = op;
    capture->hungry = true;
    store->host->timer_set(capture->patience, PATIENCE_US);
}

void sql_capture_progress(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    struct sql_op *op = capture->waiting;
    bool events = sql_capture_queue_hidden(&capture->queue) || capture->queue.ready;
    if (op && (events || !capture->source->put_horizon || capture->source->has_reached(store))) {
        sql_capture_claim_log(stop_waiting(store));
    } else if (!op && events && capture->hungry) {
        capture->hungry = false;
        store->host->wake(store->host);
    }
}

void sql_capture_fail(struct sql_store *store, const struct outbox_error *error)
{
    struct sql_capture *capture = &store->capture;
    struct outbox_error kept = *error;
    bool is_started = store->phase == SQL_STARTED, lasts = kept.code == OUTBOX_E_SCHEMA;
    if (kept.code == OUTBOX_E_AGAIN) /* a claim that is tried again does not read the log again: a rewind does */
        kept.code = OUTBOX_E_NOT_CONNECTED;
    capture->reading = capture->paused = false;
    if (is_started && (lasts || capture->waiting))
        capture->failure = kept;
    if (capture->waiting)
        end_waiting(store, &kept);
    else if (is_started && !lasts)
        store->host->lost(store->host, &kept);
}

void sql_capture_stop(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (!capture->source)
        return;
    if (capture->reading)
        capture->source->end(store);
    capture->reading = capture->paused = false;
    end_behind(store);
}

/* The numbers of the queue are those of one reading: after a failure the next one begins with a rewind. */
void sql_capture_begin_reading(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (capture->reading || capture->failure.code || store->stop_op)
        return;
    capture->reading = true;
    capture->source->begin(store);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

bool sql_capture_is_event(const struct outbox_batch *batch)
{
    return ((const struct obx_sql_batch *)(const void *)batch)->captured;
}

const struct sql_capture_event *sql_capture_event_at(const struct outbox_batch *batch, uint32_t row)
{
    const struct sql_capture_event *event = ((const struct obx_sql_batch *)(const void *)batch)->result;
    while (row--)
        event = event->next;
    return event;
}

void sql_capture_release(struct sql_store *store, struct obx_sql_batch *batch)
{
    struct sql_capture_event *event = batch->result;
    for (uint32_t i = batch->batch.rows; i; i--) {
        struct sql_capture_event *next = event->next;
        sql_capture_event_drop(&store->capture.queue.memory, event);
        event = next;
    }
}

/* An event that cannot be read is a batch of its own. */
static uint32_t fill(struct sql_op *op, struct obx_sql_batch *batch, uint32_t rows, uint64_t *bytes)
{
    struct sql_store *store = op->store;
    struct sql_capture_queue *queue = &store->capture.queue;
    uint64_t room = sql_claim_of(op)->max_bytes;
    const char *why = NULL;
    uint32_t n = 0;
    for (; n < rows && !why; n++) {
        const struct sql_capture_event *event = queue->events.head;
        uint64_t size = sql_capture_event_bytes(event);
        if (n && *bytes + size > room)
            break;
        why = store->capture.source->decode(store, event, batch->values + (size_t)n * store->selected_count);
        if (why && n) {
            why = NULL; /* the next batch */
            break;
        }
        batch->positions[n] = (struct outbox_position){.major = event->order};
        *bytes += size;
        batch->result = n ? batch->result : sql_capture_queue_take(queue);
        if (n)
            sql_capture_queue_take(queue);
    }
    obx_sql_batch_seal(batch, n, store->selected_count, *bytes);
    if (why)
        obx_sql_batch_set_unreadable(batch, why);
    return n;
}

void sql_capture_resume(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    if (!capture->paused || bytes_of(store) > QUEUE_RESUME)
        return;
    capture->paused = false;
    capture->source->go_on(store);
}

/* ---- the result of a claim --------------------------------------------------------------------------------------- */

void sql_capture_report_log(struct sql_store *store, struct outbox_claim *claim)
{
    struct sql_capture *capture = &store->capture;
    if (!OUTBOX_HAS_MEMBER(claim, log_percent))
        return;
    claim->log_bytes = capture->log_bytes > 0 ? (uint64_t)capture->log_bytes : 0;
    claim->log_percent = sql_capture_percent(store);
    claim->result |= capture->relieving ? OUTBOX_CLAIMED_RELIEVE : 0;
}

static void give_nothing(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct outbox_claim *claim = sql_claim_of(op);
    store->capture.hungry = true;
    if (sql_capture_queue_hidden(&store->capture.queue)) /* nothing will tell when it becomes visible */
        claim->flags &= ~OUTBOX_CLAIM_ARM_WAKEUP;
    sql_capture_report_log(store, claim);
    if (store->capture.source->put_horizon && !store->capture.source->has_reached(store))
        claim->result |= OUTBOX_CLAIMED_BEHIND; /* the reading was ended */
    sql_op_complete(op, NULL);
}

/* The reader has not come to where the log ended: more events are on their way. */
static bool is_behind(const struct sql_store *store)
{
    const struct sql_capture *capture = &store->capture;
    return capture->reading && capture->source->put_horizon && !capture->source->has_reached(store);
}

static void give_events(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct outbox_claim *claim = sql_claim_of(op);
    struct sql_capture_queue *queue = &store->capture.queue;
    uint32_t rows = queue->ready < claim->max_rows ? (uint32_t)queue->ready : claim->max_rows;
    struct obx_sql_batch *batch = obx_sql_batch_get(&store->batches, store->host, rows, store->selected_count);
    uint64_t bytes = 0;
    if (!batch) {
        sql_op_fail(op, OUTBOX_E_NO_MEMORY, "claim events of %s: out of memory", store->table_name);
        return;
    }
    batch->captured = true;
    fill(op, batch, rows, &bytes);
    batch->batch.flags = queue->events.count || is_behind(store) ? OUTBOX_BATCH_MORE : 0;
    claim->batch = &batch->batch;
    store->capture.hungry = false;
    sql_capture_report_log(store, claim);
    sql_capture_resume(store);
    sql_op_complete(op, NULL);
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static void take_visible(struct sql_store *store)
{
    struct sql_capture *capture = &store->capture;
    const struct sql_capture_commit *commit;
    while ((commit = sql_capture_queue_hidden(&capture->queue)) &&
           (!capture->source->put_horizon || capture->source->is_visible(store, commit)))
        sql_capture_queue_make_visible(&capture->queue);
}

static void on_horizon(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    struct sql_capture *capture = &store->capture;
    void *result = op->result;
    op->result = NULL;
    if (error->code) {
        store->driver->free_result(result);
        sql_op_complete(op, error);
        return;
    }
    if (!capture->source->horizon_result(store, result)) {
        sql_op_fail(op, OUTBOX_E_BUG, "read the end of the log: the server's answer has another form");
        return;
    }
    take_visible(store);
    if (capture->queue.ready)
        give_events(op);
    else if (capture->failure.code)
        sql_op_complete(op, &capture->failure);
    else if (!capture->source->has_reached(store) && !store->stop_op && capture->reading)
        wait_for_reader(op);
    else
        give_nothing(op);
}

/* Enough is known to be visible, or all of it; else a statement reads the horizon. */
void sql_capture_claim_log(struct sql_op *op)
{
    struct sql_store *store = op->store;
    struct sql_capture *capture = &store->capture;
    take_visible(store);
    bool all = capture->queue.ready && !sql_capture_queue_hidden(&capture->queue);
    if (capture->failure.code && !capture->queue.ready)
        sql_op_complete(op, &capture->failure);
    else if (all || capture->queue.ready >= sql_claim_of(op)->max_rows)
        give_events(op);
    else if (capture->source->put_horizon)
        sql_op_submit(op, store->reader, "read the end of the log", capture->source->put_horizon, sql_op_store_result,
                      on_horizon);
    else
        give_nothing(op);
}
