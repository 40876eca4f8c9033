/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/outcome.c - from outcomes to row states, blocked keys and pauses */
#include "relay/outcome.h"

#include <string.h>

#include <outbox/plugin_util.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/key_pauses.h"
#include "relay/link.h"
#include "relay/order.h"
#include "relay/pipeline.h"
#include "relay/progress.h"
#include "relay/reject.h"
#include "relay/stall_watchdog.h"

/* ---- noting ------------------------------------------------------------------------------------------------------ */

static enum obx_row_state state_of(uint32_t outcome)
{
    switch (outcome) {
    case OUTBOX_DELIVERED:
        return OBX_ROW_DELIVERED;
    case OUTBOX_RETRY:
    case OUTBOX_RETRY_UNKNOWN:
        return OBX_ROW_RETRY;
    case OUTBOX_REJECTED:
        return OBX_ROW_REJECTED;
    default:
        return OBX_ROW_NOT_SENT;
    }
}

static const struct obx_reason no_reason = {
    .error = {.code = OUTBOX_E_UNKNOWN_OUTCOME, .text = "the broker gave no reason"}};

static bool has_reason_table(struct obx_batch *batch)
{
    size_t size = batch->rows->rows * sizeof(struct obx_reason *);
    if (batch->reasons)
        return true;
    batch->reasons = obx_arena_alloc(&batch->arena, size);
    if (batch->reasons)
        memset(batch->reasons, 0, size);
    return batch->reasons != NULL;
}

/* Copied to the arena; core/plugin makes sure that there is one. */
const struct obx_reason *obx_outcome_keep_reason(struct obx_batch *batch, const struct outbox_outcomes *outcomes)
{
    if (outcomes->outcome == OUTBOX_DELIVERED)
        return NULL;
    struct obx_reason *copy = has_reason_table(batch) ? obx_arena_alloc(&batch->arena, sizeof *copy) : NULL;
    if (!copy)
        return &no_reason; /* not covered: no memory just here */
    *copy = (struct obx_reason){*outcomes->error, outcomes->retry_after_ms};
    return copy;
}

const struct obx_reason *obx_outcome_reason(const struct obx_batch *batch, uint32_t row)
{
    return batch->reasons && batch->reasons[row] ? batch->reasons[row] : &no_reason;
}

void obx_outcome_note_row(struct obx_batch *batch, uint32_t row, uint32_t outcome, const struct obx_reason *reason)
{
    obx_batch_set_row_state(batch, row, state_of(outcome));
    if (outcome == OUTBOX_UNKNOWN || outcome == OUTBOX_RETRY_UNKNOWN)
        obx_batch_set_uncertain(batch, row);
    if (batch->reasons)
        batch->reasons[row] = reason;
}

static void note_delivered(struct obx_batch *batch, const struct outbox_outcomes *outcomes)
{
    struct obx_relay_context *context = &batch->stages->context;
    const struct obx_relay_events *events = &batch->stages->events;
    int64_t wall_us = context->loop->ops->wall(context->loop);
    if (outcomes->flags & OUTBOX_OUTCOME_ALREADY)
        context->stats.recovered += outcomes->count;
    if (outcomes->count)
        obx_progress_published(batch->stages->progress, context, &batch->messages[outbox_outcomes_index(outcomes, 0)]);
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t index = outbox_outcomes_index(outcomes, i);
        obx_batch_set_row_state(batch, batch->row_of[index], OBX_ROW_DELIVERED);
        obx_timings_delivered(&context->timings, batch->messages[index].created_us, wall_us);
    }
    for (uint32_t i = 0; events->delivered && i < outcomes->count; i++)
        events->delivered(events->arg, &batch->messages[outbox_outcomes_index(outcomes, i)]);
}

/* Until this publish has completed, no later batch is published: the failed events are decided only then, and a batch
 * submitted earlier could overtake an event of its key. Brokers that keep order rely on this, too. */
static void note_failed(struct obx_batch *batch, const struct outbox_outcomes *outcomes)
{
    const struct obx_reason *reason = obx_outcome_keep_reason(batch, outcomes);
    obx_pipeline_hold_order(batch->stages->pipeline, batch);
    for (uint32_t i = 0; i < outcomes->count; i++)
        obx_outcome_note_row(batch, batch->row_of[outbox_outcomes_index(outcomes, i)], outcomes->outcome, reason);
}

