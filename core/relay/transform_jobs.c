/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/transform_jobs.c - from READY batches to jobs of workers, and back */
#include "relay/transform_jobs.h"

#include <string.h>

#include "base/error.h"
#include "relay/pipeline.h"
#include "relay/route.h"
#include "relay/transforms.h"

#define AGAIN_NS (10 * OBX_MS)

/* ---- on a worker ------------------------------------------------------------------------------------------------- */

static const struct obx_reason no_memory = {.error = {.code = OUTBOX_E_NO_MEMORY, .text = "out of memory"}};

static const struct obx_reason *keep_reason(struct obx_arena *arena, int code, const struct outbox_error *error)
{
    struct obx_reason *reason = code == OUTBOX_E_NO_MEMORY ? NULL : obx_arena_alloc(arena, sizeof *reason);
    if (!reason)
        return &no_memory;
    *reason = (struct obx_reason){.error = *error};
    reason->error.code = code;
    return reason;
}

static void run(struct obx_work *work)
{
    struct obx_transform_job *job = OBX_CONTAINER(work, struct obx_transform_job, work);
    struct obx_transformed *transformed = job->transformed;
    const struct obx_transforms *transforms = transformed->stages->transforms;
    for (uint32_t row = job->first; row < job->end; row++) {
        struct outbox_error error;
        if (transformed->reasons[row])
            continue; /* not covered: a row that no route fits, among rows of a transform */
        int code =
            obx_transforms_apply(transforms, &transformed->messages[row],
                                 transformed->values + (size_t)row * transforms->value_count, &job->arena, &error);
        if (code)
            transformed->reasons[row] = keep_reason(&job->arena, code, &error);
    }
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

/* All jobs are back. */
static void complete(struct obx_transformed *transformed)
{
    obx_pipeline_count_transformed(transformed->stages->pipeline, transformed->batch);
    obx_tick_soon(&transformed->stages->context);
}

static void on_done(struct obx_work *work)
{
    struct obx_transform_job *job = OBX_CONTAINER(work, struct obx_transform_job, work);
    if (--job->transformed->running == 0)
        complete(job->transformed);
}

/* False: no memory. */
static bool route_rows(struct obx_stages *stages, struct obx_batch *batch, struct obx_transformed *transformed)
{
    struct obx_arena *arena = &transformed->arena;
    uint32_t value_count = stages->transforms->value_count;
    obx_route_forget(stages->route);
    obx_transforms_forget(stages->transforms);
    for (uint32_t row = 0; row < batch->rows->rows; row++) {
        const struct outbox_value *values = batch->rows->values + (size_t)row * batch->rows->columns;
        struct outbox_error error;
        int code = obx_route_claimed(stages->route, batch->rows, row, arena, &transformed->messages[row], &error);
        if (!code)
            code = obx_transforms_render(stages->transforms, values, arena,
                                         transformed->values + (size_t)row * value_count);
        if (code == OUTBOX_E_NO_MEMORY)
            return false; /* not covered: no memory just here */
        if (code)
            /* not covered: a row that no route fits, among rows of a transform */
            transformed->reasons[row] = keep_reason(arena, OUTBOX_E_REJECTED, &error);
    }
    obx_route_forget(stages->route);
    return true;
}

static bool allocate_rows(struct obx_transformed *transformed, uint32_t rows, uint32_t value_count)
{
    struct obx_arena *arena = &transformed->arena;
    size_t values = ((size_t)rows * value_count + 1) * sizeof *transformed->values; /* never NULL: it is counted from */
    transformed->messages = obx_arena_alloc(arena, rows * sizeof *transformed->messages);
    transformed->reasons = obx_arena_alloc(arena, rows * sizeof(struct obx_reason *));
    transformed->values = obx_arena_alloc(arena, values);
    if (!transformed->messages || !transformed->reasons || !transformed->values)
        return false;
    memset(transformed->messages, 0, rows * sizeof *transformed->messages);
    memset(transformed->reasons, 0, rows * sizeof(struct obx_reason *));
    return true;
}

/* The rows of a job that no worker takes are tried again later, by their keys. */
static void refuse_job(struct obx_transform_job *job) /* not covered: no worker thread takes a job */
{
    for (uint32_t row = job->first; row < job->end; row++)
        if (!job->transformed->reasons[row])
            job->transformed->reasons[row] = &no_memory;
}

static void start_jobs(struct obx_transformed *transformed, uint32_t rows)
{
    struct obx_loop *loop = transformed->stages->context.loop;
    uint32_t each = OBX_MAX(OBX_TRANSFORM_ROWS, (rows + OBX_TRANSFORM_JOBS - 1) / OBX_TRANSFORM_JOBS), first = 0;
    transformed->running = 1; /* until all are started */
    for (uint32_t i = 0; first < rows; i++, first += each) {
        struct obx_transform_job *job = &transformed->jobs[i];
        job->work = (struct obx_work){.work = run, .done = on_done};
        job->transformed = transformed;
        job->first = first;
        job->end = OBX_MIN(first + each, rows);
        if (loop->ops->offload(loop, &job->work))
            refuse_job(job); /* not covered: no worker thread takes a job */
        else
            transformed->running++;
    }
    if (--transformed->running == 0)
        complete(transformed); /* not covered: no worker thread takes a job */
}

/* False: no memory. */
static bool start(struct obx_stages *stages, struct obx_batch *batch)
{
    struct obx_transformed *transformed = obx_alloc(sizeof *transformed);
    if (!transformed)
        return false;
    batch->transformed = transformed;
    transformed->stages = stages;
    transformed->batch = batch;
    if (!allocate_rows(transformed, batch->rows->rows, stages->transforms->value_count) ||
        !route_rows(stages, batch, transformed)) {
        obx_batch_free_transformed(batch);
        return false;
    }
    start_jobs(transformed, batch->rows->rows);
    return true;
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

/* Its rows were skipped while workers had them. */
static bool is_abandoned(const struct obx_batch *batch)
{
    return batch->transformed && !batch->transformed->running && !batch->state_count[OBX_ROW_WAITING];
}

void obx_transform_step(struct obx_stages *stages)
{
    struct obx_batch *batch = stages->transforms->count ? obx_pipeline_first(stages->pipeline, OBX_BATCH_READY) : NULL;
    for (struct obx_batch *next; batch; batch = next) {
        next = obx_pipeline_next(stages->pipeline, batch);
        if (is_abandoned(batch)) {
            obx_pipeline_move(stages->pipeline, batch, OBX_BATCH_DONE);
        } else if (!batch->transformed && !start(stages, batch)) {
            obx_due(&stages->context, stages->context.now + AGAIN_NS);
            return;
        }
    }
}
