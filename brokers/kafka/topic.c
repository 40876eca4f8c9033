/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/topic.c - the table of topics in use
 *
 * A hash table with chains; the topic that was found last is kept, since events often come in runs of one topic.
 * Failure mode: no memory, then there is no topic, and the caller must not send.
 */
#include "topic.h"

#include <string.h>

#define ROOM_MIN 64u

static uint64_t hash_of(const unsigned char *name, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ name[i]) * 0x100000001b3u;
    return hash ^ (hash >> 29);
}

static bool is_named(const struct kafka_topic *topic, struct outbox_bytes name)
{
    return topic->size == name.size && !memcmp(topic->name, name.data, name.size);
}

static struct kafka_topic **bucket_of(const struct kafka_topics *topics, uint64_t hash)
{
    return &topics->buckets[hash & (topics->room - 1)];
}

static int grow(struct kafka_topics *topics, const struct outbox_host *host)
{
    struct kafka_topics larger = {.room = topics->room ? topics->room * 2 : ROOM_MIN};
    larger.buckets = host->alloc(host, larger.room * sizeof(struct kafka_topic *));
    if (!larger.buckets)
        return OUTBOX_E_NO_MEMORY;
    for (uint32_t i = 0; i < topics->room; i++)
        for (struct kafka_topic *topic = topics->buckets[i], *next; topic; topic = next) {
            struct kafka_topic **bucket = bucket_of(&larger, topic->hash);
            next = topic->next;
            topic->next = *bucket;
            *bucket = topic;
        }
    host->release(host, topics->buckets);
    topics->buckets = larger.buckets;
    topics->room = larger.room;
    return OUTBOX_OK;
}

static struct kafka_topic *add(struct kafka_topics *topics, const struct outbox_host *host, struct outbox_bytes name)
{
    if (topics->count >= topics->room && grow(topics, host))
        return NULL;
    struct kafka_topic *topic = host->alloc(host, sizeof *topic + name.size + 1);
    if (!topic)
        return NULL;
    memcpy(topic->name, name.data, name.size);
    topic->size = name.size;
    topic->hash = hash_of(name.data, name.size);
    struct kafka_topic **bucket = bucket_of(topics, topic->hash);
    topic->next = *bucket;
    *bucket = topic;
    topics->count++;
    return topic;
}

struct kafka_topic *kafka_topics_find(struct kafka_topics *topics, struct outbox_bytes name)
{
    struct kafka_topic *topic = topics->last;
    if (topic && is_named(topic, name))
        return topic;
    if (!name.data || !topics->room)
        return NULL;
    uint64_t hash = hash_of(name.data, name.size);
    for (topic = *bucket_of(topics, hash); topic; topic = topic->next)
        if (topic->hash == hash && is_named(topic, name))
            return topics->last = topic;
    return NULL;
}

struct kafka_topic *kafka_topics_get(struct kafka_topics *topics, const struct outbox_host *host,
                                     struct outbox_bytes name)
{
    struct kafka_topic *topic = kafka_topics_find(topics, name);
    return topic || !name.data ? topic : add(topics, host, name);
}

struct kafka_topic *kafka_topics_next(const struct kafka_topics *topics, const struct kafka_topic *topic)
{
    if (topic && topic->next)
        return topic->next;
    for (uint32_t i = topic ? (uint32_t)(topic->hash & (topics->room - 1)) + 1 : 0; i < topics->room; i++)
        if (topics->buckets[i])
            return topics->buckets[i];
    return NULL;
}

void kafka_topics_free(struct kafka_topics *topics, const struct outbox_host *host)
{
    for (uint32_t i = 0; i < topics->room; i++)
        for (struct kafka_topic *topic = topics->buckets[i], *next; topic; topic = next) {
            next = topic->next;
            host->release(host, topic);
        }
    host->release(host, topics->buckets);
    *topics = (struct kafka_topics){0};
}

bool kafka_topics_collide(const char *name, const char *other)
{
    size_t i = 0;
    if (!strcmp(name, other))
        return false;
    for (; name[i] && other[i]; i++)
        if (name[i] != other[i] && !((name[i] == '.' && other[i] == '_') || (name[i] == '_' && other[i] == '.')))
            return false;
    return name[i] == other[i];
}
