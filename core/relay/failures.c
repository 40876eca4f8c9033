/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/failures.c - see failures.h */
#include "relay/failures.h"

#include <stdio.h>

#include "relay/backoff.h"

bool obx_failure_keeps_connection(const struct outbox_error *error)
{
    switch (error->code) {
    case OUTBOX_E_AGAIN:
    case OUTBOX_E_INVALID:
    case OUTBOX_E_PERMISSION:
    case OUTBOX_E_NOT_FOUND:
    case OUTBOX_E_SCHEMA:
    case OUTBOX_E_FULL:
    case OUTBOX_E_UNSUPPORTED:
        return true;
    default:
        return false;
    }
}

uint64_t obx_failures_add(struct obx_failures *failures, struct obx_relay_context *context, uint64_t min_ms,
                          uint64_t max_ms)
{
    if (!failures->count++) {
        failures->since = context->now;
        failures->logged = false;
    }
    return context->now + obx_backoff_operation(context->loop, failures->count, min_ms, max_ms);
}

bool obx_failures_log_due(struct obx_failures *failures, const struct obx_relay_context *context, uint64_t quiet_ns,
                          const char *text)
{
    if (context->now - failures->since < quiet_ns ||
        !obx_causes_log_due(&failures->causes, text, context->now, OBX_LOG_EVERY_NS))
        return false;
    failures->logged = true;
    return true;
}

bool obx_failures_end(struct obx_failures *failures)
{
    bool logged = obx_failures_last(failures);
    failures->count = 0;
    failures->logged = false;
    return logged;
}

uint64_t obx_next_reminder(uint64_t began_at, uint64_t now, unsigned minutes)
{
    const uint64_t minute = 60000 * OBX_MS, every = minutes * minute;
    uint64_t age = now - began_at;
    if (age < minute)
        return began_at + minute;
    if (age < 10 * minute)
        return began_at + 10 * minute;
    return began_at + (age / every + 1) * every;
}

struct obx_duration_text obx_duration(uint64_t ns)
{
    struct obx_duration_text duration;
    unsigned long long ms = ns / OBX_MS;
    if (ms < 1000)
        snprintf(duration.text, sizeof duration.text, "%llu ms", ms);
    else if (ms < 120000)
        snprintf(duration.text, sizeof duration.text, "%llu.%llu s", ms / 1000, ms % 1000 / 100);
    else if (ms < 7200000)
        snprintf(duration.text, sizeof duration.text, "%llu min %llu s", ms / 60000, ms % 60000 / 1000);
    else if (ms < 172800000)
        snprintf(duration.text, sizeof duration.text, "%llu h %llu min", ms / 3600000, ms % 3600000 / 60000);
    else
        snprintf(duration.text, sizeof duration.text, "%llu d %llu h", ms / 86400000, ms % 86400000 / 3600000);
    return duration;
}
