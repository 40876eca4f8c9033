/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/failures.h - an operation that fails and is tried again, while everything else goes on
 *
 * The pauses double. After five failures in a row there is at most one try a second. A failure is logged when it has
 * lasted for a while, and then at most once a minute for each cause. The caller logs the end, with its duration, if a
 * line has said that there was something to end. Loop thread only.
 */
#ifndef OBX_RELAY_FAILURES_H
#define OBX_RELAY_FAILURES_H

#include "relay/causes.h"
#include "relay/context.h"

/* Zeroed: none. */
struct obx_failures {
    uint32_t count; /* in a row */
    uint64_t since; /* the first of them */
    bool logged;    /* this row of failures */
    struct obx_causes causes;
};

/* Is this failure one of the operation alone? False: a new connection may cure it. */
bool obx_failure_keeps_connection(const struct outbox_error *error);

/* One more failure. Gives the time of the next try. */
uint64_t obx_failures_add(struct obx_failures *failures, struct obx_relay_context *context, uint64_t min_ms,
                          uint64_t max_ms);
/* Is it time for a line with this text? For quiet_ns after the first failure it is not. If so, the caller logs. */
bool obx_failures_log_due(struct obx_failures *failures, const struct obx_relay_context *context, uint64_t quiet_ns,
                          const char *text);
/* They have lasted so long that they were logged: what the operation does is not done any more. */
static inline bool obx_failures_last(const struct obx_failures *failures)
{
    return failures->count && failures->logged;
}
/* The operation has succeeded. True: the end of the failures is to be logged. */
bool obx_failures_end(struct obx_failures *failures);

/* When the next reminder of something that began is due: after 1 minute, 10 minutes, and then every `minutes`. */
#define OBX_REMIND_OUTAGE 10u
#define OBX_REMIND_TOTALS 60u
uint64_t obx_next_reminder(uint64_t began_at, uint64_t now, unsigned minutes);

/* "850 ms", "12.3 s", "5 min 20 s", "3 h 5 min", "2 d 3 h" */
struct obx_duration_text {
    char text[32];
};
struct obx_duration_text obx_duration(uint64_t ns);

#endif
