/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/pipeline.c - the lists of batches, and the legal moves between them */
#include "relay/pipeline.h"

#include "base/failpoint.h"
#include "relay/link.h"
#include "relay/low_mark.h"
#include "relay/order.h"
#include "relay/retry_claim.h"
#include "relay/transforms.h"

#define BATCH_OVERHEAD 16384 /* bytes */

struct obx_pipeline {
    struct obx_stages *stages;
    struct obx_list lists[OBX_BATCH_STAGES];
    uint32_t counts[OBX_BATCH_STAGES];
    struct obx_batch_pool pool;
    uint64_t next_seq;
    uint64_t epoch;
    uint32_t order_holds; /* batches in flight with holds_order */
    bool reread;
};

struct obx_pipeline *obx_pipeline_new(struct obx_stages *stages)
{
    struct obx_pipeline *pipeline = obx_alloc(sizeof *pipeline);
    if (!pipeline)
        return NULL;
    pipeline->stages = stages;
    for (int stage = 0; stage < OBX_BATCH_STAGES; stage++)
        obx_list_init(&pipeline->lists[stage]);
    obx_batch_pool_init(&pipeline->pool);
    pipeline->next_seq = 1; /* 0: none */
    return pipeline;
}

void obx_pipeline_free(struct obx_pipeline *pipeline)
{
    if (pipeline)
        obx_batch_pool_free(&pipeline->pool);
    obx_free(pipeline);
}

/* ---- moves ------------------------------------------------------------------------------------------------------- */

#define TO(stage) (1u << OBX_BATCH_##stage)

/* Which stages may follow which: a bit for each. NEW is what precedes the first list and follows the last. */
static const uint8_t legal[OBX_BATCH_STAGES] = {
    [OBX_BATCH_NEW] = TO(READY),
    [OBX_BATCH_READY] = TO(READY) | TO(IN_FLIGHT) | TO(DONE),
    [OBX_BATCH_IN_FLIGHT] = TO(READY) | TO(DONE),
    [OBX_BATCH_DONE] = TO(SETTLING) | TO(NEW),
    [OBX_BATCH_SETTLING] = TO(DONE) | TO(NEW),
};

static void unlink_batch(struct obx_pipeline *pipeline, struct obx_batch *batch)
{
    if (batch->stage == OBX_BATCH_NEW)
        return;
    obx_list_remove(&batch->link);
    pipeline->counts[batch->stage]--;
    pipeline->order_holds -= batch->holds_order;
    batch->holds_order = false;
}

static void check_move(const struct obx_pipeline *pipeline, const struct obx_batch *batch, enum obx_batch_stage stage)
{
    static const char *const names[] = {"new", "ready", "in flight", "done", "settling"};
    if (!(legal[batch->stage] & 1u << stage))
        OBX_RELAY_LOG(&pipeline->stages->context, OUTBOX_LOG_ERROR, /* not covered: it would be a bug */
                      "bug: a batch goes from %s to %s", names[batch->stage], names[stage]);
}

static struct obx_list *place_in(struct obx_pipeline *pipeline, const struct obx_batch *batch,
                                 enum obx_batch_stage stage)
{
    struct obx_list *head = &pipeline->lists[stage], *at = head->prev;
    if (stage != OBX_BATCH_READY)
        return at;
    while (at != head && OBX_CONTAINER(at, struct obx_batch, link)->seq > batch->seq)
        at = at->prev;
    return at;
}

void obx_pipeline_move(struct obx_pipeline *pipeline, struct obx_batch *batch, enum obx_batch_stage stage)
{
    check_move(pipeline, batch, stage);
    unlink_batch(pipeline, batch);
    obx_list_insert_after(place_in(pipeline, batch, stage), &batch->link);
    pipeline->counts[stage]++;
    batch->stage = stage;
}

