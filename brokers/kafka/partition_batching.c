/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/partition_batching.c - passes the messages of a publish to librdkafka partition by partition
 *
 * librdkafka sends what a partition has as soon as its thread looks at it, or when the first message is linger.ms old.
 * In the order of their rows the messages go to all partitions at once, and the first are sent before the last is
 * handed over. That makes several small requests for each partition, which cost the broker more than the events in
 * them. Grouped by partition, a publish makes few requests for each partition without a linger, so that a single event
 * leaves at once.
 *
 * Order holds: messages of one key go to one partition, and keep their order within it. How many partitions a topic has
 * is learned from its delivery reports. With another partitioner than the default one the groups are useless, not
 * wrong.
 */
#include "broker.h"

#define GROUPS 256u
#define MESSAGES_MIN 32u /* fewer are handed over before any is sent */

void kafka_learn_partitions(struct kafka_topic *topic, const rd_kafka_message_t *message)
{
    if (message->partition >= topic->partitions)
        topic->partitions = message->partition + 1;
}

static uint32_t group_of(struct kafka_broker *self, const struct outbox_message *message)
{
    const struct kafka_topic *topic = kafka_topics_get(&self->topics, self->host, message->topic);
    int32_t partition = message->partition;
    if (!topic)
        return 0;
    if (partition < 0 && topic->partitions && message->key.data)
        partition =
            rd_kafka_msg_partitioner_murmur2(NULL, message->key.data, message->key.size, topic->partitions, NULL, NULL);
    return ((uint32_t)topic->hash + (uint32_t)partition) % GROUPS;
}

/* A stable counting sort. The groups are in `indexes`, which is not in use before the first message is handed over. */
static void sort_by_group(struct kafka_broker *self, struct kafka_slot *slot, const struct outbox_publish *args)
{
    uint32_t starts[GROUPS + 1] = {0};
    for (uint32_t i = 0; i < args->count; i++) {
        slot->indexes[i] = group_of(self, outbox_message_at(args, i));
        starts[slot->indexes[i] + 1]++;
    }
    for (uint32_t group = 0; group < GROUPS; group++)
        starts[group + 1] += starts[group];
    for (uint32_t i = 0; i < args->count; i++)
        slot->order[starts[slot->indexes[i]]++] = i;
}

/* With order: global the rows keep their order over all topics: a transaction may end between any two of them. */
void kafka_order_by_partition(struct kafka_broker *self, struct kafka_publish *publish)
{
    struct kafka_slot *slot = &self->slots[publish->slot];
    if (publish->args->count >= MESSAGES_MIN && self->order != OUTBOX_ORDER_GLOBAL) {
        sort_by_group(self, slot, publish->args);
        return;
    }
    for (uint32_t i = 0; i < publish->args->count; i++)
        slot->order[i] = i;
}
