/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/dead_letter.c - events that can never go: on_reject
 *
 *   block-key  the event stays first of its key; it is tried again with long pauses, for ever
 *   park       it is moved to the dead letters, its key goes on
 *   park-key   it and every later event of its key are moved there, until the operator replays or drops them; which
 *              keys that are is read from the store when ownership begins, and again now and then
 *   stop       nothing more is published until somebody looks
 *
 * What is to be parked is kept by position, so its batch can go. A park that fails because the connection is lost is
 * forgotten: the rows are still in the outbox, will be read and rejected again.
 */
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "relay/pipeline.h"

#define DEAD_KEYS_NS (5000 * OBX_MS)

static void key_gone(struct obx_relay *relay, uint64_t hash, struct outbox_position position)
{
    struct obx_key *key = obx_keys_find(&relay->keys, hash);
    if (key)
        obx_keys_gone(&relay->keys, key, position);
}

bool obx_dead_letter_follows(const struct obx_relay *relay, uint64_t hash)
{
    struct obx_key_set *entry = NULL;
    if (relay->parked_keys)
        HASH_FIND(hh, relay->parked_keys, &hash, sizeof hash, entry);
    return entry != NULL;
}

static bool parked_key_add(struct obx_relay *relay, uint64_t hash)
{
    if (obx_dead_letter_follows(relay, hash))
        return true;
    struct obx_key_set *entry = obx_alloc(sizeof *entry);
    if (!entry)
        return false; /* not covered: no memory just here */
    entry->hash = hash;
    HASH_ADD(hh, relay->parked_keys, hash, sizeof entry->hash, entry);
    if (entry->hh.tbl)
        return true;
    obx_free(entry); /* not covered: no memory just here */
    return false;    /* not covered: no memory just here */
}

static void parked_keys_clear(struct obx_relay *relay)
{
    struct obx_key_set *entry, *next;
    HASH_ITER(hh, relay->parked_keys, entry, next)
    {
        HASH_DEL(relay->parked_keys, entry);
        obx_free(entry);
    }
}

bool obx_dead_letter_add(struct obx_relay *relay, const struct outbox_message *message, struct outbox_position position,
                         uint32_t attempts, const char *reason)
{
    struct obx_parked *parked = obx_alloc(sizeof *parked + message->topic.size + message->key.size);
    if (!parked)
        return false;
    parked->position = position;
    parked->attempts = attempts;
    parked->topic_size = (uint32_t)message->topic.size;
    parked->key_size = (uint32_t)message->key.size;
    parked->key_is_null = !message->key.data;
    snprintf(parked->reason, sizeof parked->reason, "%.*s", (int)sizeof parked->reason - 1, reason);
    if (message->topic.size)
        memcpy(parked->bytes, message->topic.data, message->topic.size);
    if (message->key.size)
        memcpy(parked->bytes + message->topic.size, message->key.data, message->key.size);
    obx_list_append(&relay->to_park, &parked->link);
    relay->to_park_count++;
    return true;
}

/* ---- the policies ------------------------------------------------------------------------------------------------ */

static bool block(struct obx_relay *relay, const struct outbox_message *message, struct outbox_position position,
                  uint64_t hash, const struct outbox_error *error)
{
    struct obx_key *key = obx_keys_defer(&relay->keys, hash, position, relay->now);
    if (!key)
        return false; /* not covered: no memory just here */
    obx_key_event(key, position)->attempts++;
    obx_keys_tell(&relay->keys, key, message, error->text);
    const struct obx_story *story = obx_key_story(key);
    if (!key->stuck)
        OBX_RELAY_LOG(
            relay, OUTBOX_LOG_ERROR,
            "event %s can not be published and blocks its key '%s' of topic '%s': %s; mend it, or see on_reject",
            story->event_id, story->key, story->topic, error->text);
    obx_keys_set_stuck(&relay->keys, key, true);
    key->failures = OBX_MAX(key->failures, 8u);
    if (key->sending)
        obx_keys_fail(&relay->keys, key, error->code);
    else
        obx_keys_wait(&relay->keys, key, relay->now + (uint64_t)relay->settings.retry_max_ms * OBX_MS);
    return true;
}

static bool park(struct obx_relay *relay, const struct outbox_message *message, struct outbox_position position,
                 uint64_t hash, const struct outbox_error *error)
{
    struct obx_key *key = obx_keys_find(&relay->keys, hash);
    struct obx_deferred *event = key ? obx_key_event(key, position) : NULL;
    uint32_t attempts = (event ? event->attempts : 0) + 1;
    if (relay->settings.on_reject == OBX_PARK_KEY && !parked_key_add(relay, hash))
        return false; /* not covered: no memory just here */
    if (!obx_dead_letter_add(relay, message, position, attempts, error->text))
        return false;
    OBX_RELAY_LOG(relay, OUTBOX_LOG_WARN, "event %.*s goes to the dead letters: %s",
                  (int)OBX_MIN(message->id.size, (size_t)64), message->id.data ? (const char *)message->id.data : "",
                  error->text);
    if (event && event == &key->events[key->first] && obx_key_failed(key))
        obx_list_remove(&key->failed); /* of another one's failure the key has to pause all the same */
    key_gone(relay, hash, position);
    return true;
}

