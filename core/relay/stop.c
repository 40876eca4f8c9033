/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/stop.c - the end of a relay: the broker first, then the store
 *
 * Claiming ends, what is in flight finishes and is settled; then the broker is stopped, and what that decided is
 * settled too; then the store. At the deadline the same happens without waiting: rows not settled by then stay in the
 * outbox.
 */
#include "base/failpoint.h"
#include "relay/pipeline.h"

#define STOP_GRACE_MS 200 /* at least that for each plugin's stop */

static uint32_t left_ms(const struct obx_relay *relay)
{
    uint64_t left = relay->stop_at > relay->now ? (relay->stop_at - relay->now) / OBX_MS : 0;
    return (uint32_t)OBX_MAX(left, (uint64_t)STOP_GRACE_MS);
}

static bool store_busy(const struct obx_relay *relay)
{
    bool settles = !obx_list_empty(&relay->done) || !obx_list_empty(&relay->settling) || relay->to_park_count;
    return obx_link_up(&relay->store) && settles;
}

/* A plugin's stop that began in a reconnect has all the time that a reconnect has: more than is left now. */
static bool past_grace(struct obx_relay *relay, uint64_t stops)
{
    return obx_relay_due(relay, relay->stop_at + stops * STOP_GRACE_MS * OBX_MS);
}

static bool stop_broker(struct obx_relay *relay, bool late)
{
    struct obx_link *broker = &relay->broker;
    if (broker->state == OBX_LINK_DOWN)
        return !relay->flying_count;
    if (broker->state != OBX_LINK_STOPPING && (!relay->flying_count || late)) {
        OBX_FAILPOINT(stop, before_broker);
        obx_link_stop(relay, broker, left_ms(relay));
    } else if (late && past_grace(relay, 1)) {
        obx_instance_cancel(broker->instance);
    }
    return false;
}

static bool stop_store(struct obx_relay *relay, bool late)
{
    struct obx_link *store = &relay->store;
    if (store->state == OBX_LINK_DOWN)
        return true;
    if (store->state != OBX_LINK_STOPPING && (late || !store_busy(relay))) {
        OBX_FAILPOINT(stop, before_store);
        obx_link_stop(relay, store, left_ms(relay));
    } else if (late && past_grace(relay, 2)) {
        obx_instance_cancel(store->instance); /* not covered: all stores here stop in their grace */
    }
    return false;
}

void obx_stop_release(struct obx_relay *relay)
{
    obx_settle_forget(relay);
    obx_dead_letter_clear(relay);
    obx_keys_clear(&relay->keys);
}

void obx_stop_step(struct obx_relay *relay)
{
    obx_publish_leave(relay);
    bool late = obx_relay_due(relay, relay->stop_at);
    if (!stop_broker(relay, late))
        return;
    /* what the broker's stop decided may still be settled, for as long again as a plugin's stop may take */
    late = late && obx_relay_due(relay, relay->stop_at + STOP_GRACE_MS * OBX_MS);
    if (!stop_store(relay, late) || obx_call_busy(&relay->store.call) || obx_call_busy(&relay->broker.call))
        return;
    obx_stop_release(relay);
    relay->running = relay->stopping = false;
    relay->loop->ops->timer_clear(relay->loop, &relay->timer);
    OBX_RELAY_LOG(relay, OUTBOX_LOG_DEBUG, "stopped");
}