void obx_outcome_note(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct obx_batch *batch = OBX_CONTAINER(call, struct obx_batch, request.call);
    OBX_FAILPOINT(relay, outcomes_reported);
    obx_stall_watchdog_restart(batch->stages->stall_watchdog);
    if (outcomes->outcome == OUTBOX_DELIVERED)
        note_delivered(batch, outcomes);
    else
        note_failed(batch, outcomes);
}

/* ---- one row ----------------------------------------------------------------------------------------------------- */

/* NULL: no memory. Only the first event of a key is the reason that the key is blocked: brokers fail the events that
 * follow it, too. But a key that is being retried needs a new pause whichever event came back. */
static struct obx_key *block(struct obx_stages *stages, const struct outbox_message *message,
                             struct outbox_position position, const struct obx_reason *reason)
{
    struct obx_relay_context *context = &stages->context;
    uint64_t hash = obx_order_key(context->settings.order, message, position);
    struct obx_key *key = obx_keys_block(stages->keys, hash, position, context->now);
    if (!key)
        return NULL;
    bool is_first = obx_key_is_first(key, position);
    if (is_first)
        obx_keys_set_failure(stages->keys, key, message, position, reason->error.text);
    if (is_first || (key->retrying && !obx_key_failed(key))) {
        obx_keys_mark_failed(stages->keys, key, reason->error.code);
        key->retry_after_ms = reason->retry_after_ms;
    }
    return key;
}

static bool on_retry(struct obx_stages *stages, const struct outbox_message *message, struct outbox_position position,
                     const struct obx_reason *reason)
{
    struct obx_key *key = block(stages, message, position, reason);
    if (!key)
        return false;
    if (!obx_key_is_first(key, position) || obx_is_not_event_fault(reason->error.code))
        return true;
    struct obx_blocked_event *event = obx_key_first(key);
    if (event->attempts + 1 >= (uint64_t)stages->context.settings.max_attempts)
        return obx_reject(stages, message, position, &reason->error); /* which counts this attempt */
    event->attempts++;
    return true;
}

bool obx_outcome_not_now(struct obx_stages *stages, const struct outbox_message *message,
                         struct outbox_position position, const struct obx_reason *reason)
{
    struct obx_reason cause = *reason;
    uint64_t hash = obx_order_key(stages->context.settings.order, message, position);
    if (cause.error.code == OUTBOX_E_NOT_CONNECTED || cause.error.code == OUTBOX_E_TIMEOUT)
        cause.error.code = OUTBOX_E_AGAIN; /* an outage costs no attempt */
    if (!on_retry(stages, message, position, &cause))
        return false;
    struct obx_key *key = obx_keys_find(stages->keys, hash);
    if (key && obx_key_failed(key) && !key->retrying)
        obx_key_pauses_pause(stages, key);
    return true;
}

static void on_retry_delivered(struct obx_stages *stages, const struct outbox_message *message,
                               struct outbox_position position)
{
    struct obx_key *key = obx_keys_find(stages->keys, obx_order_key(stages->context.settings.order, message, position));
    if (!key)
        return;
    obx_keys_set_exhausted(stages->keys, key, false);
    obx_keys_set_failures(stages->keys, key, 0);
    obx_keys_remove_event(stages->keys, key, position);
}

/* Without memory to note it, a row is sent again with its batch. */
void obx_outcome_decide(struct obx_stages *stages, struct obx_batch *batch, uint32_t i)
{
    uint32_t row = batch->row_of[i];
    const struct outbox_message *message = &batch->messages[i];
    struct outbox_position position = batch->rows->positions[row];
    bool noted;
    switch (batch->row_states[row]) {
    case OBX_ROW_DELIVERED:
        if (batch->is_retry)
            on_retry_delivered(stages, message, position);
        return;
    case OBX_ROW_RETRY:
        noted = on_retry(stages, message, position, obx_outcome_reason(batch, row));
        break;
    case OBX_ROW_REJECTED:
        noted = obx_reject(stages, message, position, &obx_outcome_reason(batch, row)->error);
        break;
    default:
        return;
    }
    if (noted)
        obx_batch_leave_row(batch, row);
    else
        obx_batch_set_row_state(batch, row, OBX_ROW_NOT_SENT);
}

/* ---- the batch --------------------------------------------------------------------------------------------------- */

/* The keys already have the rows of a retry. A row whose key failed before it must not be sent again with the batch,
 * where it would overtake, but with its key. */
