/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/relay.c - the tick, the life of a relay, and its statistics
 *
 * A tick runs every step once, in the order in which one step's result feeds the next, then sets the one timer to the
 * earliest moment that a step said it waits for. Every completion asks for a tick; nothing else drives the relay.
 */
#include "base/error.h"
#include "relay/pipeline.h"

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
    obx_dead_letter_step(relay);
    ask_store(relay); /* and again, for what came of that */
    obx_settle_renew_step(relay);
    obx_stall_step(relay);
    if (relay->stopping)
        obx_stop_step(relay);
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
    if (!code && (code = obx_instance_new(&instance, kind, &link->instance, error)))
        obx_section_locate(instance.section, error);
    return code;
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
    int code = obx_relay_check_name(setup->section, setup->name, error);
    if (!code)
        code = obx_relay_settings_parse(setup->section, &relay->settings, error);
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
    obx_stop_release(relay);
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
