/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/spool.c - which rows are wanted, the spans of a copy, and its answer */
#include "relay/spool.h"

#include "base/failpoint.h"
#include "relay/failures.h"
#include "relay/link.h"
#include "relay/log_room.h"
#include "relay/low_mark.h"
#include "relay/pipeline.h"
#include "relay/settle.h"

#define COPY_ROWS 1000        /* of one operation */
#define COPY_SPANS 512        /* likewise */
#define COPY_BYTES (4u << 20) /* likewise, of values; a larger row is copied alone */
#define PACE_NS (20 * OBX_MS) /* from one copy to the next, unless there are many rows */
#define HOLD_NS (3000 * OBX_MS)
#define LOG_AFTER_NS (10000 * OBX_MS)
#define AGAIN_MIN_MS 20
#define AGAIN_MAX_MS 2000

struct obx_spool {
    struct obx_stages *stages;
    struct obx_request request;
    struct outbox_spool copy;
    struct outbox_span spans[COPY_SPANS];
    struct obx_batch *batches[COPY_SPANS]; /* of each span */
    uint32_t rows;                         /* of the copy */
    uint64_t bytes;                        /* likewise, of values */
    uint64_t refused;                      /* of the copy: dead letters now */
    uint64_t copied_at;                    /* when the last copy began */
    uint64_t copy_at;                      /* after a failure */
    uint64_t settles;                      /* stats.settles at the last copy */
    struct obx_failures failures;          /* that may pass */
};

struct obx_spool *obx_spool_new(struct obx_stages *stages)
{
    struct obx_spool *spool = obx_alloc(sizeof *spool);
    if (spool)
        spool->stages = stages;
    return spool;
}

void obx_spool_free(struct obx_spool *spool)
{
    obx_free(spool);
}

void obx_spool_reset(struct obx_spool *spool)
{
    spool->copy_at = spool->stages->context.now;
}

bool obx_spool_idle(const struct obx_spool *spool)
{
    return !spool->stages->context.to_spool && !obx_request_busy(&spool->request);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void mark_rows(struct obx_spool *spool, enum obx_spool_mark mark)
{
    for (uint32_t i = 0; i < spool->copy.span_count; i++) {
        const struct outbox_span *span = &spool->spans[i];
        struct obx_batch *batch = spool->batches[i];
        bool lost = mark == OBX_SPOOL_WANTED && !batch->in_log;
        for (uint32_t row = span->first; row < span->first + span->count; row++)
            obx_batch_set_spool_mark(batch, row, lost ? OBX_SPOOL_NONE : mark);
    }
}

static void on_success(struct obx_spool *spool)
{
    struct obx_relay_context *context = &spool->stages->context;
    obx_link_works(spool->stages->store, OBX_WORK_SPOOL);
    if (obx_failures_end(&spool->failures)) {
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "store: waiting events are copied to the spool again after %s",
                      obx_duration(context->now - spool->failures.since).text);
        obx_trouble_end(context, 0);
    }
    mark_rows(spool, OBX_SPOOL_DONE);
    obx_low_mark_set_spooled(spool->stages->low_mark, spool->copy.low);
    context->stats.spooled += spool->rows - spool->refused;
    context->stats.dead_lettered += spool->refused;
}

/* A deadlock or a wait for a lock passes and is not logged, unless it lasts. */
static void on_again(struct obx_spool *spool, const struct outbox_error *error)
{
    struct obx_relay_context *context = &spool->stages->context;
    spool->copy_at = obx_failures_add(&spool->failures, context, AGAIN_MIN_MS, AGAIN_MAX_MS);
    if (!obx_failures_log_due(&spool->failures, context, LOG_AFTER_NS, error->text))
        return;
    obx_trouble_show(context, "store", error->text);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                  "store: %s; for %s waiting events could not be copied to the spool, and the log is kept for them; "
                  "trying again until it works",
                  error->text, obx_duration(context->now - spool->failures.since).text);
}

