/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/settle.c - the spans of delivered rows, the pace of settles, and what follows a failure */
#include "relay/settle.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "relay/claim.h"
#include "relay/failures.h"
#include "relay/keys.h"
#include "relay/link.h"
#include "relay/low_mark.h"
#include "relay/pipeline.h"
#include "relay/position_header.h"
#include "relay/record.h"
#include "relay/retry_claim.h"

#define SETTLE_MIN_ROWS 1000    /* fewer wait for the pace */
#define SETTLE_MAX_ROWS 20000   /* of one settle, about */
#define PACE_NS (20 * OBX_MS)   /* from one settle to the next */
#define IDLE_NS (5000 * OBX_MS) /* from one settle of a log to the next, when nothing is delivered */
#define NO_MEMORY_NS (10 * OBX_MS)
#define LOG_AFTER_NS (10000 * OBX_MS)
#define AGAIN_MIN_MS 20
#define AGAIN_MAX_MS 2000

struct obx_settler {
    struct obx_stages *stages;
    struct obx_request request;
    struct outbox_settle settle;
    struct outbox_refused refused; /* of the last settle */
    struct outbox_span *spans;     /* owned */
    uint32_t room;                 /* of spans */
    uint64_t settled_at;           /* when the last settle began */
    uint64_t settle_at;            /* after a failure that may pass */
    struct obx_failures failures;  /* that may pass */
};

struct obx_settler *obx_settler_new(struct obx_stages *stages)
{
    struct obx_settler *settler = obx_alloc(sizeof *settler);
    if (!settler)
        return NULL;
    settler->stages = stages;
    settler->request.timing = &stages->context.timings.settle;
    return settler;
}

void obx_settler_free(struct obx_settler *settler)
{
    if (settler)
        obx_free(settler->spans);
    obx_free(settler);
}

void obx_settler_reset(struct obx_settler *settler)
{
    settler->refused.rows = 0;
    settler->settle_at = settler->stages->context.now;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

void obx_settler_describe_refused(const struct obx_settler *settler, char *text, size_t size)
{
    snprintf(text, size, "%llu published rows cannot be removed, one is %s", (unsigned long long)settler->refused.rows,
             settler->refused.reason);
}

/* Published rows that the database refuses to remove: the store logs them and tries again. */
static void show_refused(const struct obx_settler *settler)
{
    char text[OUTBOX_ERROR_TEXT_SIZE];
    obx_settler_describe_refused(settler, text, sizeof text);
    obx_trouble_show(&settler->stages->context, "store", text);
}

bool obx_settler_fails(const struct obx_settler *settler)
{
    return obx_failures_last(&settler->failures);
}

uint64_t obx_settler_refused(const struct obx_settler *settler)
{
    return settler->refused.rows;
}

static void on_success(struct obx_settler *settler)
{
    struct obx_pipeline *pipeline = settler->stages->pipeline;
    struct obx_relay_context *context = &settler->stages->context;
    obx_link_works(settler->stages->store, OBX_WORK_SETTLE);
    if (obx_failures_end(&settler->failures)) {
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "store: delivered events are removed again after %s",
                      obx_duration(context->now - settler->failures.since).text);
        obx_trouble_end(context, 0);
    }
    obx_record_settled(settler->stages->record, &settler->settle);
    obx_position_header_settled(settler->stages->position_header, &settler->settle);
    for (struct obx_batch *batch; (batch = obx_pipeline_first(pipeline, OBX_BATCH_SETTLING));) {
        context->stats.settled += batch->state_count[OBX_ROW_DELIVERED];
        obx_batch_change(batch, OBX_ROW_DELIVERED, OBX_ROW_SETTLED);
        if (batch->in_log)
            obx_batch_unwant_settled(batch);
        if (obx_batch_finished(batch))
            obx_pipeline_release(pipeline, batch);
        else
            obx_pipeline_move(pipeline, batch, OBX_BATCH_DONE); /* rows of it wait for the spool */
    }
    if (settler->refused.rows)
        show_refused(settler);
}

/* A deadlock or a wait for a lock passes and is not logged, unless it lasts. */
static void on_again(struct obx_settler *settler, const struct outbox_error *error)
{
    struct obx_relay_context *context = &settler->stages->context;
    settler->settle_at = obx_failures_add(&settler->failures, context, AGAIN_MIN_MS, AGAIN_MAX_MS);
    if (!obx_failures_log_due(&settler->failures, context, LOG_AFTER_NS, error->text))
        return;
    obx_trouble_show(context, "store", error->text);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                  "store: %s; for %s delivered events could not be removed, which a restart would send again; trying "
                  "again until it works",
                  error->text, obx_duration(context->now - settler->failures.since).text);
}

static void on_answer(void *stage, const struct outbox_error *error)
{
    struct obx_settler *settler = stage;
    OBX_FAILPOINT(relay, after_settle);
    settler->stages->context.passing = false;
    if (!error->code) {
        on_success(settler);
        return;
    }
    obx_pipeline_unsettle(settler->stages->pipeline);
    if (obx_failure_keeps_connection(error))
        on_again(settler, error);
    else
        obx_link_lost(settler->stages->store, OBX_WORK_SETTLE, error);
}

/* ---- the spans --------------------------------------------------------------------------------------------------- */

static bool has_room(struct obx_settler *settler, uint32_t count)
{
    if (settler->room >= count)
        return true;
    uint32_t room = OBX_MAX(count, settler->room * 2);
    struct outbox_span *spans = obx_resize(settler->spans, room * sizeof *spans);
    if (!spans)
        return false;
    settler->spans = spans;
    settler->room = room;
    return true;
}

