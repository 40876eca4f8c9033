/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/status.h - the state of a relay as its owner sees it: state changes, "drained", statistics, blocked keys
 *
 * Reports go through struct obx_relay_events, on the loop thread, at the end of a tick.
 */
#ifndef OBX_RELAY_STATUS_H
#define OBX_RELAY_STATUS_H

#include "relay/relay.h"
#include "relay/stages.h"

struct obx_status {
    struct obx_stages *stages;
    enum outbox_state state; /* as last reported */
    bool has_relayed;        /* since the start of the relay */
    bool drained_reported;
    uint64_t drained_claimed; /* stats.claimed at that report */
    uint64_t unready_since;   /* monotonic nanoseconds; 0: RELAYING */
};

void obx_status_start(struct obx_status *status); /* the relay starts */
/* In a tick: report a change of state, or that the outbox is drained. */
void obx_status_report_state(struct obx_status *status, bool running);
void obx_status_report_drained(struct obx_status *status);

void obx_status_stats(const struct obx_status *status, struct outbox_stats *stats);
void obx_status_each_blocked(const struct obx_status *status,
                             void (*each)(void *arg, const struct obx_blocked_key *key), void *arg);
void obx_status_measure(const struct obx_status *status, struct obx_relay_measures *measures);
/* See obx_relay_each_left(). */
void obx_status_each_left(const struct obx_status *status, void (*each)(void *arg, const char *why), void *arg);

#endif
