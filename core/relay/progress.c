/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/progress.c - lines of the log about events that pass */
#include "relay/progress.h"

#include <outbox/text_util.h>

#include "relay/failures.h"
#include "relay/route.h"

void obx_progress_start(struct obx_progress *progress, const struct obx_relay_context *context)
{
    *progress = (struct obx_progress){.began_at = context->now,
                                      .delivered = context->stats.delivered,
                                      .settled = context->stats.settled,
                                      .dead_lettered = context->stats.dead_lettered,
                                      .reported_at = context->now,
                                      .reported = context->stats.delivered};
}

static int size_of(struct outbox_bytes bytes)
{
    return outbox_cut_bytes(bytes, 100);
}

static const char *text_of(struct outbox_bytes bytes)
{
    return bytes.data ? (const char *)bytes.data : "";
}

void obx_progress_log_first(struct obx_progress *progress, struct obx_relay_context *context,
                            const struct outbox_message *message)
{
    progress->first_logged = true;
    OBX_RELAY_LOG(context, OUTBOX_LOG_INFO,
                  "published the first event since the start: event %.*s, key '%.*s', topic '%.*s'",
                  size_of(message->id), text_of(message->id), size_of(message->key), text_of(message->key),
                  size_of(message->topic), text_of(message->topic));
}

static void log_left_out(struct obx_progress *progress, const struct obx_relay_context *context,
                         struct outbox_bytes header)
{
    progress->left_out_logged = true;
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                  "the column headers of an event has the header '%.*s', which the route sets: that of the column is "
                  "left out, of each event; give it another name, or change route: headers:",
                  size_of(header), text_of(header));
}

void obx_progress_step(struct obx_progress *progress, struct obx_relay_context *context, const struct obx_route *route)
{
    uint64_t delivered = context->stats.delivered;
    if (route->left_out && !progress->left_out_logged)
        log_left_out(progress, context, *route->left_out);
    if (delivered == progress->reported ||
        !obx_due(context, obx_next_reminder(progress->began_at, progress->reported_at, OBX_REMIND_TOTALS)))
        return;
    OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "published %llu events in %s, %llu since the start",
                  (unsigned long long)(delivered - progress->reported),
                  obx_duration(context->now - progress->reported_at).text,
                  (unsigned long long)(delivered - progress->delivered));
    progress->reported_at = context->now;
    progress->reported = delivered;
}

static void log_given_up(const struct obx_relay_context *context)
{
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                  "stopped with %llu events that the broker has or may have and that are still in the outbox: they may "
                  "be published twice",
                  (unsigned long long)context->given_up);
}

void obx_progress_stopped(const struct obx_progress *progress, const struct obx_relay_context *context)
{
    const struct outbox_stats *stats = &context->stats;
    OBX_RELAY_LOG(
        context, OUTBOX_LOG_INFO,
        "stopped: published %llu events since the start, removed %llu from the outbox, moved %llu to the dead "
        "letters",
        (unsigned long long)(stats->delivered - progress->delivered),
        (unsigned long long)(stats->settled - progress->settled),
        (unsigned long long)(stats->dead_lettered - progress->dead_lettered));
    if (context->given_up)
        log_given_up(context);
}