bool obx_reject(struct obx_relay *relay, const struct outbox_message *message, struct outbox_position position,
                const struct outbox_error *error)
{
    uint64_t hash = obx_event_hash(relay, message, position);
    switch (relay->settings.on_reject) {
    case OBX_PARK:
    case OBX_PARK_KEY:
        return park(relay, message, position, hash, error);
    case OBX_STOP:
        if (!relay->halted)
            OBX_RELAY_LOG(relay, OUTBOX_LOG_ERROR,
                          "event %.*s can not be published, the relay stops (on_reject: stop): %s",
                          (int)OBX_MIN(message->id.size, (size_t)64),
                          message->id.data ? (const char *)message->id.data : "", error->text);
        relay->halted = true;
        return block(relay, message, position, hash, error);
    default:
        return block(relay, message, position, hash, error);
    }
}

/* ---- moving them ------------------------------------------------------------------------------------------------- */

static void drop_first(struct obx_relay *relay)
{
    struct obx_list *link = obx_list_pop(&relay->to_park);
    if (!link)
        return; /* not covered: the count says that there is one */
    relay->to_park_count--;
    obx_free(OBX_CONTAINER(link, struct obx_parked, link));
}

void obx_dead_letter_clear(struct obx_relay *relay)
{
    while (relay->to_park_count)
        drop_first(relay);
    parked_keys_clear(relay);
    relay->dead_keys_known = false;
}

static void park_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, park_call);
    OBX_FAILPOINT(relay, after_dead_letter);
    relay->now = obx_loop_now(relay->loop);
    if (error->code == OUTBOX_E_AGAIN) {
        relay->park_at = relay->now + 100 * OBX_MS;
    } else if (error->code) {
        obx_link_lost(relay, &relay->store, error);
    } else {
        relay->stats.dead_lettered += relay->park.count;
        for (uint32_t i = 0; i < relay->park.count; i++)
            drop_first(relay);
    }
    obx_relay_tick_soon(relay);
}

static void fill_park(struct obx_relay *relay)
{
    uint32_t count = 0;
    OBX_LIST_EACH(&relay->to_park, parked, struct obx_parked, link)
    {
        relay->dead_rows[count++] = (struct outbox_dead_row){
            .position = parked->position,
            .attempts = parked->attempts,
            .topic = {parked->bytes, parked->topic_size},
            .key = {parked->key_is_null ? NULL : parked->bytes + parked->topic_size, parked->key_size},
            .reason = parked->reason};
        if (count == OBX_MAX_PARK)
            break;
    }
    relay->park =
        (struct outbox_dead_letter_rows){.struct_size = sizeof relay->park, .count = count, .rows = relay->dead_rows};
}

static void dead_key(void *arg, const struct outbox_dead_letter *letter)
{
    struct obx_relay *relay = arg;
    struct outbox_message message = {.topic = letter->topic, .key = letter->key};
    struct outbox_position none = {letter->number, UINT64_MAX};
    if (!parked_key_add(relay, obx_event_hash(relay, &message, none)))
        relay->dead_keys_known = false; /* not covered: no memory just here */
}

static void dead_keys_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_relay *relay = OBX_CONTAINER(call, struct obx_relay, dead_call);
    relay->now = obx_loop_now(relay->loop);
    if (error->code)
        obx_link_lost(relay, &relay->store, error);
    obx_relay_tick_soon(relay);
}

/* park-key: the set is read anew while nothing waits to be parked, so that replayed keys flow again. */
static void read_dead_keys(struct obx_relay *relay)
{
    if (obx_call_busy(&relay->dead_call) || !obx_relay_due(relay, relay->dead_keys_at))
        return;
    parked_keys_clear(relay);
    relay->dead_keys_known = true;
    relay->dead_keys_at = relay->now + DEAD_KEYS_NS;
    relay->dead_call.done = dead_keys_done;
    relay->dead = (struct outbox_dead){
        .struct_size = sizeof relay->dead, .action = OUTBOX_DEAD_KEYS, .row = dead_key, .arg = relay};
    obx_store_dead(relay->store.instance, &relay->dead_call, (uint32_t)relay->settings.store_timeout_ms, &relay->dead);
}

bool obx_dead_letter_ready(const struct obx_relay *relay)
{
    return relay->settings.on_reject != OBX_PARK_KEY || (relay->dead_keys_known && !obx_call_busy(&relay->dead_call));
}

void obx_dead_letter_step(struct obx_relay *relay)
{
    if (!obx_link_up(&relay->store) || obx_call_busy(&relay->park_call))
        return;
    if (relay->to_park_count && !obx_call_busy(&relay->dead_call)) {
        if (!obx_relay_due(relay, relay->park_at))
            return;
        fill_park(relay);
        relay->park_call.done = park_done;
        OBX_FAILPOINT(relay, before_dead_letter);
        obx_store_dead_letter(relay->store.instance, &relay->park_call, (uint32_t)relay->settings.store_timeout_ms,
                              &relay->park);
    } else if (relay->settings.on_reject == OBX_PARK_KEY && (relay->parked_keys || !relay->dead_keys_known) &&
               !relay->stopping) {
        read_dead_keys(relay);
    }
}
