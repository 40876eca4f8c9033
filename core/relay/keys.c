/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/keys.c - a hash table of keys, a heap of those that wait, and in each key a sorted window of positions */
#include "relay/keys.h"

#include <outbox/plugin_util.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "relay/skips.h"

#define LAST_FAILURES_MAX 1000

void obx_keys_init(struct obx_keys *keys)
{
    *keys = (struct obx_keys){0};
    obx_list_init(&keys->retrying);
    obx_list_init(&keys->sending);
    obx_list_init(&keys->failed);
}

static void remove_key(struct obx_keys *keys, struct obx_key *key)
{
    obx_keys_set_exhausted(keys, key, false);
    obx_keys_set_failures(keys, key, 0);
    keys->events -= key->count;
    HASH_DEL(keys->table, key);
    obx_heap_clear(&keys->waiting, &key->due);
    if (key->retrying)
        obx_list_remove(&key->link);
    if (obx_key_failed(key))
        obx_list_remove(&key->failed); /* not covered: outcome.c resolves failed keys first */
    if (key->last_failure)
        keys->last_failures--;
    obx_free(key->last_failure);
    obx_free(key->events);
    obx_free(key);
}

void obx_keys_clear(struct obx_keys *keys)
{
    struct obx_key *key, *next;
    HASH_ITER(hh, keys->table, key, next)
    {
        remove_key(keys, key);
    }
}

uint64_t obx_key_hash(struct outbox_bytes topic, struct outbox_bytes key)
{
    uint64_t seed = XXH3_64bits(topic.data, topic.size);
    return XXH3_64bits_withSeed(key.data, key.size, seed);
}

struct obx_key *obx_keys_find(const struct obx_keys *keys, uint64_t hash)
{
    struct obx_key *key;
    HASH_FIND(hh, keys->table, &hash, sizeof hash, key);
    return key;
}

static struct obx_key *add_key(struct obx_keys *keys, uint64_t hash, uint64_t now)
{
    struct obx_key *key = obx_alloc(sizeof *key);
    if (!key)
        return NULL;
    key->hash = hash;
    key->since_ns = now;
    HASH_ADD(hh, keys->table, hash, sizeof key->hash, key);
    if (!key->hh.tbl) { /* HASH_NONFATAL_OOM */
        obx_free(key);
        return NULL;
    }
    obx_heap_set(&keys->waiting, &key->due, now);
    return key;
}

/* Index (from key->events) of the first event that is not before the position. */
static uint32_t lower_bound(const struct obx_key *key, struct outbox_position position)
{
    uint32_t low = key->first, high = key->first + key->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (obx_position_before(key->events[middle].position, position))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct obx_key *key, uint32_t index, struct outbox_position position)
{
    return index < key->first + key->count && !obx_position_before(position, key->events[index].position);
}

static bool make_room(struct obx_key *key)
{
    if (key->first + key->count < key->room)
        return true;
    if (key->first > key->count) {
        memmove(key->events, key->events + key->first, key->count * sizeof *key->events);
        key->first = 0;
        return true;
    }
    uint32_t room = key->room ? key->room * 2 : 1;
    struct obx_blocked_event *events = obx_resize(key->events, room * sizeof *events);
    if (!events)
        return false;
    key->events = events;
    key->room = room;
    return true;
}

struct obx_key *obx_keys_block(struct obx_keys *keys, uint64_t hash, struct outbox_position position, uint64_t now)
{
    struct obx_key *key = obx_keys_find(keys, hash);
    if (!key)
        key = add_key(keys, hash, now);
    if (!key || obx_key_event(key, position))
        return key;
    if (!make_room(key)) {
        if (!key->count && !key->retrying)
            remove_key(keys, key);
        return NULL;
    }
    uint32_t index = lower_bound(key, position);
    if (key->count && index == key->first) {
        obx_keys_set_exhausted(keys, key, false);
        obx_keys_set_failures(keys, key, 0);
    }
    memmove(&key->events[index + 1], &key->events[index], (key->first + key->count - index) * sizeof *key->events);
    key->events[index] = (struct obx_blocked_event){.position = position};
    key->count++;
    keys->events++;
    keys->exhausted_events += key->exhausted;
    return key;
}

struct obx_blocked_event *obx_key_event(struct obx_key *key, struct outbox_position position)
{
    uint32_t index = lower_bound(key, position);
    return is_at(key, index, position) ? &key->events[index] : NULL;
}

void obx_keys_remove_event(struct obx_keys *keys, struct obx_key *key, struct outbox_position position)
{
    uint32_t index = lower_bound(key, position);
    if (!is_at(key, index, position))
        return;
    if (index == key->first)
        key->first++;
    else
        memmove(&key->events[index], &key->events[index + 1],
                (key->first + key->count - index - 1) * sizeof *key->events);
    key->count--;
    keys->events--;
    keys->exhausted_events -= key->exhausted;
    if (!key->count && !key->retrying)
        remove_key(keys, key);
}

