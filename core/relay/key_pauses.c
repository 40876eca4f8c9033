/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/key_pauses.c - pausing the keys that failed, resuming the others */
#include "relay/key_pauses.h"

#include "relay/backoff.h"
#include "relay/failures.h"
#include "relay/keys.h"

#define RETRY_AFTER_MAX_MS 3600000u /* of a server's wish for a pause, which may be longer than retry_max */
#define PEOPLE_NS (10000 * OBX_MS)  /* a topic that the first event creates exists by then */
#define PEOPLE_FAILURES 3u

bool obx_is_not_event_fault(int code)
{
    return code == OUTBOX_E_AGAIN || code == OUTBOX_E_PERMISSION || code == OUTBOX_E_NOT_FOUND ||
           code == OUTBOX_E_NO_MEMORY;
}

#define CAUSE_REMIND_NS (600000 * OBX_MS) /* the same cause, of a key that has waited before */

/* A failure that is not the event's fault, as a missing topic, may block thousands of keys, in one turn: the first is a
 * warning, and then one now and then. */
static bool warns_of_cause(struct obx_keys *keys, const struct obx_key *key, uint64_t now)
{
    uint64_t pause = key->failures == 1 ? OBX_LOG_EVERY_NS : CAUSE_REMIND_NS;
    return obx_causes_log_due(&keys->causes, obx_key_last_failure(key)->reason, now, pause);
}

static enum outbox_log_level level_of(const struct obx_stages *stages, const struct obx_key *key)
{
    bool warns = obx_is_not_event_fault(key->failed_code) ? warns_of_cause(stages->keys, key, stages->context.now)
                                                          : key->failures == 1;
    return warns ? OUTBOX_LOG_WARN : OUTBOX_LOG_DEBUG;
}

/* A key that waits for something that only people change: nothing of it goes until they do. */
static bool waits_for_people(const struct obx_stages *stages, const struct obx_key *key)
{
    bool changes_nothing_else = key->failed_code == OUTBOX_E_NOT_FOUND || key->failed_code == OUTBOX_E_PERMISSION;
    return changes_nothing_else && key->failures >= PEOPLE_FAILURES && stages->context.now - key->since_ns >= PEOPLE_NS;
}

void obx_key_pauses_pause(struct obx_stages *stages, struct obx_key *key)
{
    struct obx_relay_context *context = &stages->context;
    const struct obx_relay_settings *settings = &context->settings;
    const struct obx_last_failure *failure = obx_key_last_failure(key);
    key->draining = false;
    obx_keys_set_failures(stages->keys, key, key->failures + 1);
    context->stats.retried++;
    if (waits_for_people(stages, key))
        obx_keys_set_exhausted(stages->keys, key, true);
    uint64_t pause =
        obx_backoff(context->loop, key->failures, (uint64_t)settings->retry_min_ms, (uint64_t)settings->retry_max_ms);
    pause = OBX_MAX(pause, OBX_MIN(key->retry_after_ms, RETRY_AFTER_MAX_MS) * OBX_MS);
    key->retry_after_ms = 0;
    OBX_RELAY_LOG(context, level_of(stages, key),
                  "event %s was not published, its key '%s' of topic '%s' waits %llu ms: %s", failure->event_id,
                  failure->key, failure->topic, (unsigned long long)(pause / OBX_MS), failure->reason);
    obx_keys_wait(stages->keys, key, context->now + pause);
}

void obx_key_pauses_set_failed(struct obx_stages *stages)
{
    for (struct obx_key *key; (key = OBX_LIST_FIRST(&stages->keys->failed, struct obx_key, failed));) {
        if (key->count)
            obx_key_pauses_pause(stages, key);
        else
            obx_keys_wait(stages->keys, key, stages->context.now); /* not covered: its failed event is still there */
    }
}

static void continue_retry(struct obx_stages *stages)
{
    for (struct obx_key *key; (key = OBX_LIST_FIRST(&stages->keys->retrying, struct obx_key, link));) {
        key->draining = true;
        obx_keys_wait(stages->keys, key, stages->context.now);
    }
}

void obx_key_pauses_set(struct obx_stages *stages, const struct obx_batch *batch)
{
    obx_key_pauses_set_failed(stages);
    if (batch->is_retry && !batch->state_count[OBX_ROW_NOT_SENT] && !batch->state_count[OBX_ROW_WAITING])
        continue_retry(stages);
}
