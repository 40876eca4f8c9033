/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/link.c - the two connections of a relay
 *
 *   DOWN -> STARTING -> (store: ACQUIRING ->) UP -> STOPPING -> DOWN
 *
 * Any failure goes through STOPPING, where the plugin completes what is in flight, and back to DOWN with a pause that
 * doubles up to ten seconds; it is tried for ever. Only real work resets the pause: a claim that succeeded, an event
 * that was delivered. Each trouble is told once, and once more when it is over.
 *
 * When the store's ownership is lost, what was not published yet is left in the outbox, what is in flight finishes,
 * what was delivered is settled as soon as the ownership is back; only then the outbox is read again from its start.
 */
#include <stdio.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/backoff.h"
#include "relay/pipeline.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000
#define STOP_MS 5000
#define STOP_AGAIN_NS (10 * OBX_MS)

/* which states may follow which: a bit for each */
static const uint8_t legal[OBX_LINK_STATES] = {
    [OBX_LINK_DOWN] = 1u << OBX_LINK_STARTING,
    [OBX_LINK_STARTING] = 1u << OBX_LINK_ACQUIRING | 1u << OBX_LINK_UP | 1u << OBX_LINK_STOPPING,
    [OBX_LINK_ACQUIRING] = 1u << OBX_LINK_UP | 1u << OBX_LINK_STOPPING,
    [OBX_LINK_UP] = 1u << OBX_LINK_STOPPING,
    [OBX_LINK_STOPPING] = 1u << OBX_LINK_DOWN,
};

static void move(struct obx_relay *relay, struct obx_link *link, enum obx_link_state state)
{
    static const char *const names[] = {"down", "starting", "acquiring", "up", "stopping"};
    if (!(legal[link->state] & 1u << state))
        OBX_RELAY_LOG(relay, OUTBOX_LOG_ERROR, /* not covered: it would be a bug */
                      "bug: the %s goes from %s to %s", link->name, names[link->state], names[state]);
    OBX_RELAY_LOG(relay, OUTBOX_LOG_TRACE, "the %s goes from %s to %s", link->name, names[link->state], names[state]);
    link->state = state;
}

/* ---- losing ------------------------------------------------------------------------------------------------------ */

void obx_link_show_trouble(struct obx_relay *relay, const struct obx_link *link, const struct outbox_error *error)
{
    snprintf(relay->stats.last_error, sizeof relay->stats.last_error, "%s: %.*s", link->name,
             (int)(sizeof relay->stats.last_error - 16), error->text);
}

static void tell_trouble(struct obx_relay *relay, struct obx_link *link, const struct outbox_error *error)
{
    bool same = link->logged && link->error.code == error->code;
    OBX_RELAY_LOG(relay, same ? OUTBOX_LOG_DEBUG : OUTBOX_LOG_WARN, "%s: %s; trying again until it works", link->name,
                  error->text[0] ? error->text : obx_error_text(error->code));
    link->logged = true;
    link->error = *error;
    obx_link_show_trouble(relay, link, error);
}

static void leave_ready(struct obx_relay *relay)
{
    obx_publish_leave(relay);
    relay->unfinished = NULL;
    relay->reread = true;
}

/* For a stop that did not reach the plugin there was no memory: as long as the plugin runs it must not be started. */
static void stopped(struct obx_relay *relay, struct obx_link *link)
{
    obx_relay_tick_soon(relay);
    if (obx_call_refused(&link->stop_call)) {
        link->retry_at = relay->now + STOP_AGAIN_NS;
        return;
    }
    move(relay, link, OBX_LINK_DOWN);
    link->retry_at =
        relay->now + (link->failures ? obx_backoff(relay->loop, link->failures, PAUSE_MIN_MS, PAUSE_MAX_MS) : 0);
}

static void store_stopped(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, store.stop_call);
    (void)error;
    relay->now = obx_loop_now(relay->loop);
    stopped(relay, &relay->store);
}

static void broker_stopped(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, broker.stop_call);
    (void)error;
    relay->now = obx_loop_now(relay->loop);
    stopped(relay, &relay->broker);
}

void obx_link_stop(struct obx_relay *relay, struct obx_link *link, uint32_t timeout_ms)
{
    if (link == &relay->store)
        leave_ready(relay);
    move(relay, link, OBX_LINK_STOPPING);
    link->stop_call.done = link == &relay->store ? store_stopped : broker_stopped;
    obx_instance_stop(link->instance, &link->stop_call, timeout_ms);
}

static void stop_again(struct obx_relay *relay, struct obx_link *link)
{
    if (link->state == OBX_LINK_STOPPING && !obx_call_busy(&link->stop_call) && obx_relay_due(relay, link->retry_at))
        obx_instance_stop(link->instance, &link->stop_call, STOP_MS);
}

void obx_link_lost(struct obx_relay *relay, struct obx_link *link, const struct outbox_error *error)
{
    if (link->state == OBX_LINK_DOWN || link->state == OBX_LINK_STOPPING)
        return;
    if (!(relay->stopping && error->code == OUTBOX_E_CANCELED))
        tell_trouble(relay, link, error);
    link->failures++;
    OBX_FAILPOINT(relay, connection_lost);
    obx_link_stop(relay, link, STOP_MS);
    obx_relay_tick_soon(relay);
}

void obx_link_forget_trouble(struct obx_relay *relay)
{
    if (!relay->store.logged && !relay->broker.logged && !relay->silent)
        relay->stats.last_error[0] = '\0';
}

