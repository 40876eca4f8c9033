/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/held.c - keys whose order a fault has interrupted
 *
 * An event that comes although an older one of its key is still missing may have been submitted before the host heard
 * of the failure, or because the host has given the older one up (parked it). The host hears when the publish is
 * completed, which need not be in the order of submission; completed refusals are numbered. A host that submits an
 * event again, after a refusal that came later than the last one of the older event, has given the older one up, and
 * it is forgotten. Messages without topic, key or id have no order to keep.
 */
#include "held.h"

#include <string.h>

struct held_event {
    struct held_event *next; /* in the bucket, oldest first */
    uint64_t hash;           /* of topic and key */
    outbox_op_t op;          /* the publish of the last refusal; 0: completed */
    uint64_t refusal;        /* its number; while it is in flight, the largest */
    uint32_t topic, key, id; /* sizes */
    char bytes[];
};

static uint64_t mix(uint64_t hash, struct outbox_bytes bytes)
{
    const unsigned char *at = bytes.data;
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ at[i]) * 1099511628211u;
    return (hash ^ bytes.size) * 1099511628211u;
}

static uint64_t hash_of(const struct outbox_message *message)
{
    return mix(mix(14695981039346656037u, message->topic), message->key);
}

static struct held_event **bucket_of(struct held *held, uint64_t hash)
{
    return &held->buckets[(hash >> 32) % HELD_BUCKETS];
}

static bool same_key(const struct held_event *event, uint64_t hash, const struct outbox_message *message)
{
    return event->hash == hash && event->topic == message->topic.size && event->key == message->key.size &&
           !memcmp(event->bytes, message->topic.data, event->topic) &&
           !memcmp(event->bytes + event->topic, message->key.data, event->key);
}

static bool same_id(const struct held_event *event, const struct outbox_message *message)
{
    return event->id == message->id.size &&
           !memcmp(event->bytes + event->topic + event->key, message->id.data, event->id);
}

static struct held_event *make_event(struct held *held, uint64_t hash, const struct outbox_message *message)
{
    size_t size = message->topic.size + message->key.size + message->id.size;
    struct held_event *event = held->host->alloc(held->host, sizeof *event + size);
    if (!event)
        return NULL;
    event->hash = hash;
    event->topic = (uint32_t)message->topic.size;
    event->key = (uint32_t)message->key.size;
    event->id = (uint32_t)message->id.size;
    memcpy(event->bytes, message->topic.data, event->topic);
    memcpy(event->bytes + event->topic, message->key.data, event->key);
    memcpy(event->bytes + event->topic + event->key, message->id.data, event->id);
    return event;
}

static void drop(struct held *held, struct held_event **at)
{
    struct held_event *event = *at;
    *at = event->next;
    held->host->release(held->host, event);
    held->count--;
}

static struct held_event *add(struct held *held, uint64_t hash, const struct outbox_message *message)
{
    struct held_event **at = bucket_of(held, hash), *event = make_event(held, hash, message);
    if (!event)
        return NULL;
    while (*at)
        at = &(*at)->next;
    *at = event;
    held->count++;
    return event;
}

struct found {
    struct held_event *event; /* of this message; NULL: it is new */
    bool missing;             /* an older one of the key is still to come */
};

static struct found look(struct held *held, uint64_t hash, const struct outbox_message *message)
{
    struct found found = {0};
    uint64_t last = 0;
    for (struct held_event *event = *bucket_of(held, hash); event && !found.event; event = event->next) {
        if (!same_key(event, hash, message))
            continue;
        if (same_id(event, message))
            found.event = event;
        else if (event->refusal > last)
            last = event->refusal;
    }
    found.missing = last == UINT64_MAX || last > (found.event ? found.event->refusal : 0);
    return found;
}

/* Forget the ones of its key before `event`: the host has given them up. */
static void drop_older(struct held *held, struct held_event *event, const struct outbox_message *message)
{
    struct held_event **at = bucket_of(held, event->hash);
    while (*at != event) {
        if (same_key(*at, event->hash, message))
            drop(held, at);
        else
            at = &(*at)->next;
    }
}

static void forget(struct held *held, struct held_event *event)
{
    struct held_event **at = bucket_of(held, event->hash);
    while (*at != event)
        at = &(*at)->next;
    drop(held, at);
}

enum held_answer held_ask(struct held *held, outbox_op_t op, const struct outbox_message *message, bool strike)
{
    if (!message->topic.size || !message->key.data || !message->id.size || (!strike && !held->count))
        return strike ? HELD_STRUCK : HELD_PASS;
    uint64_t hash = hash_of(message);
    struct found found = look(held, hash, message);
    if (!found.event && !found.missing && !strike)
        return HELD_PASS;
    if (!found.event && !(found.event = add(held, hash, message)))
        return HELD_NO_MEMORY;
    if (!found.missing)
        drop_older(held, found.event, message);
    if (strike || found.missing) {
        found.event->op = op;
        found.event->refusal = UINT64_MAX;
        return found.missing ? HELD_REFUSE : HELD_STRUCK;
    }
    forget(held, found.event);
    return HELD_PASS;
}

void held_landed(struct held *held, outbox_op_t op)
{
    uint64_t number = ++held->refusals;
    for (uint32_t i = 0; i < HELD_BUCKETS && held->count; i++)
        for (struct held_event *event = held->buckets[i]; event; event = event->next)
            if (event->op == op) {
                event->op = 0;
                event->refusal = number;
            }
}

void held_clear(struct held *held)
{
    for (uint32_t i = 0; i < HELD_BUCKETS; i++)
        while (held->buckets[i])
            drop(held, &held->buckets[i]);
}
