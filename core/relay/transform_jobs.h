/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/transform_jobs.h - batches in READY are routed and transformed on worker threads, several at a time
 *
 * Happy path: each batch that comes to READY is routed here and cut into jobs, which workers run in parallel. The
 * publishers take batches in the order of claiming, and only when they are transformed. The results are kept until the
 * batch is released, so a re-send after an outage transforms nothing again.
 *
 * Failure modes: an event that a transform rejects, or that fails for now, gets its reason; prepare.c applies it when
 * the event's turn comes. A batch of which a worker still has a job stays in READY, also while the relay stops. Without
 * memory the batch is tried again. Loop thread only.
 */
#ifndef OBX_RELAY_TRANSFORM_JOBS_H
#define OBX_RELAY_TRANSFORM_JOBS_H

#include "relay/batch.h"
#include "relay/stages.h"
#include "relay/transforms.h"

void obx_transform_step(struct obx_stages *stages);
/* May a publisher take the batch? */
static inline bool obx_transform_done(const struct obx_stages *stages, const struct obx_batch *batch)
{
    return !stages->transforms->count || (batch->transformed && !batch->transformed->running);
}

#endif
