/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/blocked_keys.c - keys with an event that was not taken, in what was submitted before the host knew
 *
 * The host learns of an outcome when the publish completes, and until then it may submit later events of the same key
 * in other publishes. These must not go, however long they stand in line: their keys are held in every publish that
 * was submitted before the completion was delivered, which is two turns of the loop after op_done(). A rejected event
 * holds its key too, because the host may want the key to wait for it (on_reject: block-key). The set is empty unless
 * something fails.
 *
 * An entry names the last publish that holds its key; it is in force for a publish while a failing one up to the named
 * one was not known to the host when it was submitted. That may hold a key a little too long, never too short.
 */
#include <string.h>

#include "broker.h"

#define TURNS 2 /* a posted task may run before the completion is delivered, the one that it posts does not */

static uint64_t hash_of(const struct kafka_topic *topic, struct outbox_bytes key)
{
    const unsigned char *bytes = key.data;
    uint64_t hash = topic->hash ^ 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    hash ^= hash >> 31;
    return hash ? hash : 1;
}

static bool concerns(const struct kafka_failing *failing, uint64_t number)
{
    return !failing->until || number <= failing->until;
}

/* The oldest failing publish that concerns the one of this number; UINT64_MAX: none. */
static uint64_t oldest(const struct kafka_held *held, uint64_t number)
{
    uint64_t found = UINT64_MAX;
    for (uint32_t i = 0; i < held->failing_count; i++)
        if (concerns(&held->failing[i], number) && held->failing[i].number < found)
            found = held->failing[i].number;
    return found;
}

static struct kafka_held_key *slot_of(struct kafka_held_key *keys, uint32_t room, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (room - 1);
    while (keys[at].hash && keys[at].hash != hash)
        at = (at + 1) & (room - 1);
    return &keys[at];
}

/* Make room, leaving out what is not in force. */
static int rebuild(struct kafka_broker *self)
{
    struct kafka_held *held = &self->held;
    uint64_t from = oldest(held, 0);
    uint32_t live = 0, room = 64;
    struct kafka_held_key *keys;
    for (uint32_t i = 0; i < held->room; i++)
        live += held->keys[i].hash && held->keys[i].number >= from;
    while (room < (live + 1) * 4)
        room *= 2;
    keys = self->host->alloc(self->host, room * sizeof *keys);
    if (!keys)
        return OUTBOX_E_NO_MEMORY;
    for (uint32_t i = 0; i < held->room; i++)
        if (held->keys[i].hash && held->keys[i].number >= from)
            *slot_of(keys, room, held->keys[i].hash) = held->keys[i];
    self->host->release(self->host, held->keys);
    held->keys = keys;
    held->room = room;
    held->used = live;
    return OUTBOX_OK;
}

static int note_failing(struct kafka_broker *self, struct kafka_publish *publish)
{
    struct kafka_held *held = &self->held;
    if (publish->failing)
        return OUTBOX_OK;
    if (held->failing_count == held->failing_room) {
        uint32_t room = held->failing_room ? held->failing_room * 2 : 8;
        struct kafka_failing *more = self->host->resize(self->host, held->failing, room * sizeof *more);
        if (!more)
            return OUTBOX_E_NO_MEMORY;
        held->failing = more;
        held->failing_room = room;
    }
    held->failing[held->failing_count++] = (struct kafka_failing){.number = publish->number};
    publish->failing = true;
    return OUTBOX_OK;
}

int kafka_hold(struct kafka_broker *self, const struct kafka_topic *topic, struct kafka_publish *publish,
               uint32_t index)
{
    struct kafka_held *held = &self->held;
    struct outbox_bytes key = outbox_message_at(publish->args, index)->key;
    struct kafka_held_key *slot;
    uint64_t hash;
    if (!key.data)
        return OUTBOX_OK;
    if (note_failing(self, publish) || (held->used * 2 >= held->room && rebuild(self)))
        return OUTBOX_E_NO_MEMORY;
    hash = hash_of(topic, key);
    slot = slot_of(held->keys, held->room, hash);
    held->used += !slot->hash;
    slot->hash = hash;
    if (slot->number < publish->number)
        slot->number = publish->number;
    return OUTBOX_OK;
}

bool kafka_is_held(const struct kafka_broker *self, const struct kafka_topic *topic, struct outbox_bytes key,
                   uint64_t number)
{
    const struct kafka_held *held = &self->held;
    const struct kafka_held_key *slot;
    if (!held->failing_count || !held->room || !key.data)
        return false;
    slot = slot_of(held->keys, held->room, hash_of(topic, key));
    return slot->hash && slot->number >= oldest(held, number);
}

/* A failing publish was completed. */
void kafka_held_completed(struct kafka_broker *self, uint64_t number)
{
    struct kafka_held *held = &self->held;
    for (uint32_t i = 0; i < held->failing_count; i++)
        if (held->failing[i].number == number)
            held->failing[i].turns = TURNS;
    self->host->post(self->host, &held->notice);
}

static void clear(struct kafka_held *held)
{
    if (held->room)
        memset(held->keys, 0, held->room * sizeof *held->keys);
    held->used = 0;
}

/* What stands in line was all submitted after the host knew. */
void kafka_held_forget(struct kafka_broker *self)
{
    struct kafka_held *held = &self->held;
    uint64_t next = self->pending ? self->pending->number : UINT64_MAX;
    uint32_t kept = 0;
    if (!held->failing_count)
        return;
    for (uint32_t i = 0; i < held->failing_count; i++)
        if (concerns(&held->failing[i], next))
            held->failing[kept++] = held->failing[i];
    held->failing_count = kept;
    if (!kept)
        clear(held);
}

void kafka_held_notice(struct outbox_task *task)
{
    struct kafka_broker *self = task->arg;
    struct kafka_held *held = &self->held;
    bool again = false;
    for (uint32_t i = 0; i < held->failing_count; i++) {
        struct kafka_failing *failing = &held->failing[i];
        if (failing->turns && --failing->turns == 0)
            failing->until = self->submitted;
        again = again || failing->turns;
    }
    kafka_held_forget(self);
    if (again)
        self->host->post(self->host, &held->notice);
}

void kafka_held_free(struct kafka_broker *self)
{
    self->host->release(self->host, self->held.keys);
    self->host->release(self->host, self->held.failing);
    self->held = (struct kafka_held){0};
}
