/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/blocked_keys.c - keys of events that failed, in publishes that the host submitted before it knew
 *
 *     the host submits publishes 7, 8 and 9, each with an event of key A
 *     A's event of 7 fails       A is blocked in 7, 8 and 9: their events of A fail too, in order
 *     7 completes, host knows    A is not blocked in publish 10, which the host submits now, in the order that it wants
 *
 * The host knows two turns of the loop after op_done(). A publish may be queued for much longer than that, so each
 * failed publish keeps the number of the last publish that was submitted before the host knew (last_unaware). A
 * rejected event blocks its key too: with on_reject: block-key the host wants the key to wait.
 *
 * A key is blocked in publish N if an event of it failed in F, and some failed publish between the oldest one that
 * concerns N and F is there. This may block a key for too long, never too short.
 */
#include "blocked_keys.h"

#include <string.h>

#define TURNS_UNTIL_KNOWN \
    2 /* a posted task may run before the completion is delivered; the one that it posts does not */
#define ROOM_MIN 64u

static uint64_t hash_of(uint64_t topic_hash, struct outbox_bytes key)
{
    const unsigned char *bytes = key.data;
    uint64_t hash = topic_hash ^ 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    hash ^= hash >> 31;
    return hash ? hash : 1;
}

static bool concerns(const struct kafka_failed_publish *failed, uint64_t publish_number)
{
    return !failed->last_unaware || publish_number <= failed->last_unaware;
}

/* The oldest failed publish that concerns this one; UINT64_MAX: none. */
static uint64_t oldest_failed(const struct kafka_blocked_keys *blocked, uint64_t publish_number)
{
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < blocked->failed_count; i++)
        if (concerns(&blocked->failed[i], publish_number) && blocked->failed[i].number < oldest)
            oldest = blocked->failed[i].number;
    return oldest;
}

static struct kafka_blocked_key *slot_of(struct kafka_blocked_key *keys, uint32_t room, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (room - 1);
    while (keys[at].hash && keys[at].hash != hash)
        at = (at + 1) & (room - 1);
    return &keys[at];
}

static bool is_live(const struct kafka_blocked_key *key, uint64_t oldest)
{
    return key->hash && key->last_publish >= oldest;
}

/* Grows the table, and drops entries that block no publish any more. */
static int rebuild(struct kafka_blocked_keys *blocked)
{
    uint64_t oldest = oldest_failed(blocked, 0);
    uint32_t live = 0, room = ROOM_MIN;
    for (uint32_t i = 0; i < blocked->room; i++)
        live += is_live(&blocked->keys[i], oldest);
    while (room < (live + 1) * 4)
        room *= 2;
    struct kafka_blocked_key *keys = blocked->host->alloc(blocked->host, room * sizeof *keys);
    if (!keys)
        return OUTBOX_E_NO_MEMORY;
    for (uint32_t i = 0; i < blocked->room; i++)
        if (is_live(&blocked->keys[i], oldest))
            *slot_of(keys, room, blocked->keys[i].hash) = blocked->keys[i];
    blocked->host->release(blocked->host, blocked->keys);
    blocked->keys = keys;
    blocked->room = room;
    blocked->used = live;
    return OUTBOX_OK;
}

int kafka_block_publish(struct kafka_blocked_keys *blocked, uint64_t publish_number)
{
    if (blocked->failed_count == blocked->failed_room) {
        uint32_t room = blocked->failed_room ? blocked->failed_room * 2 : 8;
        struct kafka_failed_publish *failed =
            blocked->host->resize(blocked->host, blocked->failed, room * sizeof *failed);
        if (!failed)
            return OUTBOX_E_NO_MEMORY;
        blocked->failed = failed;
        blocked->failed_room = room;
    }
    blocked->failed[blocked->failed_count++] = (struct kafka_failed_publish){.number = publish_number};
    return OUTBOX_OK;
}

int kafka_block_key(struct kafka_blocked_keys *blocked, uint64_t topic_hash, struct outbox_bytes key,
                    uint64_t publish_number)
{
    if (!key.data)
        return OUTBOX_OK;
    if (blocked->used * 2 >= blocked->room && rebuild(blocked))
        return OUTBOX_E_NO_MEMORY;
    uint64_t hash = hash_of(topic_hash, key);
    struct kafka_blocked_key *slot = slot_of(blocked->keys, blocked->room, hash);
    blocked->used += !slot->hash;
    slot->hash = hash;
    if (slot->last_publish < publish_number)
        slot->last_publish = publish_number;
    return OUTBOX_OK;
}

bool kafka_key_is_blocked(const struct kafka_blocked_keys *blocked, uint64_t topic_hash, struct outbox_bytes key,
                          uint64_t publish_number)
{
    if (!blocked->failed_count || !blocked->room || !key.data)
        return false;
    const struct kafka_blocked_key *slot = slot_of(blocked->keys, blocked->room, hash_of(topic_hash, key));
    return is_live(slot, oldest_failed(blocked, publish_number));
}

void kafka_blocked_publish_completed(struct kafka_blocked_keys *blocked, uint64_t publish_number)
{
    for (uint32_t i = 0; i < blocked->failed_count; i++)
        if (blocked->failed[i].number == publish_number)
            blocked->failed[i].turns_left = TURNS_UNTIL_KNOWN;
}

void kafka_blocked_keys_trim(struct kafka_blocked_keys *blocked, uint64_t oldest)
{
    uint32_t kept = 0;
    if (!blocked->failed_count)
        return;
    for (uint32_t i = 0; i < blocked->failed_count; i++)
        if (concerns(&blocked->failed[i], oldest))
            blocked->failed[kept++] = blocked->failed[i];
    blocked->failed_count = kept;
    if (kept)
        return;
    if (blocked->room)
        memset(blocked->keys, 0, blocked->room * sizeof *blocked->keys);
    blocked->used = 0;
}

bool kafka_blocked_keys_turn(struct kafka_blocked_keys *blocked, uint64_t submitted, uint64_t oldest)
{
    bool again = false;
    for (uint32_t i = 0; i < blocked->failed_count; i++) {
        struct kafka_failed_publish *failed = &blocked->failed[i];
        if (failed->turns_left && --failed->turns_left == 0)
            failed->last_unaware = submitted;
        again = again || failed->turns_left;
    }
    kafka_blocked_keys_trim(blocked, oldest);
    return again;
}

void kafka_blocked_keys_free(struct kafka_blocked_keys *blocked)
{
    blocked->host->release(blocked->host, blocked->keys);
    blocked->host->release(blocked->host, blocked->failed);
    *blocked = (struct kafka_blocked_keys){0};
}