/* It works again, as far as a connection can tell. */
static void tell_recovery(struct obx_relay *relay, struct obx_link *link)
{
    if (link->logged) /* an answer that came late, from before, may have set the count back */
        OBX_RELAY_LOG(relay, OUTBOX_LOG_INFO, "%s: works again after %u failures", link->name,
                      OBX_MAX(link->failures, 1u));
    link->logged = false;
    link->error.code = OUTBOX_OK;
    obx_link_forget_trouble(relay);
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static void become_owner(struct obx_relay *relay)
{
    if (!(relay->acquire.flags & OUTBOX_ACQUIRED_SAME)) {
        relay->epoch++;
        obx_settle_forget(relay);
        obx_keys_clear(&relay->keys);
    }
    obx_dead_letter_clear(relay);
    relay->standby = false;
    relay->renew_at = relay->now + (uint64_t)relay->settings.lease_ms * OBX_MS / 4;
    relay->dead_keys_at = relay->settle_at = relay->park_at = relay->now;
    obx_claim_reset(relay);
    move(relay, &relay->store, OBX_LINK_UP);
    tell_recovery(relay, &relay->store);
    OBX_RELAY_LOG(relay, OUTBOX_LOG_INFO, "store: this relay owns the outbox");
}

static void stand_by(struct obx_relay *relay, const struct outbox_error *error)
{
    const char *owner = relay->acquire.owner;
    if (!relay->standby)
        OBX_RELAY_LOG(relay, OUTBOX_LOG_INFO, "store: standing by, the outbox is owned by %s",
                      owner[0] ? owner : "another relay");
    tell_recovery(relay, &relay->store);
    relay->standby = true;
    relay->store.error = *error;
    relay->store.retry_at = relay->now + (uint64_t)relay->settings.standby_poll_interval_ms * OBX_MS;
}

static void acquire_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, store.call);
    OBX_FAILPOINT(relay, after_acquire);
    relay->now = obx_loop_now(relay->loop);
    if (relay->store.state == OBX_LINK_ACQUIRING) {
        if (!error->code)
            become_owner(relay);
        else if (error->code == OUTBOX_E_STANDBY || error->code == OUTBOX_E_AGAIN)
            stand_by(relay, error);
        else
            obx_link_lost(relay, &relay->store, error);
    }
    obx_relay_tick_soon(relay);
}

static void acquire(struct obx_relay *relay)
{
    relay->acquire =
        (struct outbox_acquire){.struct_size = sizeof relay->acquire, .lease_ms = (uint32_t)relay->settings.lease_ms};
    relay->store.call.done = acquire_done;
    OBX_FAILPOINT(relay, before_acquire);
    obx_store_acquire(relay->store.instance, &relay->store.call, (uint32_t)relay->settings.store_timeout_ms,
                      &relay->acquire);
}

static void store_started(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, store.call);
    OBX_FAILPOINT(relay, after_store_start);
    relay->now = obx_loop_now(relay->loop);
    if (relay->store.state == OBX_LINK_STARTING) {
        if (error->code) {
            obx_link_lost(relay, &relay->store, error);
        } else {
            relay->stats.store_connects++;
            relay->store.retry_at = relay->now;
            move(relay, &relay->store, OBX_LINK_ACQUIRING);
        }
    }
    obx_relay_tick_soon(relay);
}

void obx_link_step_store(struct obx_relay *relay)
{
    struct obx_link *store = &relay->store;
    stop_again(relay, store);
    if (relay->stopping || obx_call_busy(&store->call))
        return;
    if (store->state == OBX_LINK_DOWN && obx_relay_due(relay, store->retry_at)) {
        move(relay, store, OBX_LINK_STARTING);
        relay->store_start = (struct outbox_store_start){.struct_size = sizeof relay->store_start,
                                                         .column_count = relay->route.columns.count,
                                                         .columns = relay->route.columns.list};
        store->call.done = store_started;
        OBX_FAILPOINT(relay, before_store_start);
        obx_store_start(store->instance, &store->call, (uint32_t)relay->settings.store_timeout_ms, &relay->store_start);
    } else if (store->state == OBX_LINK_ACQUIRING && obx_relay_due(relay, store->retry_at)) {
        acquire(relay);
    }
}

/* ---- the broker -------------------------------------------------------------------------------------------------- */

static void broker_started(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, broker.call);
    OBX_FAILPOINT(relay, after_broker_start);
    relay->now = obx_loop_now(relay->loop);
    if (relay->broker.state == OBX_LINK_STARTING) {
        if (error->code) {
            obx_link_lost(relay, &relay->broker, error);
        } else {
            relay->stats.broker_connects++;
            move(relay, &relay->broker, OBX_LINK_UP);
            tell_recovery(relay, &relay->broker);
        }
    }
    obx_relay_tick_soon(relay);
}

/* A standby keeps no broker open: what only one process may write, like a file, is the owner's. So the broker also
 * waits for the answer to who owns the outbox; but not for a store that is down. */
void obx_link_step_broker(struct obx_relay *relay)
{
    struct obx_link *broker = &relay->broker;
    stop_again(relay, broker);
    if (relay->stopping || obx_call_busy(&broker->call) || relay->flying_count)
        return;
    if (relay->standby && broker->state == OBX_LINK_UP)
        obx_link_stop(relay, broker, STOP_MS);
    bool undecided = relay->store.state == OBX_LINK_STARTING || relay->store.state == OBX_LINK_ACQUIRING;
    if (relay->standby || undecided || broker->state != OBX_LINK_DOWN || !obx_relay_due(relay, broker->retry_at))
        return;
    move(relay, broker, OBX_LINK_STARTING);
    broker->call.done = broker_started;
    OBX_FAILPOINT(relay, before_broker_start);
    obx_broker_start(broker->instance, &broker->call, (uint32_t)relay->settings.store_timeout_ms);
}
