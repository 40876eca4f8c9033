/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/stall_watchdog.c - the time since the last outcome */
#include "relay/stall_watchdog.h"

#include <stdio.h>

#include "relay/link.h"
#include "relay/failures.h"
#include "relay/pipeline.h"

#define STALL_TIMEOUT_NS (10000 * OBX_MS)

struct obx_stall_watchdog {
    struct obx_stages *stages;
    uint64_t restarted_at;
    uint64_t stalled_since;
    uint64_t remind_at;
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

static const char question[] = "is the broker up, and are enough of its replicas in sync?";

static void report(struct obx_stall_watchdog *watchdog)
{
    char text[128];
    struct obx_relay_context *context = &watchdog->stages->context;
    if (watchdog->stalled) {
        watchdog->stalled_since = watchdog->restarted_at;
        watchdog->remind_at = obx_next_reminder(watchdog->restarted_at, context->now, OBX_REMIND_OUTAGE);
        snprintf(text, sizeof text, "no outcome for 10 s of the events in flight; %s", question);
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "broker: %s", text);
        obx_trouble_begin(context, OBX_TROUBLE_STALL);
        obx_trouble_show(context, "broker", text);
        return;
    }
    if (obx_link_up(watchdog->stages->broker))
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "broker: answers again, after %s",
                      obx_duration(context->now - watchdog->stalled_since).text);
    obx_trouble_end(context, OBX_TROUBLE_STALL);
}

static void remind(struct obx_stall_watchdog *watchdog)
{
    struct obx_relay_context *context = &watchdog->stages->context;
    if (!obx_due(context, watchdog->remind_at))
        return;
    watchdog->remind_at = obx_next_reminder(watchdog->restarted_at, context->now, OBX_REMIND_OUTAGE);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "broker: no outcome for %s of the events in flight; %s",
                  obx_duration(context->now - watchdog->restarted_at).text, question);
    obx_due(context, watchdog->remind_at);
}

void obx_stall_watchdog_step(struct obx_stall_watchdog *watchdog)
{
    bool in_flight = obx_pipeline_count(watchdog->stages->pipeline, OBX_BATCH_IN_FLIGHT) > 0;
    bool stalled = in_flight && obx_due(&watchdog->stages->context, watchdog->restarted_at + STALL_TIMEOUT_NS);
    if (stalled != watchdog->stalled) {
        watchdog->stalled = stalled;
        report(watchdog);
    }
    if (stalled)
        remind(watchdog);
}
