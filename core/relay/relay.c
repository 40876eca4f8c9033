/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/relay.c - the tick, and the life of a relay
 *
 * A tick runs every step once, in the order in which the result of one step feeds the next, then sets the one timer to
 * the earliest moment that a step waits for. Every completion asks for a tick; nothing else drives the relay.
 */
#include "relay/relay.h"

#include <string.h>

#include "base/error.h"
#include "relay/broker_link.h"
#include "relay/claim.h"
#include "relay/control.h"
#include "relay/dead_letter.h"
#include "relay/exactly_once.h"
#include "relay/key_set.h"
#include "relay/keys.h"
#include "relay/lane_publish.h"
#include "relay/link.h"
#include "relay/log_room.h"
#include "relay/low_mark.h"
#include "relay/ownership.h"
#include "relay/pipeline.h"
#include "relay/position_header.h"
#include "relay/progress.h"
#include "relay/publish.h"
#include "relay/record.h"
#include "relay/retry_claim.h"
#include "relay/route.h"
#include "relay/settle.h"
#include "relay/spool.h"
#include "relay/stages.h"
#include "relay/stall_watchdog.h"
#include "relay/status.h"
#include "relay/stop.h"
#include "relay/transform_jobs.h"
#include "relay/transforms.h"

struct obx_relay {
    struct obx_stages stages;
    struct obx_progress progress;
    struct obx_keys keys;
    struct obx_key_set dead_letter_keys;
    struct obx_route route;
    struct obx_transforms transforms;
    struct obx_status status;
    struct obx_timer timer;
    bool running; /* between start and stop */
    uint64_t stop_deadline;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* ---- the tick ---------------------------------------------------------------------------------------------------- */

static void set_timer(struct obx_relay *relay)
{
    struct obx_loop *loop = relay->stages.context.loop;
    uint64_t next = relay->stages.context.next_due, now = obx_loop_now(loop);
    if (next == UINT64_MAX || !relay->running)
        loop->ops->timer_clear(loop, &relay->timer);
    else
        loop->ops->timer_set(loop, &relay->timer, next > now ? next - now : 0);
}

static void step_store(struct obx_stages *stages)
{
    obx_spool_step(stages->spool);
    obx_settler_step(stages->settler);
    obx_claimer_step(stages->claimer);
}

static void step_all(struct obx_stages *stages)
{
    obx_ownership_step(stages->ownership);
    obx_lane_publisher_resolve(stages->lane_publisher);
    obx_broker_link_step(stages);
    step_store(stages); /* first: the store works while the relay hands over ready rows; */
    obx_position_header_step(stages->position_header);
    obx_transform_step(stages);
    obx_publisher_step(stages->publisher);
    obx_lane_publisher_step(stages->lane_publisher);
    obx_dead_letters_step(stages->dead_letters);
    step_store(stages); /* and again, for the result of that */
    obx_ownership_renew_step(stages->ownership);
    obx_stall_watchdog_step(stages->stall_watchdog);
    obx_retry_claim_log_step(stages->retry_claim);
    obx_progress_step(stages->progress, &stages->context, stages->route);
}

static void step_end(struct obx_relay *relay)
{
    struct obx_relay_context *context = &relay->stages.context;
    if (!context->stopping) {
        obx_status_report_drained(&relay->status);
    } else if (obx_stop_step(&relay->stages, relay->stop_deadline)) {
        relay->running = context->stopping = false;
        obx_retry_claim_log_vanished(relay->stages.retry_claim);
        obx_progress_stopped(&relay->progress, context);
    }
}

static void tick(struct obx_task *task)
{
    struct obx_relay *relay = OBX_CONTAINER(task, struct obx_relay, stages.context.tick);
    if (!relay->running)
        return; /* not covered: a stop ends with its tick */
    obx_relay_context_update_now(&relay->stages.context);
    relay->stages.context.next_due = UINT64_MAX;
    step_all(&relay->stages);
    step_end(relay);
    set_timer(relay);
    obx_status_report_state(&relay->status, relay->running);
    if (!relay->running && relay->stopped)
        relay->stopped(relay->stopped_arg);
}

static void timer_fired(struct obx_timer *timer)
{
    obx_tick_soon(&OBX_CONTAINER(timer, struct obx_relay, timer)->stages.context);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void wake(void *arg)
{
    obx_relay_wake(arg);
}

static int check_capabilities(const struct obx_stages *stages, const struct obx_section *section,
                              struct outbox_error *error)
{
    const struct obx_instance *store = obx_link_instance(stages->store);
    int64_t policy = stages->context.settings.on_reject;
    bool dead_letters = policy == OBX_PARK || policy == OBX_PARK_KEY;
    if (!dead_letters || obx_instance_caps(store) & OUTBOX_CAP_DEAD_LETTERS)
        return OUTBOX_OK;
    return obx_section_error(section, "on_reject", error,
                             "the store '%s' has no dead letters; use on_reject: block-key or stop",
                             obx_instance_name(store));
}

/* One transaction is open at a time, and it becomes visible as a whole: that keeps global order, too. */
static enum obx_publish_mode publish_mode(uint64_t caps, int64_t order, bool exactly_once)
{
    bool global = order == OBX_ORDER_GLOBAL && !exactly_once;
    uint64_t pipelined = OUTBOX_CAP_ORDERED | (global ? OUTBOX_CAP_GLOBAL_ORDER : 0);
    if ((caps & pipelined) == pipelined)
        return OBX_PUBLISH_PIPELINED;
    return caps & OUTBOX_CAP_CONCURRENT ? OBX_PUBLISH_CONCURRENT : OBX_PUBLISH_ONE;
}

static void choose_publish_mode(struct obx_stages *stages)
{
    struct obx_relay_context *context = &stages->context;
    const struct obx_instance *broker = obx_link_instance(stages->broker);
    uint64_t caps = obx_instance_caps(broker);
    stages->publish_mode = publish_mode(caps, context->settings.order, obx_relay_context_exactly_once(context));
    if (context->settings.order == OBX_ORDER_GLOBAL && stages->publish_mode != OBX_PUBLISH_PIPELINED)
        OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                      "order: global: the broker '%s' keeps order only within a key, so one event at a time is in "
                      "flight; order: key is faster",
                      obx_instance_name(broker));
}

static bool make_stages(struct obx_stages *stages)
{
    stages->store = obx_link_new(&stages->context, OUTBOX_STORE);
    stages->broker = obx_link_new(&stages->context, OUTBOX_BROKER);
    stages->low_mark = obx_low_mark_new(stages);
    stages->log_room = obx_log_room_new(stages);
    stages->retry_claim = obx_retry_claim_new(stages);
    stages->pipeline = obx_pipeline_new(stages);
    stages->dead_letters = obx_dead_letters_new(stages);
    stages->stall_watchdog = obx_stall_watchdog_new(stages);
    stages->publisher = obx_publisher_new(stages);
    stages->lane_publisher = obx_lane_publisher_new(stages);
    stages->record = obx_record_new(stages);
    stages->position_header = obx_position_header_new(stages);
    stages->claimer = obx_claimer_new(stages);
    stages->settler = obx_settler_new(stages);
    stages->spool = obx_spool_new(stages);
    stages->ownership = obx_ownership_new(stages);
    return stages->store && stages->broker && stages->retry_claim && stages->pipeline && stages->dead_letters &&
           stages->stall_watchdog && stages->publisher && stages->lane_publisher && stages->record &&
           stages->position_header && stages->claimer && stages->settler && stages->spool && stages->low_mark &&
           stages->log_room && stages->ownership;
}

static void free_stages(struct obx_stages *stages)
{
    obx_ownership_free(stages->ownership);
    obx_spool_free(stages->spool);
    obx_settler_free(stages->settler);
    obx_claimer_free(stages->claimer);
    obx_position_header_free(stages->position_header);
    obx_record_free(stages->record);
    obx_lane_publisher_free(stages->lane_publisher);
    obx_publisher_free(stages->publisher);
    obx_stall_watchdog_free(stages->stall_watchdog);
    obx_dead_letters_free(stages->dead_letters);
    obx_pipeline_free(stages->pipeline);
    obx_retry_claim_free(stages->retry_claim);
    obx_log_room_free(stages->log_room);
    obx_low_mark_free(stages->low_mark);
    obx_link_free(stages->broker);
    obx_link_free(stages->store);
}

static int open_transforms(struct obx_relay *relay, const struct obx_relay_setup *setup, struct outbox_error *error)
{
    const struct obx_instance_setup transform = {
        .loop = setup->loop, .registry = setup->registry, .log = setup->log, .relay = relay->stages.context.name};
    return obx_transforms_open(&relay->transforms, &transform, setup->section, &relay->route.columns, error);
}

static int configure(struct obx_relay *relay, const struct obx_relay_setup *setup, struct outbox_error *error)
{
    struct obx_relay_settings *settings = &relay->stages.context.settings;
    const struct obx_section *route;
    int code = obx_relay_check_name(setup->section, setup->name, error);
    if (!code)
        code = obx_relay_settings_parse(setup->section, settings, error);
    if (!code)
        code = obx_section_child(setup->section, "route", &route, error);
    if (!code)
        code = obx_route_compile(&settings->route, route, &relay->route, error);
    if (!code)
        code = open_transforms(relay, setup, error);
    if (!code)
        code = obx_link_open(relay->stages.store, setup->registry, setup->section, wake, relay, error);
    if (!code)
        code = obx_link_open(relay->stages.broker, setup->registry, setup->section, NULL, NULL, error);
    if (!code)
        code = check_capabilities(&relay->stages, setup->section, error);
    if (!code)
        code = obx_exactly_once_check(&relay->stages, setup->section, error);
    if (!code)
        choose_publish_mode(&relay->stages);
    return code;
}

static void prepare(struct obx_relay *relay, const struct obx_relay_setup *setup)
{
    struct obx_stages *stages = &relay->stages;
    stages->context.loop = setup->loop;
    stages->context.log = setup->log;
    stages->context.tick.run = tick;
    stages->events = setup->events;
    stages->progress = &relay->progress;
    stages->keys = &relay->keys;
    stages->dead_letter_keys = &relay->dead_letter_keys;
    stages->route = &relay->route;
    stages->transforms = &relay->transforms;
    relay->status.stages = stages;
    relay->timer.fire = timer_fired;
    obx_keys_init(&relay->keys);
}

int obx_relay_new(const struct obx_relay_setup *setup, struct obx_relay **out, struct outbox_error *error)
{
    *out = NULL;
    struct obx_relay *relay = obx_alloc(sizeof *relay);
    if (!relay)
        return obx_error_no_memory(error);
    prepare(relay, setup);
    relay->stages.context.name = obx_strdup(setup->name);
    bool made = make_stages(&relay->stages) && relay->stages.context.name;
    int code = made ? configure(relay, setup, error) : obx_error_no_memory(error);
    if (code)
        obx_relay_free(relay);
    else
        *out = relay;
    return code;
}

/* A relay that could not be made may lack any stage; it has no rows then. */
void obx_relay_free(struct obx_relay *relay)
{
    if (!relay)
        return;
    struct obx_loop *loop = relay->stages.context.loop;
    loop->ops->cancel(loop, &relay->stages.context.tick);
    loop->ops->timer_clear(loop, &relay->timer);
    if (relay->stages.pipeline && relay->stages.dead_letters)
        obx_stop_release(&relay->stages);
    free_stages(&relay->stages);
    obx_transforms_free(&relay->transforms);
    obx_route_free(&relay->route);
    obx_free(relay->stages.context.name);
    obx_free(relay);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void obx_relay_start(struct obx_relay *relay)
{
    struct obx_stages *stages = &relay->stages;
    relay->running = true;
    relay->stopped = NULL;
    stages->context.stopping = stages->context.halted = false;
    stages->context.given_up = 0;
    obx_relay_context_update_now(&stages->context);
    obx_progress_start(stages->progress, &stages->context);
    obx_status_start(&relay->status);
    obx_ownership_start(stages->ownership);
    obx_link_reset(stages->store);
    obx_link_reset(stages->broker);
    obx_claimer_rewind(stages->claimer);
    obx_tick_soon(&stages->context);
}

void obx_relay_stop(struct obx_relay *relay, uint32_t deadline_ms, void (*stopped)(void *arg), void *arg)
{
    struct obx_relay_context *context = &relay->stages.context;
    uint64_t deadline = obx_loop_now(context->loop) + deadline_ms * OBX_MS;
    relay->stop_deadline = context->stopping ? OBX_MIN(relay->stop_deadline, deadline) : deadline;
    if (!relay->running) {
        if (stopped)
            stopped(arg);
        return;
    }
    context->stopping = true;
    relay->stopped = stopped;
    relay->stopped_arg = arg;
    obx_tick_soon(context);
}

void obx_relay_wake(struct obx_relay *relay)
{
    if (!relay->running)
        return;
    obx_claimer_wake(relay->stages.claimer);
    obx_tick_soon(&relay->stages.context);
}

void obx_relay_retry(struct obx_relay *relay)
{
    struct obx_relay_context *context = &relay->stages.context;
    if (!relay->running || context->stopping)
        return; /* not covered: the program asks only relays that run */
    obx_relay_context_update_now(context);
    obx_control_retry(&relay->stages);
    obx_tick_soon(context);
}

int obx_relay_control(struct obx_relay *relay, const struct obx_control_request *request, struct outbox_error *answer)
{
    struct obx_relay_context *context = &relay->stages.context;
    if (!relay->running || context->stopping)
        return obx_error_set(answer, OUTBOX_E_AGAIN, "the relay stops, or has stopped");
    obx_relay_context_update_now(context);
    int code = obx_control(&relay->stages, request, answer);
    obx_tick_soon(context);
    return code;
}

const char *obx_relay_paused_by(const struct obx_relay *relay)
{
    return relay->stages.context.paused ? relay->stages.context.paused_by : NULL;
}

void obx_relay_inherit_pause(struct obx_relay *relay, const struct obx_relay *replaced)
{
    struct obx_relay_context *context = &relay->stages.context;
    const struct obx_relay_context *from = &replaced->stages.context;
    if (!from->paused)
        return;
    context->paused = true;
    memcpy(context->paused_by, from->paused_by, sizeof context->paused_by);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "still paused by %s", context->paused_by);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

void obx_relay_stats(const struct obx_relay *relay, struct outbox_stats *stats)
{
    obx_status_stats(&relay->status, stats);
}

enum outbox_state obx_relay_state(const struct obx_relay *relay)
{
    return relay->status.state;
}

const struct outbox_error *obx_relay_failure(const struct obx_relay *relay)
{
    const struct outbox_error *error = obx_link_error(relay->stages.store);
    if (relay->stages.context.halted)
        return &relay->stages.context.halt_reason;
    return error->code ? error : obx_link_error(relay->stages.broker);
}

const char *obx_relay_owner(const struct obx_relay *relay) /* not covered: the program asks */
{
    const struct obx_ownership *ownership = relay->stages.ownership;
    return obx_ownership_standby(ownership) ? obx_ownership_owner(ownership) : "";
}

struct obx_instance *obx_relay_store(struct obx_relay *relay)
{
    return obx_link_instance(relay->stages.store);
}

struct obx_instance *obx_relay_broker(struct obx_relay *relay)
{
    return obx_link_instance(relay->stages.broker);
}

const struct obx_relay_settings *obx_relay_settings(const struct obx_relay *relay)
{
    return &relay->stages.context.settings;
}

void obx_relay_each_blocked(const struct obx_relay *relay, void (*each)(void *arg, const struct obx_blocked_key *key),
                            void *arg)
{
    obx_status_each_blocked(&relay->status, each, arg);
}

void obx_relay_measure(const struct obx_relay *relay, struct obx_relay_measures *measures)
{
    obx_status_measure(&relay->status, measures);
}

void obx_relay_each_left(const struct obx_relay *relay, void (*each)(void *arg, const char *why), void *arg)
{
    obx_status_each_left(&relay->status, each, arg);
}
