/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/outcome.c - what became of published events
 *
 *   DELIVERED               to be settled
 *   RETRY                   behind its key; the first of its key counts an attempt, unless the trouble is the route's
 *   REJECTED                on_reject decides
 *   NOT_CONNECTED, UNKNOWN  the whole batch is sent again, in order, when the broker is back; no attempt is counted
 *
 * Outcomes may come inside publish(), so obx_outcome_note() only takes note; all decisions are made at completion.
 */
#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "relay/backoff.h"
#include "relay/pipeline.h"

static enum obx_row_state fate_of(uint32_t outcome)
{
    switch (outcome) {
    case OUTBOX_DELIVERED:
        return OBX_DELIVERED;
    case OUTBOX_RETRY:
        return OBX_RETRY;
    case OUTBOX_REJECTED:
        return OBX_REJECTED;
    default:
        return OBX_UNSENT;
    }
}

static const struct outbox_error no_reason = {.code = OUTBOX_E_UNKNOWN_OUTCOME, .text = "the broker gave no reason"};

/* The reason of these messages, kept in the arena; core/plugin sees to it that there is one. */
static const struct outbox_error *keep_error(struct obx_batch *batch, const struct outbox_error *error)
{
    if (!batch->errors) {
        batch->errors = obx_arena_alloc(&batch->arena, batch->rows->rows * sizeof(struct outbox_error *));
        if (!batch->errors)
            return &no_reason; /* not covered: no memory just here */
        memset(batch->errors, 0, batch->rows->rows * sizeof(struct outbox_error *));
    }
    struct outbox_error *copy = obx_arena_alloc(&batch->arena, sizeof *copy);
    if (!copy)
        return &no_reason; /* not covered: no memory just here */
    *copy = *error;
    return copy;
}

static const struct outbox_error *error_of(const struct obx_batch *batch, uint32_t row)
{
    return batch->errors && batch->errors[row] ? batch->errors[row] : &no_reason;
}

/* From now on until its completion nothing is published: decisions are made there, and what is submitted before might
 * overtake an event of its key. This is also what brokers that keep order rely on. */
static void note_trouble(struct obx_batch *batch)
{
    batch->relay->troubled_count += !batch->troubled;
    batch->troubled = true;
}

static uint32_t message_at(const struct outbox_outcomes *outcomes, uint32_t i)
{
    return outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i;
}

static void tell_delivered(struct obx_relay *relay, const struct obx_batch *batch,
                           const struct outbox_outcomes *outcomes)
{
    for (uint32_t i = 0; i < outcomes->count; i++)
        relay->events.delivered(relay->events.arg, &batch->messages[message_at(outcomes, i)]);
}

void obx_outcome_note(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct obx_batch *batch = OBX_CONTAINER(call, struct obx_batch, call);
    enum obx_row_state fate = fate_of(outcomes->outcome);
    OBX_FAILPOINT(relay, outcomes_told);
    obx_stall_heard(batch->relay);
    if (fate != OBX_DELIVERED)
        note_trouble(batch);
    const struct outbox_error *error = fate == OBX_DELIVERED ? NULL : keep_error(batch, outcomes->error);
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t row = batch->row_of[message_at(outcomes, i)];
        obx_batch_set_row_state(batch, row, fate);
        if (error && batch->errors)
            batch->errors[row] = error;
    }
    if (fate == OBX_DELIVERED && batch->relay->events.delivered)
        tell_delivered(batch->relay, batch, outcomes);
}

/* ---- decisions, at completion ------------------------------------------------------------------------------------ */

/* A trouble of the route or of an earlier event: none of this event's own. */
static bool blameless(int code)
{
    return code == OUTBOX_E_AGAIN || code == OUTBOX_E_PERMISSION || code == OUTBOX_E_NOT_FOUND ||
           code == OUTBOX_E_NO_MEMORY;
}

static bool is_first(const struct obx_key *key, struct outbox_position position)
{
    return obx_position_same(key->events[key->first].position, position);
}