void obx_pipeline_unsettle(struct obx_pipeline *pipeline)
{
    struct obx_list *settling = &pipeline->lists[OBX_BATCH_SETTLING], *done = &pipeline->lists[OBX_BATCH_DONE];
    for (struct obx_batch *batch; (batch = OBX_LIST_LAST(settling, struct obx_batch, link));) {
        unlink_batch(pipeline, batch);
        obx_list_insert_after(done, &batch->link);
        pipeline->counts[OBX_BATCH_DONE]++;
        batch->stage = OBX_BATCH_DONE;
    }
}

/* ---- coming and going -------------------------------------------------------------------------------------------- */

static uint64_t memory_of(const struct outbox_batch *rows)
{
    return rows->bytes + (uint64_t)rows->rows * OBX_ROW_OVERHEAD + BATCH_OVERHEAD;
}

static void count_transformed(struct obx_pipeline *pipeline, struct obx_batch *batch, uint64_t bytes)
{
    pipeline->stages->context.stats.in_flight_bytes += bytes - batch->transformed_bytes;
    batch->transformed_bytes = bytes;
}

void obx_pipeline_count_transformed(struct obx_pipeline *pipeline, struct obx_batch *batch)
{
    const struct obx_transformed *transformed = batch->transformed;
    uint64_t bytes = transformed->arena.total;
    for (uint32_t i = 0; i < OBX_TRANSFORM_JOBS; i++)
        bytes += transformed->jobs[i].arena.total;
    count_transformed(pipeline, batch, bytes);
}

/* From the claim on, so that claims leave room for it: messages as large as the rows, and a block of each arena. */
static uint64_t reserve_of(const struct obx_pipeline *pipeline, const struct outbox_batch *rows)
{
    uint32_t arenas = 1 + OBX_MIN(rows->rows / OBX_TRANSFORM_ROWS + 1, (uint32_t)OBX_TRANSFORM_JOBS);
    if (!pipeline->stages->transforms->count)
        return 0;
    return rows->bytes + (uint64_t)rows->rows * OBX_ROW_OVERHEAD + (uint64_t)arenas * BATCH_OVERHEAD;
}

struct obx_batch *obx_pipeline_add(struct obx_pipeline *pipeline, struct outbox_batch *rows, bool is_retry)
{
    struct outbox_stats *stats = &pipeline->stages->context.stats;
    struct obx_batch *batch = obx_batch_get(&pipeline->pool, rows);
    if (!batch)
        return NULL;
    batch->stages = pipeline->stages;
    batch->seq = pipeline->next_seq++;
    batch->epoch = pipeline->epoch;
    batch->is_retry = batch->holds_retry_slot = is_retry;
    if (is_retry)
        obx_retry_claim_set_in_pipeline(pipeline->stages->retry_claim, true);
    stats->claimed += rows->rows;
    stats->in_flight += rows->rows;
    stats->in_flight_bytes += memory_of(rows);
    count_transformed(pipeline, batch, reserve_of(pipeline, rows));
    if (pipeline->stages->context.reads_log)
        obx_low_mark_add(pipeline->stages->low_mark, batch, !is_retry && !(rows->flags & OUTBOX_BATCH_SPOOLED));
    obx_pipeline_move(pipeline, batch, OBX_BATCH_READY);
    return batch;
}

/* Keys that are still RETRYING, and not in the lanes, were not answered. */
void obx_pipeline_free_retry_slot(struct obx_pipeline *pipeline, struct obx_batch *batch)
{
    struct obx_retry_claim *retry_claim = pipeline->stages->retry_claim;
    if (!batch->holds_retry_slot)
        return;
    batch->holds_retry_slot = false;
    obx_retry_claim_set_in_pipeline(retry_claim, false);
    obx_retry_claim_wait_again(retry_claim, 0);
}

