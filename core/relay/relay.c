/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/relay.c - the tick, and the life of a relay
 *
 * A tick runs every step once, in the order in which the result of one step feeds the next, then sets the one timer to
 * the earliest moment that a step waits for. Every completion requests a tick; nothing else drives the relay.
 */
#include "relay/relay.h"

#include <string.h>

#include "base/error.h"
#include "relay/broker_link.h"
#include "relay/claim.h"
#include "relay/control.h"
#include "relay/dead_letter.h"
#include "relay/lane_publish.h"
#include "relay/link.h"
#include "relay/ownership.h"
#include "relay/position_header.h"
#include "relay/publish.h"
#include "relay/relay_new.h"
#include "relay/retry_claim.h"
#include "relay/settle.h"
#include "relay/spool.h"
#include "relay/stall_watchdog.h"
#include "relay/stop.h"
#include "relay/transform_jobs.h"

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

/* ---- life -------------------------------------------------------------------------------------------------------- */

int obx_relay_new(const struct obx_relay_setup *setup, struct obx_relay **out, struct outbox_error *error)
{
    int code = obx_relay_make(setup, out, error);
    if (code)
        return code;
    (*out)->stages.context.tick.run = tick;
    (*out)->timer.fire = timer_fired;
    return OUTBOX_OK;
}

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
