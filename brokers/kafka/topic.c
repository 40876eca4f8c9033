/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/topic.c - the topics in use, and the gate that keeps order when one of them fails
 *
 * A failed topic raises its barrier: of every publish submitted until then nothing more is sent, and the host submits
 * again in order. A topic sends one message and waits for its report before it sends the rest: a missing or forbidden
 * topic then fails with nothing behind it, and others never notice. A topic that fails with more in flight costs the
 * producer, which has stopped by itself (see scout.c) and is replaced.
 */
#include <string.h>

#include "broker.h"

#define CAREFUL_MAX 10000u

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

static int grow(struct kafka_broker *self)
{
    struct kafka_topics *topics = &self->topics;
    uint32_t room = topics->room ? topics->room * 2 : 64;
    struct kafka_topic **buckets = self->host->alloc(self->host, room * sizeof(struct kafka_topic *));
    if (!buckets)
        return OUTBOX_E_NO_MEMORY;
    for (uint32_t i = 0; i < topics->room; i++)
        for (struct kafka_topic *topic = topics->buckets[i], *next; topic; topic = next) {
            next = topic->next;
            topic->next = buckets[topic->hash & (room - 1)];
            buckets[topic->hash & (room - 1)] = topic;
        }
    self->host->release(self->host, topics->buckets);
    topics->buckets = buckets;
    topics->room = room;
    return OUTBOX_OK;
}

static struct kafka_topic *add(struct kafka_broker *self, struct outbox_bytes name, uint64_t hash)
{
    struct kafka_topics *topics = &self->topics;
    struct kafka_topic *topic;
    if (topics->count >= topics->room && grow(self))
        return NULL;
    topic = self->host->alloc(self->host, sizeof *topic + name.size + 1);
    if (!topic)
        return NULL;
    memcpy(topic->name, name.data, name.size);
    topic->size = name.size;
    topic->hash = hash;
    topic->next = topics->buckets[hash & (topics->room - 1)];
    topics->buckets[hash & (topics->room - 1)] = topic;
    topics->count++;
    return topic;
}

static struct kafka_topic *find(struct kafka_broker *self, struct outbox_bytes name)
{
    struct kafka_topics *topics = &self->topics;
    uint64_t hash = hash_of(name.data, name.size);
    if (topics->room)
        for (struct kafka_topic *topic = topics->buckets[hash & (topics->room - 1)]; topic; topic = topic->next)
            if (topic->hash == hash && is_named(topic, name))
                return topic;
    return add(self, name, hash);
}

/* NULL: no memory, or no name. */
struct kafka_topic *kafka_topic_get(struct kafka_broker *self, struct outbox_bytes name)
{
    struct kafka_topic *topic = self->topics.last;
    if (topic && is_named(topic, name))
        return topic;
    topic = name.data ? find(self, name) : NULL;
    if (topic)
        self->topics.last = topic;
    return topic;
}

enum kafka_gate kafka_topic_gate(const struct kafka_topic *topic, uint64_t number)
{
    if (number <= topic->barrier)
        return KAFKA_REFUSE;
    if (!topic->in_flight || (topic->proven && !topic->careful))
        return KAFKA_GO;
    return topic->failing ? KAFKA_REFUSE : KAFKA_WAIT;
}

static void recover(struct kafka_broker *self, struct kafka_topic *topic)
{
    if (topic->careful)
        topic->careful--;
    if (topic->sick)
        return;
    topic->proven = true;
    if (topic->failing)
        self->host->log(self->host, OUTBOX_LOG_INFO, "topic '%s' takes events again", topic->name);
    topic->failing = false;
}

/* Behind a message that was not delivered nothing of its topic may go until the host has submitted it again. */
static void hold(struct kafka_broker *self, struct kafka_topic *topic, uint32_t outcome,
                 const struct outbox_error *error)
{
    topic->barrier = self->submitted;
    topic->outcome = outcome;
    topic->error = *error;
    topic->proven = false;
    if (topic->in_flight)
        topic->sick = self->sick = true;
}

void kafka_topic_refuse(struct kafka_broker *self, struct kafka_topic *topic, struct kafka_publish *publish,
                        uint32_t index, uint32_t outcome, const struct outbox_error *error)
{
    struct outbox_error trouble;
    kafka_tell(self, publish, &index, 1, outcome, error);
    if (outcome == OUTBOX_NOT_CONNECTED || !kafka_hold(self, topic, publish, index))
        return;
    kafka_error(&trouble, OUTBOX_E_NO_MEMORY, 0, "publish to topic '%s': out of memory for a key", topic->name);
    kafka_break(self, &trouble);
}

static const char *advice(int code)
{
    if (code == OUTBOX_E_NOT_FOUND)
        return "; create it; its events wait";
    return code == OUTBOX_E_PERMISSION ? "; allow this user to describe and write it; its events wait"
                                       : "; its events wait";
}

