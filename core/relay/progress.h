/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/progress.h - the log shows that events pass: the first one of a start, totals now and then, and the end
 *
 * A header of an event that the route sets itself, and so leaves out, is a warning, once in a start.
 * Totals are logged after one minute, ten minutes and then every hour, if events were published since the last line.
 * Loop thread only.
 */
#ifndef OBX_RELAY_PROGRESS_H
#define OBX_RELAY_PROGRESS_H

#include "relay/context.h"

struct outbox_message;
struct obx_route;

struct obx_progress {
    uint64_t began_at;
    uint64_t delivered, settled, dead_lettered; /* of the statistics, at the start */
    uint64_t reported_at, reported;             /* the last line, and stats.delivered then */
    bool first_logged, left_out_logged;
};

void obx_progress_start(struct obx_progress *progress, const struct obx_relay_context *context);
/* The broker confirmed this event. Cheap after the first call. */
void obx_progress_log_first(struct obx_progress *progress, struct obx_relay_context *context,
                            const struct outbox_message *message);
static inline void obx_progress_published(struct obx_progress *progress, struct obx_relay_context *context,
                                          const struct outbox_message *message)
{
    if (!progress->first_logged)
        obx_progress_log_first(progress, context, message);
}
void obx_progress_step(struct obx_progress *progress, struct obx_relay_context *context, const struct obx_route *route);
void obx_progress_stopped(const struct obx_progress *progress, const struct obx_relay_context *context);

#endif
