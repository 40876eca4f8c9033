/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/status.c - from the stages to states, reports and statistics */
#include "relay/status.h"

#include <outbox/plugin_util.h>
#include <stdint.h>
#include <stdio.h>

#include "relay/backlog.h"
#include "relay/claim.h"
#include "relay/dead_letter.h"
#include "relay/keys.h"
#include "relay/link.h"
#include "relay/log_room.h"
#include "relay/low_mark.h"
#include "relay/ownership.h"
#include "relay/pipeline.h"
#include "relay/route.h"
#include "relay/settle.h"
#include "relay/spool.h"
#include "relay/stall_watchdog.h"

void obx_status_start(struct obx_status *status)
{
    status->has_relayed = false;
}

/* ---- the state --------------------------------------------------------------------------------------------------- */

static bool works(const struct obx_stages *stages)
{
    return obx_link_up(stages->store) && obx_link_up(stages->broker) &&
           !obx_stall_watchdog_stalled(stages->stall_watchdog) && !obx_claimer_fails(stages->claimer) &&
           !obx_settler_fails(stages->settler);
}

static enum outbox_state current_state(const struct obx_status *status, bool running)
{
    const struct obx_stages *stages = status->stages;
    if (!running)
        return OUTBOX_STATE_STOPPED;
    if (stages->context.stopping)
        return OUTBOX_STATE_DRAINING;
    if (stages->context.halted)
        return OUTBOX_STATE_HALTED;
    if (obx_ownership_standby(stages->ownership))
        return OUTBOX_STATE_STANDBY;
    if (stages->context.paused && works(stages))
        return OUTBOX_STATE_PAUSED;
    if (works(stages) && !obx_claimer_rewinding(stages->claimer))
        return OUTBOX_STATE_RELAYING;
    return status->has_relayed ? OUTBOX_STATE_RECOVERING : OUTBOX_STATE_CONNECTING;
}

static void describe_pause(const struct obx_relay_context *context, char *text, size_t size)
{
    snprintf(text, size, "paused by %s; 'outbox resume %s' lets it go on", context->paused_by, context->name);
}

static const char *reason(const struct obx_stages *stages)
{
    if (stages->context.halted)
        return stages->context.halt_reason.text;
    if (obx_ownership_standby(stages->ownership))
        return obx_ownership_owner(stages->ownership);
    return stages->context.stats.last_error;
}

void obx_status_report_state(struct obx_status *status, bool running)
{
    const struct obx_relay_events *events = &status->stages->events;
    enum outbox_state state = current_state(status, running);
    if (state == status->state)
        return;
    status->state = state;
    status->has_relayed |= state == OUTBOX_STATE_RELAYING;
    if (state == OUTBOX_STATE_RELAYING)
        status->unready_since = 0;
    else if (!status->unready_since)
        status->unready_since = status->stages->context.now;
    if (events->state)
        events->state(events->arg, state, reason(status->stages));
}

/* ---- drained ----------------------------------------------------------------------------------------------------- */

/* Nothing moves any more: all that is known is blocked, and the rest of the outbox is empty, or is not claimed because
 * too many events are blocked. */
static bool is_drained(const struct obx_stages *stages)
{
    const struct obx_claimer *claimer = stages->claimer;
    bool at_end = obx_claimer_saw_empty(claimer) || obx_claimer_too_many_blocked(claimer);
    return at_end && !obx_claimer_rewinding(claimer) && obx_pipeline_empty(stages->pipeline) &&
           (obx_dead_letters_idle(stages->dead_letters) || obx_dead_letters_failing(stages->dead_letters)) &&
           obx_link_up(stages->store) && obx_spool_idle(stages->spool) &&
           stages->keys->events == stages->keys->exhausted_events;
}

void obx_status_report_drained(struct obx_status *status)
{
    const struct obx_stages *stages = status->stages;
    uint64_t claimed = stages->context.stats.claimed;
    if ((status->drained_reported && status->drained_claimed == claimed) || !is_drained(stages))
        return;
    status->drained_reported = true;
    status->drained_claimed = claimed;
    if (stages->events.drained)
        stages->events.drained(stages->events.arg, stages->keys->events + obx_settler_refused(stages->settler) +
                                                       obx_dead_letters_failing(stages->dead_letters) +
                                                       obx_claimer_unusable(stages->claimer));
}

/* ---- statistics -------------------------------------------------------------------------------------------------- */

static uint64_t violations(const struct obx_link *link)
{
    struct obx_violations seen = obx_instance_violations(obx_link_instance(link));
    return seen.unknown_ops + seen.bad_outcomes + seen.early_stops;
}

static bool stands_by(const struct obx_status *status)
{
    return status->state == OUTBOX_STATE_STANDBY || status->state == OUTBOX_STATE_STOPPED;
}

