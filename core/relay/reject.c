/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/reject.c - the policies of on_reject */
#include "relay/reject.h"

#include <outbox/plugin_util.h>

#include "base/error.h"
#include "relay/dead_letter.h"
#include "relay/order.h"

#define BLOCKED_FAILURES 8u /* a rejection counts as at least so many failures in a row: the next pause is long */

static void log_blocked(struct obx_stages *stages, const struct obx_key *key, const struct outbox_error *error)
{
    const struct obx_last_failure *failure = obx_key_last_failure(key);
    if (key->reject_logged)
        return;
    OBX_RELAY_LOG(
        &stages->context, OUTBOX_LOG_ERROR,
        "event %s cannot be published and blocks its key '%s' of topic '%s': %s; correct it, or see on_reject",
        failure->event_id, failure->key, failure->topic, error->text);
}

static void block_by_first(struct obx_stages *stages, struct obx_key *key, const struct outbox_message *message,
                           struct outbox_position position, const struct outbox_error *error)
{
    const struct obx_relay_context *context = &stages->context;
    obx_keys_set_failure(stages->keys, key, message, position, error->text);
    if (!context->halted) /* which is logged */
        log_blocked(stages, key, error);
    obx_keys_set_exhausted(stages->keys, key, true);
    key->reject_logged = true;
    obx_keys_set_failures(stages->keys, key, OBX_MAX(key->failures, BLOCKED_FAILURES));
    if (!key->retrying)
        obx_keys_wait(stages->keys, key, context->now + (uint64_t)context->settings.retry_max_ms * OBX_MS);
}

/* An event behind the first one of its key is judged when its turn comes. */
static bool block(struct obx_stages *stages, const struct outbox_message *message, struct outbox_position position,
                  const struct outbox_error *error)
{
    const struct obx_relay_context *context = &stages->context;
    uint64_t hash = obx_order_key(context->settings.order, message, position);
    struct obx_key *key = obx_keys_block(stages->keys, hash, position, context->now);
    if (!key)
        return false; /* not covered: no memory just here */
    obx_key_event(key, position)->attempts++;
    if (obx_key_is_first(key, position))
        block_by_first(stages, key, message, position, error);
    if (key->retrying)
        obx_keys_mark_failed(stages->keys, key, error->code);
    return true;
}

static int id_size(const struct outbox_message *message)
{
    return outbox_cut_bytes(message->id, 64);
}

static const char *id_text(const struct outbox_message *message)
{
    return message->id.data ? (const char *)message->id.data : "";
}

/* The event leaves its key. A key that failed through another event still has to pause. */
static void unblock(struct obx_stages *stages, struct obx_key *key, struct outbox_position position)
{
    if (!key)
        return;
    struct obx_blocked_event *event = obx_key_event(key, position);
    if (event && event == obx_key_first(key) && obx_key_failed(key))
        obx_list_remove(&key->failed);
    obx_keys_remove_event(stages->keys, key, position);
}

static bool dead_letter(struct obx_stages *stages, const struct outbox_message *message,
                        struct outbox_position position, const struct outbox_error *error)
{
    uint64_t hash = obx_order_key(stages->context.settings.order, message, position);
    struct obx_key *key = obx_keys_find(stages->keys, hash);
    struct obx_blocked_event *event = key ? obx_key_event(key, position) : NULL;
    uint32_t attempts = (event ? event->attempts : 0) + 1;
    if (obx_dead_letters_stuck(stages->dead_letters)) /* the event waits where it costs less memory */
        return block(stages, message, position, error);
    if (stages->context.settings.on_reject == OBX_PARK_KEY && !obx_key_set_add(stages->dead_letter_keys, hash))
        return false; /* not covered: no memory just here */
    if (!obx_dead_letters_add(stages->dead_letters, message, position, attempts, error->text))
        return false;
    OBX_RELAY_LOG(&stages->context, OUTBOX_LOG_WARN, "event %.*s goes to the dead letters: %s", id_size(message),
                  id_text(message), error->text);
    unblock(stages, key, position);
    return true;
}

/* By an operator, whatever on_reject is. */
static bool skip_event(struct obx_stages *stages, const struct obx_skip *skip, const struct outbox_message *message,
                       const struct outbox_error *error)
{
    if (!dead_letter(stages, message, skip->position, error))
        return false; /* not covered: no memory just here */
    obx_skips_remove(&stages->context.skips, skip);
    return true;
}

/* Its key may have blocked it: the key must not retry it while it waits to be moved. */
bool obx_reject_follower(struct obx_stages *stages, uint64_t key, const struct outbox_message *message,
                         struct outbox_position position)
{
    if (obx_dead_letters_stuck(stages->dead_letters))
        /* not covered: more rejected rows than are kept, with followers */
        return obx_order_block(stages, key, position);
    if (!obx_dead_letters_add_follower(stages->dead_letters, message, position))
        return false; /* not covered: no memory just here */
    unblock(stages, obx_keys_find(stages->keys, key), position);
    return true;
}

/* The first event is the reason. */
static void halt(struct obx_stages *stages, const struct outbox_message *message, struct outbox_position position,
                 const struct outbox_error *error)
{
    struct obx_relay_context *context = &stages->context;
    if (context->halted)
        return;
    context->halted = true;
    obx_skip_set(&context->culprit, position, message->id, error->text);
    obx_error_set(&context->halt_reason, OUTBOX_E_REJECTED,
                  "event %.*s cannot be published, the relay has halted (on_reject: stop): %.*s; correct or delete the "
                  "event, then reload the configuration (SIGHUP)",
                  id_size(message), id_text(message), OUTBOX_CUT(error->text, 180));
    OBX_RELAY_LOG(context, OUTBOX_LOG_ERROR, "%s", context->halt_reason.text);
}

bool obx_reject(struct obx_stages *stages, const struct outbox_message *message, struct outbox_position position,
                const struct outbox_error *error)
{
    const struct obx_skip *skip = obx_skips_find(&stages->context.skips, message, position);
    if (skip)
        return skip_event(stages, skip, message, error);
    stages->context.stats.rejected++;
    switch (stages->context.settings.on_reject) {
    case OBX_PARK:
    case OBX_PARK_KEY:
        return dead_letter(stages, message, position, error);
    case OBX_STOP:
        halt(stages, message, position, error);
        return block(stages, message, position, error);
    default:
        return block(stages, message, position, error);
    }
}
