/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/order_guard.c - the order of keys after an injected failure
 *
 * An event arrives while an older one of its key is still missing. If it was submitted before the host knew of the
 * failure, it must be refused. If the host has dropped the older event (moved it to the dead letters), it may go.
 *
 * The host knows of a refusal when the publish completes, which may not be in the order of submission, so completed
 * refusals are numbered. If an event comes again after a refusal that is later than the last one of the older event,
 * the host has dropped the older one. Messages without topic, key or id have no order.
 */
#include "order_guard.h"

#include <string.h>

struct guarded_event {
    struct guarded_event *next; /* in the bucket, oldest first */
    uint64_t hash;              /* of topic and key */
    outbox_op_t op;             /* the publish of the last refusal; 0: completed */
    uint64_t refusal;           /* its number; while it is in flight, the largest */
    uint32_t topic, key, id;    /* sizes */
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

static struct guarded_event **bucket_of(struct order_guard *guard, uint64_t hash)
{
    return &guard->buckets[(hash >> 32) % ORDER_GUARD_BUCKETS];
}

static bool same_key(const struct guarded_event *event, uint64_t hash, const struct outbox_message *message)
{
    return event->hash == hash && event->topic == message->topic.size && event->key == message->key.size &&
           !memcmp(event->bytes, message->topic.data, event->topic) &&
           !memcmp(event->bytes + event->topic, message->key.data, event->key);
}

static bool same_id(const struct guarded_event *event, const struct outbox_message *message)
{
    return event->id == message->id.size &&
           !memcmp(event->bytes + event->topic + event->key, message->id.data, event->id);
}

static struct guarded_event *make_event(struct order_guard *guard, uint64_t hash, const struct outbox_message *message)
{
    size_t size = message->topic.size + message->key.size + message->id.size;
    struct guarded_event *event = guard->host->alloc(guard->host, sizeof *event + size);
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

static void drop(struct order_guard *guard, struct guarded_event **at)
{
    struct guarded_event *event = *at;
    *at = event->next;
    guard->host->release(guard->host, event);
    guard->count--;
}

static struct guarded_event *add(struct order_guard *guard, uint64_t hash, const struct outbox_message *message)
{
    struct guarded_event **at = bucket_of(guard, hash), *event = make_event(guard, hash, message);
    if (!event)
        return NULL;
    while (*at)
        at = &(*at)->next;
    *at = event;
    guard->count++;
    return event;
}

struct found {
    struct guarded_event *event; /* of this message; NULL: new */
    bool missing;                /* an older one of the key must come first */
};

static struct found find(struct order_guard *guard, uint64_t hash, const struct outbox_message *message)
{
    struct found found = {0};
    uint64_t last = 0;
    for (struct guarded_event *event = *bucket_of(guard, hash); event && !found.event; event = event->next) {
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

/* Drops the events of its key before `event`: the host has dropped them too. */
static void drop_older(struct order_guard *guard, struct guarded_event *event, const struct outbox_message *message)
{
    struct guarded_event **at = bucket_of(guard, event->hash);
    while (*at != event) {
        if (same_key(*at, event->hash, message))
            drop(guard, at);
        else
            at = &(*at)->next;
    }
}

static void drop_event(struct order_guard *guard, struct guarded_event *event)
{
    struct guarded_event **at = bucket_of(guard, event->hash);
    while (*at != event)
        at = &(*at)->next;
    drop(guard, at);
}

enum order_verdict order_guard_check(struct order_guard *guard, outbox_op_t op, const struct outbox_message *message,
                                     bool inject)
{
    if (!message->topic.size || !message->key.data || !message->id.size || (!inject && !guard->count))
        return inject ? ORDER_INJECT : ORDER_PASS;
    uint64_t hash = hash_of(message);
    struct found found = find(guard, hash, message);
    if (!found.event && !found.missing && !inject)
        return ORDER_PASS;
    if (!found.event && !(found.event = add(guard, hash, message)))
        return ORDER_NO_MEMORY;
    if (!found.missing)
        drop_older(guard, found.event, message);
    if (inject || found.missing) {
        found.event->op = op;
        found.event->refusal = UINT64_MAX;
        return found.missing ? ORDER_REFUSE : ORDER_INJECT;
    }
    drop_event(guard, found.event);
    return ORDER_PASS;
}

void order_guard_completed(struct order_guard *guard, outbox_op_t op)
{
    uint64_t number = ++guard->refusals;
    for (uint32_t i = 0; i < ORDER_GUARD_BUCKETS && guard->count; i++)
        for (struct guarded_event *event = guard->buckets[i]; event; event = event->next)
            if (event->op == op) {
                event->op = 0;
                event->refusal = number;
            }
}

void order_guard_clear(struct order_guard *guard)
{
    for (uint32_t i = 0; i < ORDER_GUARD_BUCKETS; i++)
        while (guard->buckets[i])
            drop(guard, &guard->buckets[i]);
}