/* Gives the key; NULL: no memory. */
static struct obx_key *put_behind_key(struct obx_relay *relay, const struct outbox_message *message,
                                      struct outbox_position position, const struct outbox_error *error)
{
    struct obx_key *key = obx_keys_defer(&relay->keys, obx_event_hash(relay, message, position), position, relay->now);
    if (key && (is_first(key, position) || !obx_key_failed(key))) {
        obx_keys_tell(&relay->keys, key, message, error->text);
        obx_keys_fail(&relay->keys, key, error->code);
    }
    return key;
}

/* Each key's trouble is told once; of one that is not the event's own, as a topic that is missing, only the first
 * key's: there may be thousands behind it, and the broker says what it is. */
static enum outbox_log_level level_of(const struct obx_relay *relay, const struct obx_key *key)
{
    bool known = blameless(key->failed_code) && HASH_COUNT(relay->keys.table) > 1;
    return key->failures == 1 && !known ? OUTBOX_LOG_WARN : OUTBOX_LOG_DEBUG;
}

static void pause_key(struct obx_relay *relay, struct obx_key *key)
{
    const struct obx_story *story = obx_key_story(key);
    key->flowing = false;
    key->failures++;
    relay->stats.retried++;
    uint64_t pause = obx_backoff(relay->loop, key->failures, (uint64_t)relay->settings.retry_min_ms,
                                 (uint64_t)relay->settings.retry_max_ms);
    OBX_RELAY_LOG(relay, level_of(relay, key), "event %s was not taken, its key '%s' of topic '%s' waits %llu ms: %s",
                  story->event_id, story->key, story->topic, (unsigned long long)(pause / OBX_MS), story->reason);
    obx_keys_wait(&relay->keys, key, relay->now + pause);
}

static bool retry_row(struct obx_relay *relay, const struct outbox_message *message, struct outbox_position position,
                      const struct outbox_error *error)
{
    struct obx_key *key = put_behind_key(relay, message, position, error);
    if (!key)
        return false;
    if (!is_first(key, position) || blameless(error->code))
        return true;
    struct obx_deferred *event = &key->events[key->first];
    if (event->attempts + 1 >= (uint64_t)relay->settings.max_attempts)
        return obx_reject(relay, message, position, error); /* which counts this attempt */
    event->attempts++;
    return true;
}

static void delivered_row(struct obx_relay *relay, const struct outbox_message *message,
                          struct outbox_position position)
{
    struct obx_key *key = obx_keys_find(&relay->keys, obx_event_hash(relay, message, position));
    if (!key)
        return;
    obx_keys_set_stuck(&relay->keys, key, false);
    key->failures = 0;
    obx_keys_gone(&relay->keys, key, position);
}

/* Every row that is not simply delivered. Without memory to note it, a row is sent again with the batch. */
static void decide(struct obx_relay *relay, struct obx_batch *batch)
{
    for (uint32_t i = 0; i < batch->message_count; i++) {
        uint32_t row = batch->row_of[i];
        const struct outbox_message *message = &batch->messages[i];
        struct outbox_position position = batch->rows->positions[row];
        bool noted = true;
        switch (batch->fates[row]) {
        case OBX_DELIVERED:
            if (batch->exact)
                delivered_row(relay, message, position);
            continue;
        case OBX_RETRY:
            noted = retry_row(relay, message, position, error_of(batch, row));
            break;
        case OBX_REJECTED:
            relay->stats.rejected++;
            noted = obx_reject(relay, message, position, error_of(batch, row));
            break;
        default:
            continue;
        }
        obx_batch_set_row_state(batch, row, noted ? OBX_LEFT : OBX_UNSENT);
    }
}

/* Rows of an exact batch are behind their keys already: one whose key failed before it does not go with the batch
 * again, where it would overtake, but with its key. */
static void leave_behind_keys(struct obx_relay *relay, struct obx_batch *batch)
{
    for (uint32_t i = 0; i < batch->message_count; i++) {
        uint32_t row = batch->row_of[i];
        struct outbox_position position = batch->rows->positions[row];
        if (batch->fates[row] != OBX_UNSENT)
            continue;
        struct obx_key *key = obx_keys_find(&relay->keys, obx_event_hash(relay, &batch->messages[i], position));
        if (key && obx_key_failed(key) && obx_key_event(key, position))
            obx_batch_set_row_state(batch, row, OBX_LEFT);
    }
}