void obx_status_stats(const struct obx_status *status, struct outbox_stats *stats)
{
    const struct obx_stages *stages = status->stages;
    *stats = stages->context.stats;
    stats->struct_size = sizeof *stats;
    stats->state = status->state;
    stats->blocked_events = stages->keys->events;
    stats->blocked_keys = obx_keys_count(stages->keys);
    stats->violations = violations(stages->store) + violations(stages->broker);
    stats->store_connects += obx_instance_reconnects(obx_link_instance(stages->store));
    stats->broker_connects += obx_instance_reconnects(obx_link_instance(stages->broker));
    struct obx_transactions transactions = obx_instance_transactions(obx_link_instance(stages->broker));
    stats->transactions_committed = transactions.committed;
    stats->transactions_aborted = transactions.aborted;
    if (stages->context.halted)
        snprintf(stats->last_error, sizeof stats->last_error, "%s", stages->context.halt_reason.text);
    else if (status->state == OUTBOX_STATE_PAUSED)
        describe_pause(&stages->context, stats->last_error, sizeof stats->last_error);
    stats->unready_since_ns = status->unready_since;
    bool elsewhere = stands_by(status);
    stats->behind_since_ns = elsewhere ? 0 : obx_claimer_backlog(stages->claimer)->behind_since;
    stats->kept_log_bytes = elsewhere ? 0 : obx_log_room_bytes(stages->log_room);
    stats->kept_log_percent = elsewhere ? 0 : obx_log_room_percent(stages->log_room);
    stats->held_since_ns = obx_low_mark_held_since(stages->low_mark);
}

/* Rows are in the order of their positions, about the order of their times. */
static int64_t oldest_of_batch(const struct obx_stages *stages, const struct obx_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows->rows; row++)
        if (batch->row_states[row] == OBX_ROW_WAITING || batch->row_states[row] == OBX_ROW_IN_FLIGHT)
            return obx_route_created_us(stages->route, batch->rows, row);
    return INT64_MAX; /* not covered: all outcomes are known, and the publish has not completed */
}

/* retried: with events of blocked keys that are being tried again. */
static int64_t oldest_in_flight(const struct obx_stages *stages, bool retried)
{
    int64_t oldest = INT64_MAX;
    for (int stage = OBX_BATCH_READY; stage <= OBX_BATCH_IN_FLIGHT; stage++) {
        const struct obx_batch *batch = obx_pipeline_first(stages->pipeline, (enum obx_batch_stage)stage);
        for (; batch; batch = obx_pipeline_next(stages->pipeline, batch)) {
            int64_t created = batch->is_retry && !retried ? INT64_MAX : oldest_of_batch(stages, batch);
            oldest = created == INT64_MIN ? oldest : OBX_MIN(oldest, created);
        }
    }
    return oldest;
}

/* Without those that are retried: the blocked keys count them. */
static uint64_t events_in_flight(const struct obx_stages *stages)
{
    uint64_t events = stages->context.stats.in_flight;
    for (int stage = OBX_BATCH_READY; stage < OBX_BATCH_STAGES; stage++) {
        const struct obx_batch *batch = obx_pipeline_first(stages->pipeline, (enum obx_batch_stage)stage);
        for (; batch; batch = obx_pipeline_next(stages->pipeline, batch))
            events -= batch->is_retry ? batch->rows->rows : 0;
    }
    return events;
}

void obx_status_measure(const struct obx_status *status, struct obx_relay_measures *measures)
{
    const struct obx_stages *stages = status->stages;
    const struct obx_key *key = stages->keys->table;
    *measures =
        (struct obx_relay_measures){.timings = stages->context.timings,
                                    .recovery_resent = stages->context.stats.resent - stages->context.resent_before,
                                    .oldest_us = oldest_in_flight(stages, true),
                                    .oldest_in_flight_us = oldest_in_flight(stages, false),
                                    .backlog = events_in_flight(stages) + stages->keys->events +
                                               (stands_by(status) ? 0 : obx_claimer_backlog(stages->claimer)->rows),
                                    .blocked_since_ns = key ? key->since_ns : 0,
                                    .owned_since_us = obx_ownership_since_us(stages->ownership)};
    for (; key; key = key->hh.next) {
        int64_t created = obx_key_last_failure(key)->created_us;
        measures->oldest_us = created == INT64_MIN ? measures->oldest_us : OBX_MIN(measures->oldest_us, created);
    }
}

void obx_status_each_blocked(const struct obx_status *status,
                             void (*each)(void *arg, const struct obx_blocked_key *key), void *arg)
{
    for (const struct obx_key *key = status->stages->keys->table; key; key = key->hh.next) {
        if (!key->count)
            continue; /* not covered: keys without events are removed */
        const struct obx_blocked_event *first = obx_key_first(key);
        const struct obx_last_failure *failure = obx_key_last_failure(key);
        bool is_reason = !key->last_failure || obx_position_same(failure->position, first->position);
        struct obx_blocked_key blocked = {.topic = failure->topic,
                                          .key = failure->key,
                                          .position = first->position,
                                          .event_id = is_reason ? failure->event_id : "",
                                          .attempts = first->attempts,
                                          .events = key->count,
                                          .since_ns = key->since_ns,
                                          .reason = is_reason ? failure->reason : "it is tried next"};
        each(arg, &blocked);
    }
}

void obx_status_each_left(const struct obx_status *status, void (*each)(void *arg, const char *why), void *arg)
{
    const struct obx_stages *stages = status->stages;
    uint32_t failing = obx_dead_letters_failing(stages->dead_letters);
    char text[OUTBOX_ERROR_TEXT_SIZE];
    if (obx_settler_refused(stages->settler)) {
        obx_settler_describe_refused(stages->settler, text, sizeof text);
        each(arg, text);
    }
    if (failing) {
        const char *why = obx_dead_letters_why(stages->dead_letters);
        snprintf(text, sizeof text, "%u rejected events cannot become dead letters: %.*s", failing,
                 OUTBOX_CUT(why, 300));
        each(arg, text);
    }
    if (obx_claimer_unusable(stages->claimer))
        each(arg, "there are rows with ids that no relay can use, such as 0; outbox check names one");
}