static void on_answer(void *stage, const struct outbox_error *error)
{
    struct obx_spool *spool = stage;
    OBX_FAILPOINT(relay, after_spool);
    spool->stages->context.passing = false;
    if (!error->code) {
        on_success(spool);
        return;
    }
    mark_rows(spool, OBX_SPOOL_WANTED);
    if (obx_failure_keeps_connection(error))
        on_again(spool, error);
    else
        obx_link_lost(spool->stages->store, OBX_WORK_SPOOL, error);
}

/* ---- the spans --------------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const struct obx_batch *batch, uint32_t row)
{
    const struct outbox_value *values = batch->rows->values + (size_t)row * batch->rows->columns;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < batch->rows->columns; i++)
        bytes += values[i].type == OUTBOX_TEXT || values[i].type == OUTBOX_BYTES ? values[i].size : sizeof values[i];
    return bytes;
}

static bool has_room(const struct obx_spool *spool, const struct obx_batch *batch, uint32_t row)
{
    return spool->rows < COPY_ROWS && (!spool->rows || spool->bytes + bytes_of(batch, row) <= COPY_BYTES);
}

static bool may_add(const struct obx_spool *spool, const struct obx_batch *batch, uint32_t row)
{
    bool wanted = batch->spool_marks[row] == OBX_SPOOL_WANTED && batch->row_states[row] != OBX_ROW_SETTLED;
    return wanted && has_room(spool, batch, row);
}

static uint32_t add_span(struct obx_spool *spool, struct obx_batch *batch, uint32_t first)
{
    uint32_t row = first, at = spool->copy.span_count++;
    while (row < batch->rows->rows && may_add(spool, batch, row)) {
        spool->bytes += bytes_of(batch, row);
        obx_batch_set_spool_mark(batch, row++, OBX_SPOOL_COPYING);
        spool->rows++;
    }
    spool->spans[at] = (struct outbox_span){.batch = batch->rows, .first = first, .count = row - first};
    spool->batches[at] = batch;
    return row;
}

/* False: the copy ends in this batch. */
static bool gather_batch(struct obx_spool *spool, struct obx_batch *batch)
{
    uint32_t row = batch->passed_rows, rows = batch->rows->rows;
    while (row < rows) {
        if (obx_batch_is_passed(batch, row))
            row++;
        else if (spool->copy.span_count < COPY_SPANS && may_add(spool, batch, row))
            row = add_span(spool, batch, row);
        else
            break;
    }
    if (row)
        spool->copy.low = row == rows ? batch->log_end : batch->rows->positions[row - 1];
    return row == rows;
}

/* From the mark on. False: a row that is neither passed nor wanted comes first. */
static bool gather(struct obx_spool *spool)
{
    struct obx_low_mark *mark = spool->stages->low_mark;
    spool->rows = 0;
    spool->bytes = spool->refused = 0;
    spool->copy = (struct outbox_spool){.struct_size = sizeof spool->copy,
                                        .spans = spool->spans,
                                        .low = obx_low_mark_advance(mark),
                                        .refused = &spool->refused};
    struct obx_batch *batch = obx_low_mark_first(mark);
    while (batch && gather_batch(spool, batch))
        batch = obx_low_mark_next(mark, batch);
    return spool->rows > 0;
}

/* ---- rows that do not wait for a key ----------------------------------------------------------------------------- */

/* Delivered rows of a batch that is still in flight cannot be settled yet. */
static void want_batch(struct obx_batch *batch)
{
    bool in_flight = batch->stage == OBX_BATCH_IN_FLIGHT;
    for (uint32_t row = batch->passed_rows; row < batch->rows->rows; row++)
        if (batch->row_states[row] != OBX_ROW_SETTLED && (in_flight || batch->row_states[row] != OBX_ROW_DELIVERED))
            obx_batch_want_spool(batch, row);
}

static bool holds_others(const struct obx_stages *stages, const struct obx_batch *first)
{
    const struct obx_batch *next = obx_low_mark_next(stages->low_mark, first);
    struct outbox_position last = first->rows->positions[first->rows->rows - 1];
    return stages->context.to_spool || obx_position_before(last, first->log_end) ||
           (next && next->state_count[OBX_ROW_SETTLED]);
}

