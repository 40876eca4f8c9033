/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/spool.c - copies of events into the table
 *
 *   INSERT of all rows -> position
 *                      -> a value was refused: halves of them -> one row: a dead letter, with the reason -> the next
 * rows
 *
 * The events are inserted under their numbers, before the position passes them. If the relay dies between the two, the
 * next owner finds events above the position in the table, and drops them from the log.
 *
 * Failure modes: a failure that is no value's ends the spool as it is; the host tries again. So does an event that the
 * dead-letter table refuses as well, and any refusal where the source makes no dead letters: the log is kept then.
 */
#include "sql/capture/capture.h"
#include "sql/server/owner.h"
#include "sql/server/settle.h"

static void next_part(struct sql_op *op);

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static uint32_t rows_of(const struct outbox_spool *spool)
{
    uint32_t rows = 0;
    for (uint32_t s = 0; s < spool->span_count; s++)
        rows += spool->spans[s].count;
    return rows;
}

/* capture->part: rows first .. first + count - 1 of the whole spool. */
static void cut_part(struct sql_op *op)
{
    struct sql_capture *capture = &op->store->capture;
    const struct outbox_spool *whole = capture->spool;
    uint32_t at = 0, end = op->first + op->count;
    capture->part = (struct outbox_spool){.struct_size = sizeof capture->part, .spans = capture->part_spans};
    for (uint32_t s = 0; s < whole->span_count; at += whole->spans[s++].count) {
        uint32_t begin = op->first > at ? op->first - at : 0, stop = end > at ? end - at : 0;
        stop = stop < whole->spans[s].count ? stop : whole->spans[s].count;
        if (begin < stop)
            capture->part_spans[capture->part.span_count++] =
                (struct outbox_span){whole->spans[s].batch, whole->spans[s].first + begin, stop - begin};
    }
}

static int64_t last_of_part(const struct sql_store *store)
{
    const struct outbox_spool *part = &store->capture.part;
    const struct outbox_span *span = &part->spans[part->span_count - 1];
    return (int64_t)span->batch->positions[span->first + span->count - 1].major;
}

static void finish_part(struct sql_op *op, struct outbox_error *verdict)
{
    if (!verdict->code && !sql_capture_note_copied(op->store, last_of_part(op->store)))
        outbox_error_set(verdict, OUTBOX_E_NO_MEMORY, "spool events of %s: out of memory", op->store->table_name);
    if (verdict->code) {
        sql_op_complete(op, verdict);
        return;
    }
    op->first += op->count;
    next_part(op);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void on_dead(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    const struct outbox_spool *spool = store->capture.spool;
    struct outbox_error verdict = sql_owner_verdict(request, error);
    if (verdict.code == OUTBOX_E_INVALID)
        outbox_error_set(&verdict, OUTBOX_E_AGAIN,
                         "spool events of %s: the spool and the dead-letter table refuse event %s; the log is kept "
                         "until one of them is altered: %.*s",
                         store->table_name, op->reason, OUTBOX_CUT(error->text, 200));
    if (!verdict.code) {
        store->host->log(store->host, OUTBOX_LOG_ERROR, "the spool of %s refused event %s; it is a dead letter now",
                         store->table_name, op->reason);
        if (OUTBOX_HAS_MEMBER(spool, refused) && spool->refused)
            ++*spool->refused;
    }
    finish_part(op, &verdict);
}

/* One row is left. */
static void refuse(struct sql_op *op, const struct outbox_error *error)
{
    const struct sql_capture_source *source = op->store->capture.source;
    const struct outbox_span *span = op->store->capture.part.spans;
    if (!source->put_dead || !sql_capture_is_event(span->batch)) {
        sql_op_complete(op, error);
        return;
    }
    source->name_event(op->store, sql_capture_event_at(span->batch, span->first), error, op->reason, sizeof op->reason);
    op->request.transaction = op->request.fires_triggers = true;
    sql_op_submit(op, op->store->owner, "spool events", source->put_dead, op->store->driver->removal_result, on_dead);
}

static void on_spooled(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct outbox_error verdict = sql_owner_verdict(request, error);
    OUTBOX_FAILPOINT(op->store->host, capture, spooled);
    if (verdict.code != OUTBOX_E_INVALID) {
        finish_part(op, &verdict);
    } else if (op->count == 1) {
        refuse(op, &verdict);
    } else {
        op->window = op->count / 2;
        next_part(op);
    }
}

/* After a refusal parts grow again, so that one bad row of a thousand costs some twenty statements. */
static void next_part(struct sql_op *op)
{
    struct sql_capture *capture = &op->store->capture;
    uint32_t left = rows_of(capture->spool) - op->first;
    if (!left) {
        sql_capture_record(op, capture->spool->low, sql_op_complete);
        return;
    }
    op->count = op->window < left ? op->window : left;
    op->window = op->window > UINT32_MAX / 2 ? UINT32_MAX : op->window * 2;
    cut_part(op);
    op->request.transaction = op->request.fires_triggers = true;
    sql_op_submit(op, op->store->owner, "spool events", capture->source->put_spool, op->store->driver->removal_result,
                  on_spooled);
}

/* ---- the operation ----------------------------------------------------------------------------------------------- */

static bool begin(struct sql_op *op, const struct outbox_spool *spool)
{
    struct sql_store *store = op->store;
    struct sql_capture *capture = &store->capture;
    capture->spool = spool;
    op->in = &capture->part;
    op->window = UINT32_MAX;
    return obx_sql_grow(store->host, (void **)&capture->part_spans, &capture->part_room, spool->span_count + 1,
                        sizeof *capture->part_spans);
}

void sql_spool(void *self, outbox_op_t id, const struct outbox_spool *spool)
{
    struct sql_store *store = self;
    struct sql_op *op = sql_op_begin(store, id);
    if (!sql_owner_may(op, "spool events"))
        return;
    if (!sql_captures(store)) {
        sql_op_fail(op, OUTBOX_E_UNSUPPORTED, "spool events of %s: this store does not read a log", store->table_name);
        return;
    }
    struct outbox_error error;
    if (OUTBOX_FAILPOINT_ERROR(store->host, capture, before_spool, &error))
        sql_op_complete(op, &error);
    else if (!begin(op, spool))
        sql_op_fail(op, OUTBOX_E_NO_MEMORY, "spool events of %s: out of memory", store->table_name);
    else
        next_part(op);
}