/* Ranges of DELIVERED rows. False: no memory for them. */
static bool add_spans(struct obx_settler *settler, const struct obx_batch *batch)
{
    for (uint32_t row = 0, rows = batch->rows->rows; row < rows;) {
        if (batch->row_states[row] != OBX_ROW_DELIVERED) {
            row++;
            continue;
        }
        uint32_t first = row;
        while (row < rows && batch->row_states[row] == OBX_ROW_DELIVERED)
            row++;
        if (!has_room(settler, settler->settle.span_count + 1))
            return false;
        settler->spans[settler->settle.span_count++] =
            (struct outbox_span){.batch = batch->rows, .first = first, .count = row - first};
    }
    return true;
}

static int by_first_row(const void *left, const void *right)
{
    const struct outbox_span *a = left, *b = right;
    return obx_position_compare(a->batch->positions[a->first], b->batch->positions[b->first]);
}

/* Move batches from DONE to SETTLING, as many as one statement should remove. */
static void gather(struct obx_settler *settler)
{
    struct obx_pipeline *pipeline = settler->stages->pipeline;
    uint32_t rows = 0;
    settler->settle = (struct outbox_settle){.struct_size = sizeof settler->settle};
    for (struct obx_batch *batch = obx_pipeline_first(pipeline, OBX_BATCH_DONE), *next; batch && rows < SETTLE_MAX_ROWS;
         batch = next) {
        uint32_t spans = settler->settle.span_count;
        next = obx_pipeline_next(pipeline, batch);
        if (!batch->state_count[OBX_ROW_DELIVERED])
            continue; /* its rows wait for the spool */
        if (!add_spans(settler, batch)) {
            settler->settle.span_count = spans;
            break;
        }
        rows += batch->state_count[OBX_ROW_DELIVERED];
        obx_pipeline_move(pipeline, batch, OBX_BATCH_SETTLING);
    }
    if (settler->settle.span_count)
        qsort(settler->spans, settler->settle.span_count, sizeof *settler->spans, by_first_row);
    settler->settle.spans = settler->spans;
    settler->refused = (struct outbox_refused){.struct_size = sizeof settler->refused};
    settler->settle.refused = &settler->refused;
    if (settler->stages->context.reads_log)
        settler->settle.low = obx_low_mark_settling(settler->stages->low_mark);
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

static bool has_min_rows(const struct obx_pipeline *pipeline)
{
    const struct obx_batch *batch = obx_pipeline_first(pipeline, OBX_BATCH_DONE);
    uint32_t rows = 0;
    for (; batch; batch = obx_pipeline_next(pipeline, batch))
        rows += batch->state_count[OBX_ROW_DELIVERED];
    return rows >= SETTLE_MIN_ROWS;
}

/* A stop, a rewind, keys that are retried, or memory waits until these rows are removed. */
static bool is_awaited(const struct obx_stages *stages)
{
    const struct obx_relay_context *context = &stages->context;
    return context->stopping || obx_claimer_rewinding(stages->claimer) ||
           obx_retry_claim_in_pipeline(stages->retry_claim) ||
           context->stats.in_flight_bytes >= (uint64_t)context->settings.max_in_flight_bytes / 4;
}

bool obx_settler_has_rows(const struct obx_settler *settler)
{
    const struct obx_pipeline *pipeline = settler->stages->pipeline;
    const struct obx_batch *batch = obx_pipeline_first(pipeline, OBX_BATCH_DONE);
    while (batch && !batch->state_count[OBX_ROW_DELIVERED])
        batch = obx_pipeline_next(pipeline, batch);
    return batch != NULL;
}

/* A log goes on also without events of this outbox. */
static bool is_idle_settle_due(struct obx_settler *settler)
{
    struct obx_relay_context *context = &settler->stages->context;
    return context->reads_log && !context->stopping && !obx_claimer_rewinding(settler->stages->claimer) &&
           obx_due(context, settler->settled_at + IDLE_NS) && obx_due(context, settler->settle_at);
}

static bool is_time(struct obx_settler *settler)
{
    struct obx_relay_context *context = &settler->stages->context;
    if (!obx_due(context, settler->settle_at))
        return false;
    return is_awaited(settler->stages) || has_min_rows(settler->stages->pipeline) ||
           obx_due(context, settler->settled_at + PACE_NS);
}

static void submit(struct obx_settler *settler)
{
    struct obx_relay_context *context = &settler->stages->context;
    settler->settled_at = context->now;
    context->passing = true;
    context->stats.settles++;
    OBX_FAILPOINT(relay, before_settle);
    obx_store_settle(obx_link_instance(settler->stages->store),
                     obx_request_begin(&settler->request, context, settler, on_answer),
                     obx_relay_context_store_timeout(context), &settler->settle);
}

void obx_settler_step(struct obx_settler *settler)
{
    struct obx_stages *stages = settler->stages;
    obx_pipeline_release_finished(stages->pipeline);
    if (!obx_link_up(stages->store) || obx_request_busy(&settler->request) || stages->context.passing)
        return;
    bool has_rows = obx_settler_has_rows(settler);
    if (has_rows ? !is_time(settler) : !is_idle_settle_due(settler))
        return;
    gather(settler);
    if (settler->settle.span_count || !has_rows) {
        submit(settler);
        return;
    }
    obx_pipeline_unsettle(stages->pipeline);
    settler->settle_at = stages->context.now + NO_MEMORY_NS;
    obx_due(&stages->context, settler->settle_at);
}