static void leave_to_keys(struct obx_stages *stages, struct obx_batch *batch)
{
    for (uint32_t i = 0; i < batch->message_count; i++) {
        uint32_t row = batch->row_of[i];
        struct outbox_position position = batch->rows->positions[row];
        if (batch->row_states[row] != OBX_ROW_NOT_SENT)
            continue;
        uint64_t hash = obx_order_key(stages->context.settings.order, &batch->messages[i], position);
        struct obx_key *key = obx_keys_find(stages->keys, hash);
        if (key && obx_key_failed(key) && obx_key_event(key, position))
            obx_batch_leave_row(batch, row);
    }
}

static const struct outbox_error *outage_error(const struct obx_batch *batch, const struct outbox_error *error)
{
    if (error->code)
        return error;
    for (uint32_t row = 0; row < batch->rows->rows; row++) {
        if (batch->row_states[row] == OBX_ROW_NOT_SENT)
            return &obx_outcome_reason(batch, row)->error;
    }
    return error; /* not covered: some row is NOT_SENT */
}

/* Of this round: rows that an earlier round delivered have no message any more. */
static void count_delivered(struct obx_stages *stages, const struct obx_batch *batch)
{
    uint32_t delivered = 0;
    for (uint32_t i = 0; i < batch->message_count; i++)
        delivered += batch->row_states[batch->row_of[i]] == OBX_ROW_DELIVERED;
    stages->context.stats.delivered += delivered;
    if (delivered)
        obx_link_works(stages->broker, OBX_WORK_CONNECT | OBX_WORK_PUBLISH);
}

static bool all_delivered(const struct obx_batch *batch)
{
    return !batch->state_count[OBX_ROW_RETRY] && !batch->state_count[OBX_ROW_REJECTED] &&
           !batch->state_count[OBX_ROW_NOT_SENT];
}

static void apply_after_table(struct obx_batch *batch, enum obx_row_state state, unsigned facts)
{
    obx_batch_change(batch, state, obx_order_after(state, facts));
}

/* An event that fails ends its transaction, and with it the producer: that is no outage, for the broker has answered.
 */
static void end_outage(struct obx_stages *stages, bool answered)
{
    if (answered && obx_relay_context_exactly_once(&stages->context))
        obx_link_works(stages->broker, OBX_WORK_CONNECT | OBX_WORK_PUBLISH);
}

static void decide_rows(struct obx_stages *stages, struct obx_batch *batch, const struct outbox_error *error)
{
    bool answered = batch->state_count[OBX_ROW_RETRY] || batch->state_count[OBX_ROW_REJECTED];
    unsigned facts = obx_pipeline_after_facts(stages->pipeline, batch);
    apply_after_table(batch, OBX_ROW_RETRY, facts);
    apply_after_table(batch, OBX_ROW_REJECTED, facts);
    for (uint32_t i = 0; i < batch->message_count; i++)
        obx_outcome_decide(stages, batch, i);
    if (batch->state_count[OBX_ROW_NOT_SENT])
        obx_link_lost(stages->broker, OBX_WORK_PUBLISH, outage_error(batch, error));
    end_outage(stages, answered);
    if (batch->is_retry)
        leave_to_keys(stages, batch);
    obx_key_pauses_set(stages, batch);
}

void obx_outcome_finish(struct obx_stages *stages, struct obx_batch *batch)
{
    unsigned facts = obx_pipeline_after_facts(stages->pipeline, batch);
    apply_after_table(batch, OBX_ROW_WAITING, facts);
    apply_after_table(batch, OBX_ROW_DELIVERED, facts);
    apply_after_table(batch, OBX_ROW_NOT_SENT, facts);
    if (!batch->state_count[OBX_ROW_WAITING]) {
        obx_pipeline_move(stages->pipeline, batch, OBX_BATCH_DONE);
        return;
    }
    obx_pipeline_move(stages->pipeline, batch, OBX_BATCH_READY);
}

void obx_outcome_done(void *stage, const struct outbox_error *error)
{
    struct obx_batch *batch = stage;
    struct obx_stages *stages = batch->stages;
    OBX_FAILPOINT(relay, after_publish);
    obx_batch_change(batch, OBX_ROW_IN_FLIGHT, obx_order_after(OBX_ROW_IN_FLIGHT, 0));
    count_delivered(stages, batch);
    if (batch->is_retry || !all_delivered(batch))
        decide_rows(stages, batch, error);
    obx_outcome_finish(stages, batch);
}