static void fail(struct kafka_broker *self, struct kafka_topic *topic, const struct kafka_verdict *verdict,
                 rd_kafka_resp_err_t err)
{
    struct outbox_error error;
    kafka_error(&error, verdict->code, err, "publish to topic '%s': %s%s", topic->name, rd_kafka_err2str(err),
                advice(verdict->code));
    if (!topic->failing || topic->error.code != verdict->code) /* librdkafka has two words for a missing topic */
        self->host->log(self->host, OUTBOX_LOG_WARN, "%s", error.text);
    topic->failing = true;
    hold(self, topic, verdict->outcome, &error);
}

/* Its first message is not reported: no leader, or it is just being created. The others wait elsewhere. */
void kafka_topic_mute(struct kafka_broker *self, struct kafka_topic *topic)
{
    kafka_error(&topic->error, OUTBOX_E_AGAIN, 0,
                "publish to topic '%s': no answer to its first event; its events wait", topic->name);
    self->host->log(self->host, OUTBOX_LOG_WARN, "%s", topic->error.text);
    topic->outcome = OUTBOX_RETRY;
    topic->failing = true;
}

/* A batch was refused and any of its messages may be why: send them again one by one. */
static void suspect(struct kafka_broker *self, struct kafka_topic *topic, rd_kafka_resp_err_t err)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_AGAIN, err,
                "publish to topic '%s': the batch was refused: %s; sending its events one by one", topic->name,
                rd_kafka_err2str(err));
    if (!topic->careful)
        self->host->log(self->host, OUTBOX_LOG_WARN, "%s", error.text);
    if (topic->careful < CAREFUL_MAX)
        topic->careful++;
    hold(self, topic, OUTBOX_NOT_CONNECTED, &error);
    error.code = OUTBOX_E_NOT_CONNECTED;
    kafka_break(self, &error); /* what follows in its partition must not overtake it */
}

static void lose(struct kafka_broker *self, struct kafka_topic *topic, struct kafka_publish *publish, uint32_t index,
                 const struct kafka_verdict *verdict, rd_kafka_resp_err_t err)
{
    struct outbox_error error;
    kafka_error(&error, verdict->code, err, "publish to topic '%s': %s", topic->name, rd_kafka_err2str(err));
    kafka_tell(self, publish, &index, 1, verdict->outcome, &error);
    error.code = OUTBOX_E_NOT_CONNECTED;
    kafka_break(self, &error);
}

void kafka_topic_report(struct kafka_broker *self, struct kafka_topic *topic, struct kafka_publish *publish,
                        uint32_t index, rd_kafka_resp_err_t err, rd_kafka_msg_status_t status, bool alone)
{
    struct kafka_verdict verdict = kafka_judge(err, status);
    struct outbox_error error;
    if (verdict.outcome == OUTBOX_DELIVERED) {
        recover(self, topic);
        kafka_tell_delivered(self, publish, index);
    } else if (verdict.scope == KAFKA_PRODUCER) {
        lose(self, topic, publish, index, &verdict, err);
    } else if (verdict.scope == KAFKA_BATCH && !alone) {
        suspect(self, topic, err);
        kafka_topic_refuse(self, topic, publish, index, topic->outcome, &topic->error);
    } else if (verdict.outcome == OUTBOX_REJECTED) {
        if (topic->careful)
            topic->careful--;
        kafka_error(&error, verdict.code, err, "publish to topic '%s': %s", topic->name, rd_kafka_err2str(err));
        kafka_topic_refuse(self, topic, publish, index, verdict.outcome, &error);
    } else {
        fail(self, topic, &verdict, err);
        kafka_topic_refuse(self, topic, publish, index, topic->outcome, &topic->error);
    }
}

void kafka_topics_settle(struct kafka_broker *self)
{
    if (!self->sick)
        return;
    self->sick = false;
    for (uint32_t i = 0; i < self->topics.room; i++)
        for (struct kafka_topic *topic = self->topics.buckets[i]; topic; topic = topic->next) {
            if (topic->sick && topic->in_flight)
                kafka_break(self, &topic->error);
            topic->sick = false;
        }
}

static void close_topic(struct kafka_topic *topic)
{
    if (topic->rkt)
        rd_kafka_topic_destroy(topic->rkt);
    if (topic->scout_rkt)
        rd_kafka_topic_destroy(topic->scout_rkt);
    topic->rkt = topic->scout_rkt = NULL;
    topic->in_flight = 0;
    topic->proven = topic->sick = false;
}

void kafka_topics_close(struct kafka_broker *self)
{
    self->topics.last = NULL;
    self->sick = false;
    for (uint32_t i = 0; i < self->topics.room; i++)
        for (struct kafka_topic *topic = self->topics.buckets[i]; topic; topic = topic->next)
            close_topic(topic);
}

void kafka_topics_free(struct kafka_broker *self)
{
    for (uint32_t i = 0; i < self->topics.room; i++)
        for (struct kafka_topic *topic = self->topics.buckets[i], *next; topic; topic = next) {
            next = topic->next;
            self->host->release(self->host, topic);
        }
    self->host->release(self->host, self->topics.buckets);
    self->topics = (struct kafka_topics){0};
}