/* Rows whose outcome takes long, while later ones are settled or wait to be copied. */
static void want_held(struct obx_stages *stages)
{
    obx_low_mark_advance(stages->low_mark);
    struct obx_batch *first = obx_low_mark_first(stages->low_mark);
    if (first && holds_others(stages, first) && obx_due(&stages->context, first->claimed_at + HOLD_NS))
        want_batch(first);
}

/* The rows stay in the spool until the rewind that follows. */
static void want_all(struct obx_stages *stages)
{
    struct obx_batch *batch = obx_low_mark_first(stages->low_mark);
    for (; batch; batch = obx_low_mark_next(stages->low_mark, batch))
        want_batch(batch);
    obx_pipeline_skip_ready(stages->pipeline);
}

/* Or may be done soon. */
static bool is_done(const struct obx_batch *batch, uint32_t row)
{
    bool given_up = batch->row_states[row] == OBX_ROW_SKIPPED || batch->row_states[row] == OBX_ROW_WAITING;
    return !given_up || batch->spool_marks[row] != OBX_SPOOL_NONE;
}

/* How many of the first rows precede one that is done, or a batch that is passed. */
static uint32_t rows_before_done(const struct obx_batch *batch)
{
    uint32_t row = batch->rows->rows;
    if (obx_position_before(batch->rows->positions[row - 1], batch->log_end))
        return row;
    while (row && !is_done(batch, row - 1))
        row--;
    return row;
}

/* Before a stop: rows that are given up would hold the mark, and later ones that are settled would come again. */
static void want_given_up(struct obx_stages *stages)
{
    const struct obx_low_mark *mark = stages->low_mark;
    const struct obx_batch *last = NULL;
    struct obx_batch *batch = obx_low_mark_first(mark);
    for (; batch; batch = obx_low_mark_next(mark, batch))
        last = rows_before_done(batch) ? batch : last;
    for (batch = obx_low_mark_first(mark); batch && last; batch = obx_low_mark_next(mark, batch)) {
        uint32_t rows = batch == last ? rows_before_done(batch) : batch->rows->rows;
        for (uint32_t row = batch->passed_rows; row < rows; row++)
            if (batch->row_states[row] == OBX_ROW_SKIPPED)
                obx_batch_want_spool(batch, row);
        if (batch == last)
            return;
    }
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

static void want_more(struct obx_stages *stages)
{
    if (stages->context.stopping)
        want_given_up(stages);
    else if (obx_log_room_moves_rows(stages->log_room))
        want_all(stages);
    else
        want_held(stages);
}

/* A copy is a commit, like a settle; the two take turns. */
static bool is_time(struct obx_spool *spool)
{
    struct obx_relay_context *context = &spool->stages->context;
    bool awaited = context->stopping || context->to_spool >= COPY_ROWS ||
                   context->stats.in_flight_bytes >= (uint64_t)context->settings.max_in_flight_bytes / 4;
    if (!obx_due(context, spool->copy_at))
        return false;
    if (spool->settles == context->stats.settles && obx_settler_has_rows(spool->stages->settler))
        return false;
    return awaited || obx_due(context, spool->copied_at + PACE_NS);
}

static void submit(struct obx_spool *spool)
{
    struct obx_relay_context *context = &spool->stages->context;
    spool->copied_at = context->now;
    spool->settles = context->stats.settles;
    context->passing = true;
    OBX_FAILPOINT(relay, before_spool);
    obx_store_spool(obx_link_instance(spool->stages->store),
                    obx_request_begin(&spool->request, context, spool, on_answer),
                    obx_relay_context_store_timeout(context), &spool->copy);
}

void obx_spool_step(struct obx_spool *spool)
{
    struct obx_stages *stages = spool->stages;
    if (!stages->context.reads_log || !obx_link_up(stages->store))
        return;
    want_more(stages);
    if (!stages->context.to_spool || stages->context.passing || !is_time(spool))
        return;
    if (gather(spool))
        submit(spool);
}
