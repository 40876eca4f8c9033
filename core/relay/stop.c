/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/stop.c - the steps of a stop */
#include "relay/stop.h"

#include "base/failpoint.h"
#include "relay/dead_letter.h"
#include "relay/keys.h"
#include "relay/link.h"
#include "relay/pipeline.h"
#include "relay/spool.h"

#define STOP_GRACE_MS 200 /* at least that for the stop of each plugin */

static uint32_t left_ms(const struct obx_relay_context *context, uint64_t deadline)
{
    uint64_t left = deadline > context->now ? (deadline - context->now) / OBX_MS : 0;
    return (uint32_t)OBX_MAX(left, (uint64_t)STOP_GRACE_MS);
}

static bool has_rows_to_settle(const struct obx_stages *stages)
{
    const struct obx_pipeline *pipeline = stages->pipeline;
    bool any = obx_pipeline_count(pipeline, OBX_BATCH_DONE) || obx_pipeline_count(pipeline, OBX_BATCH_SETTLING) ||
               obx_dead_letters_waiting(stages->dead_letters) || !obx_spool_idle(stages->spool);
    return any && obx_link_up(stages->store);
}

/* A stop of a plugin that began in a reconnect has a longer timeout than what is left now. */
static bool past_grace(struct obx_relay_context *context, uint64_t deadline, uint64_t stops)
{
    return obx_due(context, deadline + stops * STOP_GRACE_MS * OBX_MS);
}

static bool stop_broker(struct obx_stages *stages, uint64_t deadline, bool late)
{
    struct obx_link *broker = stages->broker;
    bool in_flight = obx_pipeline_count(stages->pipeline, OBX_BATCH_IN_FLIGHT) > 0;
    if (obx_link_state(broker) == OBX_LINK_DOWN)
        return !in_flight;
    if (obx_link_state(broker) != OBX_LINK_STOPPING && (!in_flight || late)) {
        OBX_FAILPOINT(stop, before_broker);
        obx_link_stop(broker, left_ms(&stages->context, deadline));
    } else if (late && past_grace(&stages->context, deadline, 1)) {
        obx_link_cancel(broker);
    }
    return false;
}

static bool stop_store(struct obx_stages *stages, uint64_t deadline, bool late)
{
    struct obx_link *store = stages->store;
    if (obx_link_state(store) == OBX_LINK_DOWN)
        return true;
    if (obx_link_state(store) != OBX_LINK_STOPPING && (late || !has_rows_to_settle(stages))) {
        OBX_FAILPOINT(stop, before_store);
        obx_link_stop(store, left_ms(&stages->context, deadline));
    } else if (late && past_grace(&stages->context, deadline, 2)) {
        obx_link_cancel(store); /* not covered: all stores here stop in their grace */
    }
    return false;
}

void obx_stop_release(struct obx_stages *stages)
{
    obx_pipeline_skip_delivered(stages->pipeline);
    obx_dead_letters_clear(stages->dead_letters);
    obx_keys_clear(stages->keys);
}

bool obx_stop_step(struct obx_stages *stages, uint64_t deadline)
{
    struct obx_relay_context *context = &stages->context;
    obx_pipeline_skip_ready(stages->pipeline);
    if (obx_pipeline_count(stages->pipeline, OBX_BATCH_READY))
        return false; /* workers have their rows */
    bool late = obx_due(context, deadline);
    if (!stop_broker(stages, deadline, late))
        return false;
    /* what the broker's stop decided may still be settled, for as long again as the stop of a plugin may take */
    late = late && past_grace(context, deadline, 1);
    if (!stop_store(stages, deadline, late) || obx_link_busy(stages->store) || obx_link_busy(stages->broker))
        return false;
    obx_stop_release(stages);
    return true;
}
