/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/stall_watchdog.c - the time since the last outcome */
#include "relay/stall_watchdog.h"

#include "relay/link.h"
#include "relay/pipeline.h"

#define STALL_TIMEOUT_NS (10000 * OBX_MS)

struct obx_stall_watchdog {
    struct obx_stages *stages;
    uint64_t restarted_at;
    bool stalled;
};

struct obx_stall_watchdog *obx_stall_watchdog_new(struct obx_stages *stages)
{
    struct obx_stall_watchdog *watchdog = obx_alloc(sizeof *watchdog);
    if (watchdog)
        watchdog->stages = stages;
    return watchdog;
}

void obx_stall_watchdog_free(struct obx_stall_watchdog *watchdog)
{
    obx_free(watchdog);
}

void obx_stall_watchdog_restart(struct obx_stall_watchdog *watchdog)
{
    watchdog->restarted_at = obx_loop_now(watchdog->stages->context.loop);
}

bool obx_stall_watchdog_stalled(const struct obx_stall_watchdog *watchdog)
{
    return watchdog->stalled;
}

static void report(struct obx_stall_watchdog *watchdog)
{
    static const char advice[] = "no outcome for 10 s of the events in flight; is the broker up, and are enough of its "
                                 "replicas in sync?";
    struct obx_relay_context *context = &watchdog->stages->context;
    if (watchdog->stalled) {
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "broker: %s", advice);
        obx_trouble_begin(context, OBX_TROUBLE_STALL);
        obx_trouble_show(context, "broker", advice);
        return;
    }
    if (obx_link_up(watchdog->stages->broker))
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "broker: answers again");
    obx_trouble_end(context, OBX_TROUBLE_STALL);
}

void obx_stall_watchdog_step(struct obx_stall_watchdog *watchdog)
{
    bool in_flight = obx_pipeline_count(watchdog->stages->pipeline, OBX_BATCH_IN_FLIGHT) > 0;
    bool stalled = in_flight && obx_due(&watchdog->stages->context, watchdog->restarted_at + STALL_TIMEOUT_NS);
    if (stalled == watchdog->stalled)
        return;
    watchdog->stalled = stalled;
    report(watchdog);
}
