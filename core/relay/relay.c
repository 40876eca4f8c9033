/*
 * core/relay/relay.c - the tick, the life of a relay, and its statistics
 *
 * A tick runs every step once, in the order in which one step's result feeds the next, then sets the one timer to the
 * earliest moment that a step said it waits for. Every completion asks for a tick; nothing else drives the relay.
 *
 * Stopping: claiming ends, what is in flight finishes and is settled; then the broker is stopped, and what that
 * decided is settled too; then the store. At the deadline the same happens without waiting: rows not settled by then
 * stay in the outbox.
 */
#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/pipeline.h"

#define STOP_GRACE_MS 200 /* at least that for each plugin's stop */

void obx_relay_tick_soon(struct obx_relay *relay)
{
    relay->loop->ops->defer(relay->loop, &relay->tick);
}

bool obx_relay_due(struct obx_relay *relay, uint64_t at)
{
    if (relay->now >= at)
        return true;
    relay->next = OBX_MIN(relay->next, at);
    return false;
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

static enum outbox_state current_state(const struct obx_relay *relay)
{
    if (!relay->running)
        return OUTBOX_STATE_STOPPED;
    if (relay->stopping)
        return OUTBOX_STATE_DRAINING;
    if (relay->halted)
        return OUTBOX_STATE_HALTED;
    if (relay->standby)
        return OUTBOX_STATE_STANDBY;
    bool up = obx_link_up(&relay->store) && obx_link_up(&relay->broker);
    if (up && !relay->rewind && !relay->silent)
        return OUTBOX_STATE_RELAYING;
    return relay->related ? OUTBOX_STATE_RECOVERING : OUTBOX_STATE_CONNECTING;
}

static const char *why(const struct obx_relay *relay)
{
    if (relay->standby)
        return relay->acquire.owner;
    return relay->stats.last_error;
}

static void tell_state(struct obx_relay *relay)
{
    enum outbox_state state = current_state(relay);
    if (state == relay->state)
        return;
    relay->state = state;
    relay->related |= state == OUTBOX_STATE_RELAYING;
    if (state == OUTBOX_STATE_RELAYING)
        relay->unready_since = 0;
    else if (!relay->unready_since)
        relay->unready_since = relay->now;
    if (relay->events.state)
        relay->events.state(relay->events.arg, state, why(relay));
}

static bool idle(const struct obx_relay *relay)
{
    return obx_list_empty(&relay->ready) && obx_list_empty(&relay->flying) && obx_list_empty(&relay->done) &&
           obx_list_empty(&relay->settling) && !relay->to_park_count && !obx_call_busy(&relay->park_call);
}

static void tell_drained(struct obx_relay *relay)
{
    if (relay->drained_told || !relay->empty || relay->stopping || relay->rewind || !idle(relay) ||
        !obx_link_up(&relay->store) || relay->keys.events != relay->keys.stuck_events)
        return;
    relay->drained_told = true;
    if (relay->events.drained)
        relay->events.drained(relay->events.arg, relay->keys.events);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

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

static void release_all(struct obx_relay *relay)
{
    obx_settle_forget(relay);
    obx_park_clear(relay);
    obx_keys_clear(&relay->keys);
}

static void stop_step(struct obx_relay *relay)
{
    obx_publish_leave(relay);
    bool late = obx_relay_due(relay, relay->stop_at);
    if (!stop_broker(relay, late))
        return;
    /* what the broker's stop decided may still be settled, for as long again as a plugin's stop may take */
    late = late && obx_relay_due(relay, relay->stop_at + STOP_GRACE_MS * OBX_MS);
    if (!stop_store(relay, late) || obx_call_busy(&relay->store.call) || obx_call_busy(&relay->broker.call))
        return;
    release_all(relay);
    relay->running = relay->stopping = false;
    relay->loop->ops->timer_clear(relay->loop, &relay->timer);
    OBX_RELAY_SAY(relay, OUTBOX_LOG_DEBUG, "stopped");
}

/* ---- the tick ---------------------------------------------------------------------------------------------------- */

static void set_timer(struct obx_relay *relay)
{
    if (relay->next == UINT64_MAX || !relay->running) {
        relay->loop->ops->timer_clear(relay->loop, &relay->timer);
        return;
    }
    uint64_t now = obx_loop_now(relay->loop);
    relay->loop->ops->timer_set(relay->loop, &relay->timer, relay->next > now ? relay->next - now : 0);
}

static void ask_store(struct obx_relay *relay)
{
    obx_settle_step(relay);
    obx_claim_step(relay);
}

static void tick(struct obx_task *task)
{
    struct obx_relay *relay = OBX_CONTAINER(task, struct obx_relay, tick);
    if (!relay->running)
        return; /* not covered: a stop ends with its tick */
    relay->now = obx_loop_now(relay->loop);
    relay->next = UINT64_MAX;
    obx_link_step_store(relay);
    obx_link_step_broker(relay);
    ask_store(relay); /* first: it works while the relay hands over what it has; */
    obx_publish_step(relay);
    obx_park_step(relay);
    ask_store(relay); /* and again, for what came of that */
    obx_settle_renew_step(relay);
    obx_silence_step(relay);
    if (relay->stopping)
        stop_step(relay);
    else
        tell_drained(relay);
    set_timer(relay);
    tell_state(relay);
    if (!relay->running && relay->stopped)
        relay->stopped(relay->stopped_arg);
}

static void timer_fired(struct obx_timer *timer)
{
    obx_relay_tick_soon(OBX_CONTAINER(timer, struct obx_relay, timer));
}

/* ---- events of the instances ------------------------------------------------------------------------------------- */

static void on_wake(void *arg)
{
    obx_relay_wake(arg);
}

static void on_store_lost(void *arg, const struct outbox_error *error)
{
    struct obx_relay *relay = arg;
    relay->now = obx_loop_now(relay->loop);
    obx_link_lost(relay, &relay->store, error);
}

static void on_broker_lost(void *arg, const struct outbox_error *error)
{
    struct obx_relay *relay = arg;
    relay->now = obx_loop_now(relay->loop);
    obx_link_lost(relay, &relay->broker, error);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int make_instance(struct obx_relay *relay, const struct obx_relay_setup *setup, enum outbox_kind kind,
                         struct outbox_error *error)
{
    bool is_store = kind == OUTBOX_STORE;
    struct obx_link *link = is_store ? &relay->store : &relay->broker;
    struct obx_instance_setup instance = {
        .loop = setup->loop,
        .registry = setup->registry,
        .log = setup->log,
        .relay = setup->name,
        .events = {.wake = on_wake, .lost = is_store ? on_store_lost : on_broker_lost, .arg = relay}};
    link->name = is_store ? "store" : "broker";
    if (!obx_section_has(setup->section, link->name))
        return obx_section_error(setup->section, NULL, error, "relay '%s' has no %s; add '%s:' with 'plugin:'",
                                 setup->name, link->name, link->name);
    int code = obx_section_child(setup->section, link->name, &instance.section, error);
    return code ? code : obx_instance_new(&instance, kind, &link->instance, error);
}

static int check_capabilities(const struct obx_relay *relay, const struct obx_section *section,
                              struct outbox_error *error)
{
    bool parks = relay->settings.on_reject == OBX_PARK || relay->settings.on_reject == OBX_PARK_KEY;
    if (!parks || obx_instance_caps(relay->store.instance) & OUTBOX_CAP_DEAD_LETTERS)
        return OUTBOX_OK;
    return obx_section_error(section, "on_reject", error,
                             "the store '%s' has no dead letters; use on_reject: block-key or stop",
                             obx_instance_name(relay->store.instance));
}

static int prepare(struct obx_relay *relay, const struct obx_relay_setup *setup, struct outbox_error *error)
{
    const struct obx_section *route;
    relay->name = obx_strdup(setup->name);
    if (!relay->name)
        return obx_error_no_memory(error);
    int code = obx_relay_settings_parse(setup->section, &relay->settings, error);
    if (!code)
        code = obx_section_child(setup->section, "route", &route, error);
    if (!code)
        code = obx_route_compile(&relay->settings.route, route, &relay->route, error);
    if (!code)
        code = make_instance(relay, setup, OUTBOX_STORE, error);
    if (!code)
        code = make_instance(relay, setup, OUTBOX_BROKER, error);
    if (!code)
        code = check_capabilities(relay, setup->section, error);
    return code;
}

int obx_relay_new(const struct obx_relay_setup *setup, struct obx_relay **out, struct outbox_error *error)
{
    *out = NULL;
    struct obx_relay *relay = obx_alloc(sizeof *relay);
    if (!relay)
        return obx_error_no_memory(error);
    relay->loop = setup->loop;
    relay->log = setup->log;
    relay->events = setup->events;
    relay->tick.run = tick;
    relay->timer.fire = timer_fired;
    relay->row_bytes = 1024;
    obx_list_init(&relay->ready);
    obx_list_init(&relay->flying);
    obx_list_init(&relay->done);
    obx_list_init(&relay->settling);
    obx_list_init(&relay->to_park);
    obx_batch_pool_init(&relay->pool);
    obx_keys_init(&relay->keys);
    int code = prepare(relay, setup, error);
    if (code)
        obx_relay_free(relay);
    else
        *out = relay;
    return code;
}

void obx_relay_free(struct obx_relay *relay)
{
    if (!relay)
        return;
    relay->loop->ops->cancel(relay->loop, &relay->tick);
    relay->loop->ops->timer_clear(relay->loop, &relay->timer);
    release_all(relay);
    obx_batch_pool_free(&relay->pool);
    obx_instance_free(relay->broker.instance);
    obx_instance_free(relay->store.instance);
    obx_route_free(&relay->route);
    obx_free(relay->spans);
    obx_free(relay->exact);
    obx_free(relay->name);
    obx_free(relay);
}

void obx_relay_start(struct obx_relay *relay)
{
    relay->running = true;
    relay->stopping = relay->halted = relay->standby = relay->related = false;
    relay->stopped = NULL;
    relay->now = obx_loop_now(relay->loop);
    relay->store.failures = relay->broker.failures = 0;
    relay->store.retry_at = relay->broker.retry_at = relay->now;
    relay->rewind = true;
    obx_relay_tick_soon(relay);
}

void obx_relay_stop(struct obx_relay *relay, uint32_t deadline_ms, void (*stopped)(void *arg), void *arg)
{
    relay->now = obx_loop_now(relay->loop);
    uint64_t stop_at = relay->now + deadline_ms * OBX_MS;
    relay->stop_at = relay->stopping ? OBX_MIN(relay->stop_at, stop_at) : stop_at;
    if (!relay->running) {
        if (stopped)
            stopped(arg);
        return;
    }
    relay->stopping = true;
    relay->stopped = stopped;
    relay->stopped_arg = arg;
    obx_relay_tick_soon(relay);
}

void obx_relay_wake(struct obx_relay *relay)
{
    if (!relay->running)
        return;
    obx_claim_wake(relay);
    obx_relay_tick_soon(relay);
}

/* ---- looking in -------------------------------------------------------------------------------------------------- */

void obx_relay_stats(const struct obx_relay *relay, struct outbox_stats *stats)
{
    struct obx_violations store = obx_instance_violations(relay->store.instance);
    struct obx_violations broker = obx_instance_violations(relay->broker.instance);
    *stats = relay->stats;
    stats->struct_size = sizeof *stats;
    stats->state = relay->state;
    stats->deferred = relay->keys.events;
    stats->blocked_keys = HASH_COUNT(relay->keys.table);
    stats->violations = store.unknown_ops + store.bad_outcomes + broker.unknown_ops + broker.bad_outcomes;
    stats->unready_since_ns = relay->unready_since;
}

enum outbox_state obx_relay_state(const struct obx_relay *relay)
{
    return relay->state;
}

const struct outbox_error *obx_relay_failure(const struct obx_relay *relay)
{
    return relay->store.error.code ? &relay->store.error : &relay->broker.error;
}

struct obx_instance *obx_relay_store(struct obx_relay *relay)
{
    return relay->store.instance;
}

struct obx_instance *obx_relay_broker(struct obx_relay *relay)
{
    return relay->broker.instance;
}

const struct obx_relay_settings *obx_relay_settings(const struct obx_relay *relay)
{
    return &relay->settings;
}

void obx_relay_each_blocked(const struct obx_relay *relay, void (*each)(void *arg, const struct obx_blocked_key *key),
                            void *arg)
{
    for (const struct obx_key *key = relay->keys.table; key; key = key->hh.next) {
        if (!key->count)
            continue; /* not covered: keys without events are forgotten */
        const struct obx_deferred *first = &key->events[key->first];
        const struct obx_story *story = obx_key_story(key);
        struct obx_blocked_key blocked = {.topic = story->topic,
                                          .key = story->key,
                                          .position = first->position,
                                          .event_id = story->event_id,
                                          .attempts = first->attempts,
                                          .events = key->count,
                                          .since_ns = key->since_ns,
                                          .reason = story->reason};
        each(arg, &blocked);
    }
}