static uint64_t counts_as_failing(const struct obx_key *key)
{
    return key->failures && !key->exhausted;
}

void obx_keys_set_failures(struct obx_keys *keys, struct obx_key *key, uint32_t failures)
{
    keys->failing -= counts_as_failing(key);
    key->failures = failures;
    keys->failing += counts_as_failing(key);
}

void obx_keys_set_exhausted(struct obx_keys *keys, struct obx_key *key, bool exhausted)
{
    key->reject_logged &= exhausted;
    if (key->exhausted == exhausted)
        return;
    keys->failing -= counts_as_failing(key);
    key->exhausted = exhausted;
    keys->failing += counts_as_failing(key);
    if (exhausted)
        keys->exhausted_events += key->count;
    else
        keys->exhausted_events -= key->count;
}

void obx_keys_end_pause(struct obx_keys *keys, struct obx_key *key, uint64_t now)
{
    obx_keys_set_failures(keys, key, 0);
    if (!key->retrying && !key->behind_lane)
        obx_heap_set(&keys->waiting, &key->due, now);
}

void obx_keys_end_pauses(struct obx_keys *keys, uint64_t now)
{
    for (struct obx_key *key = keys->table; key; key = key->hh.next)
        obx_keys_end_pause(keys, key, now);
}

void obx_keys_start_retry(struct obx_keys *keys, struct obx_key *key)
{
    key->retrying = true;
    key->behind_lane = false;
    obx_heap_clear(&keys->waiting, &key->due);
    obx_list_append(&keys->retrying, &key->link);
}

void obx_keys_wait(struct obx_keys *keys, struct obx_key *key, uint64_t due_ns)
{
    if (key->retrying)
        obx_list_remove(&key->link);
    if (obx_key_failed(key))
        obx_list_remove(&key->failed);
    key->retrying = key->behind_lane = false;
    key->retry_seq = 0;
    key->claimed = 0;
    if (key->count)
        obx_heap_set(&keys->waiting, &key->due, due_ns);
    else
        remove_key(keys, key);
}

void obx_keys_start_sending(struct obx_keys *keys, struct obx_key *key, uint64_t batch_seq)
{
    obx_list_remove(&key->link);
    obx_list_append(&keys->sending, &key->link);
    key->retry_seq = batch_seq;
}

void obx_keys_wait_for_lane(struct obx_keys *keys, struct obx_key *key)
{
    bool any = key->count > 0;
    obx_keys_wait(keys, key, UINT64_MAX);
    if (any)
        key->behind_lane = true;
}

struct obx_key *obx_keys_next(const struct obx_keys *keys)
{
    return keys->waiting.first ? OBX_CONTAINER(keys->waiting.first, struct obx_key, due) : NULL;
}

void obx_keys_mark_failed(struct obx_keys *keys, struct obx_key *key, int code)
{
    if (!obx_key_failed(key))
        obx_list_append(&keys->failed, &key->failed);
    key->failed_code = code;
}

static void copy_text(char *to, size_t room, struct outbox_bytes from)
{
    snprintf(to, room, "%.*s", outbox_cut_bytes(from, room - 1), from.data ? (const char *)from.data : "");
}

void obx_keys_set_failure(struct obx_keys *keys, struct obx_key *key, const struct outbox_message *message,
                          struct outbox_position position, const char *reason)
{
    if (!key->last_failure && keys->last_failures < LAST_FAILURES_MAX &&
        (key->last_failure = obx_alloc(sizeof *key->last_failure)))
        keys->last_failures++;
    if (!key->last_failure)
        return;
    key->last_failure->position = position;
    key->last_failure->created_us = message->created_us;
    key->last_failure->id_hash = obx_skip_hash(message->id);
    copy_text(key->last_failure->topic, sizeof key->last_failure->topic, message->topic);
    copy_text(key->last_failure->key, sizeof key->last_failure->key, message->key);
    copy_text(key->last_failure->event_id, sizeof key->last_failure->event_id, message->id);
    copy_text(key->last_failure->reason, sizeof key->last_failure->reason,
              (struct outbox_bytes){reason, strlen(reason)});
}

const struct obx_last_failure *obx_key_last_failure(const struct obx_key *key)
{
    static const struct obx_last_failure none = {
        {0, 0}, INT64_MIN, 0, "?", "?", "?", "more than 1000 keys are blocked; no reason is kept for this one"};
    return key->last_failure ? key->last_failure : &none;
}