void obx_pipeline_release(struct obx_pipeline *pipeline, struct obx_batch *batch)
{
    struct obx_stages *stages = pipeline->stages;
    check_move(pipeline, batch, OBX_BATCH_NEW);
    unlink_batch(pipeline, batch);
    if (batch->in_log)
        obx_low_mark_remove(stages->low_mark, batch);
    OBX_FAILPOINT(relay, before_release);
    stages->context.stats.in_flight -= batch->rows->rows;
    stages->context.stats.in_flight_bytes -= memory_of(batch->rows);
    count_transformed(pipeline, batch, 0);
    obx_store_release(obx_link_instance(stages->store), batch->rows);
    obx_pipeline_free_retry_slot(pipeline, batch);
    obx_batch_recycle(&pipeline->pool, batch);
}

void obx_pipeline_release_finished(struct obx_pipeline *pipeline)
{
    struct obx_batch *batch = obx_pipeline_first(pipeline, OBX_BATCH_DONE);
    for (struct obx_batch *next; batch; batch = next) {
        next = obx_pipeline_next(pipeline, batch);
        if (obx_batch_finished(batch))
            obx_pipeline_release(pipeline, batch);
    }
}

void obx_pipeline_skip_ready(struct obx_pipeline *pipeline)
{
    struct obx_batch *batch = obx_pipeline_first(pipeline, OBX_BATCH_READY);
    for (struct obx_batch *next; batch; batch = next) {
        next = obx_pipeline_next(pipeline, batch);
        obx_batch_change(batch, OBX_ROW_WAITING, OBX_ROW_SKIPPED);
        if (!obx_batch_is_transforming(batch))
            obx_pipeline_move(pipeline, batch, OBX_BATCH_DONE);
    }
}

void obx_pipeline_skip_delivered(struct obx_pipeline *pipeline)
{
    struct obx_batch *batch = obx_pipeline_first(pipeline, OBX_BATCH_DONE);
    for (; batch; batch = obx_pipeline_next(pipeline, batch))
        obx_batch_change(batch, OBX_ROW_DELIVERED, OBX_ROW_SKIPPED);
    obx_pipeline_release_finished(pipeline);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct obx_batch *obx_pipeline_first(const struct obx_pipeline *pipeline, enum obx_batch_stage stage)
{
    return OBX_LIST_FIRST(&pipeline->lists[stage], struct obx_batch, link);
}

struct obx_batch *obx_pipeline_next(const struct obx_pipeline *pipeline, const struct obx_batch *batch)
{
    return OBX_LIST_NEXT(&pipeline->lists[batch->stage], batch, struct obx_batch, link);
}

uint32_t obx_pipeline_count(const struct obx_pipeline *pipeline, enum obx_batch_stage stage)
{
    return pipeline->counts[stage];
}

bool obx_pipeline_empty(const struct obx_pipeline *pipeline)
{
    for (int stage = OBX_BATCH_READY; stage < OBX_BATCH_STAGES; stage++)
        if (pipeline->counts[stage])
            return false;
    return true;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

void obx_pipeline_hold_order(struct obx_pipeline *pipeline, struct obx_batch *batch)
{
    pipeline->order_holds += !batch->holds_order;
    batch->holds_order = true;
}

bool obx_pipeline_order_held(const struct obx_pipeline *pipeline)
{
    return pipeline->order_holds > 0;
}

void obx_pipeline_next_epoch(struct obx_pipeline *pipeline)
{
    pipeline->epoch++;
}

void obx_pipeline_set_reread(struct obx_pipeline *pipeline, bool reread)
{
    pipeline->reread = reread;
}

bool obx_pipeline_rereading(const struct obx_pipeline *pipeline)
{
    return pipeline->reread;
}

unsigned obx_pipeline_after_facts(const struct obx_pipeline *pipeline, const struct obx_batch *batch)
{
    unsigned facts = batch->epoch != pipeline->epoch ? OBX_AFTER_OTHER_EPOCH : 0;
    if (!obx_relay_context_accepts_rows(&pipeline->stages->context) || pipeline->reread)
        facts |= OBX_AFTER_NO_PUBLISH;
    return facts;
}
