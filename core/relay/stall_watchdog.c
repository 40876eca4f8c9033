/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/stall_watchdog.c - a broker that answers nothing
 *
 * Some clients hide an outage: Kafka's keeps what it was given and tries for ever, so no operation fails and no
 * connection is lost. To people that must not look like relaying: when something is in flight and no word of any of it
 * has come for ten seconds, the relay says so and is not ready (RECOVERING) until a word comes. Nothing else changes;
 * what is in flight stays there, since only the client knows what became of it. It is told as news, not as a warning: a
 * plugin that knows of the outage has warned already.
 */
#include <stdio.h>

#include "relay/pipeline.h"

#define SILENCE_NS (10000 * OBX_MS)

void obx_stall_heard(struct obx_relay *relay)
{
    relay->heard_at = obx_loop_now(relay->loop);
}

static void tell(struct obx_relay *relay)
{
    static const char trouble[] = "broker: no word for 10 s of what is in flight; is it up, and are enough of its "
                                  "replicas in sync?";
    if (relay->silent) {
        snprintf(relay->stats.last_error, sizeof relay->stats.last_error, "%s", trouble);
        OBX_RELAY_LOG(relay, OUTBOX_LOG_INFO, "%s", trouble);
    } else if (obx_link_up(&relay->broker)) {
        OBX_RELAY_LOG(relay, OUTBOX_LOG_INFO, "broker: answers again");
        obx_link_forget_trouble(relay);
    }
}

void obx_stall_step(struct obx_relay *relay)
{
    bool silent = relay->flying_count && obx_relay_due(relay, relay->heard_at + SILENCE_NS);
    if (silent == relay->silent)
        return;
    relay->silent = silent;
    tell(relay);
}