/* Keys that failed pause; the other keys of an exact batch go on at once. */
void obx_outcome_resolve(struct obx_relay *relay, const struct obx_batch *batch)
{
    for (struct obx_key *key; (key = OBX_LIST_FIRST(&relay->keys.failed, struct obx_key, failed));) {
        if (key->count)
            pause_key(relay, key);
        else
            obx_keys_wait(&relay->keys, key, relay->now); /* not covered: a key that failed has its event, as it is */
    }
    if (!batch->exact || batch->fate_count[OBX_UNSENT] || batch->fate_count[OBX_WAITING])
        return;
    for (struct obx_key *key; (key = OBX_LIST_FIRST(&relay->keys.sending, struct obx_key, link));) {
        key->flowing = true;
        obx_keys_wait(&relay->keys, key, relay->now);
    }
}

static const struct outbox_error *outage_error(const struct obx_batch *batch, const struct outbox_error *error)
{
    if (error->code)
        return error;
    for (uint32_t row = 0; row < batch->rows->rows; row++) {
        if (batch->fates[row] == OBX_UNSENT)
            return error_of(batch, row);
    }
    return error; /* not covered: some row is UNSENT */
}

static void finish(struct obx_relay *relay, struct obx_batch *batch)
{
    bool lost = relay->stopping || relay->halted || relay->reread || batch->epoch != relay->epoch;
    obx_batch_change(batch, OBX_UNSENT, OBX_WAITING);
    if (lost)
        obx_batch_change(batch, OBX_WAITING, OBX_LEFT);
    if (batch->epoch != relay->epoch)
        obx_batch_change(batch, OBX_DELIVERED, OBX_LEFT);
    if (batch->fate_count[OBX_WAITING]) {
        batch->resend = batch->outage;
        obx_publish_ready(relay, batch);
    } else {
        obx_list_append(&relay->done, &batch->link);
    }
}

static void land(struct obx_relay *relay, struct obx_batch *batch)
{
    obx_batch_change(batch, OBX_IN_FLIGHT, OBX_UNSENT);
    obx_list_remove(&batch->link);
    relay->flying_count--;
    relay->troubled_count -= batch->troubled;
    batch->troubled = false;
    if (relay->unfinished == batch)
        relay->unfinished = NULL;
}

/* Of this round: rows that an earlier one delivered are among no messages any more. */
static void count_delivered(struct obx_relay *relay, const struct obx_batch *batch)
{
    uint32_t delivered = 0;
    for (uint32_t i = 0; i < batch->message_count; i++)
        delivered += batch->fates[batch->row_of[i]] == OBX_DELIVERED;
    relay->stats.delivered += delivered;
    if (delivered)
        obx_link_works(&relay->broker);
}

static void decide_all(struct obx_relay *relay, struct obx_batch *batch, const struct outbox_error *error)
{
    if (batch->epoch != relay->epoch) { /* another row may have that position by now: decide nothing about it */
        obx_batch_change(batch, OBX_RETRY, OBX_LEFT);
        obx_batch_change(batch, OBX_REJECTED, OBX_LEFT);
    }
    decide(relay, batch);
    batch->outage = batch->fate_count[OBX_UNSENT] > 0;
    if (batch->outage)
        obx_link_lost(relay, &relay->broker, outage_error(batch, error));
    if (batch->exact)
        leave_behind_keys(relay, batch);
    obx_outcome_resolve(relay, batch);
}

void obx_outcome_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_batch *batch = OBX_CONTAINER(call, struct obx_batch, call);
    struct obx_relay *relay = batch->relay;
    OBX_FAILPOINT(relay, after_publish);
    relay->now = obx_loop_now(relay->loop);
    land(relay, batch);
    count_delivered(relay, batch);
    if (batch->exact || batch->fate_count[OBX_RETRY] || batch->fate_count[OBX_REJECTED] ||
        batch->fate_count[OBX_UNSENT])
        decide_all(relay, batch, error);
    finish(relay, batch);
    obx_relay_tick_soon(relay);
}
