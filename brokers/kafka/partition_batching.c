/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/partition_batching.c - in which order the messages of a publish are handed over: partition by partition
 *
 * librdkafka sends what a partition has when the first of it is linger.ms old, one request for each partition. In the
 * order of their rows the messages go to all partitions at once, and by the time the last was handed over the first
 * were sent: several small requests to each partition, which cost the broker more than the events in them. Grouped,
 * a publish makes one request for each partition, at a linger.ms that is short enough for single events.
 *
 * Order holds: messages of one key go to one partition, and within a partition theirs is kept. How many partitions a
 * topic has is seen in its delivery reports. Another partitioner than the default one makes the groups useless, not
 * wrong.
 */
#include "broker.h"

#define GROUPS 256u
#define WORTHWHILE 32u /* messages; fewer are handed over before any is sent */

void kafka_group_learn(struct kafka_topic *topic, const rd_kafka_message_t *message)
{
    if (message->partition >= topic->partitions)
        topic->partitions = message->partition + 1;
}

static uint32_t group_of(struct kafka_broker *self, const struct outbox_message *message)
{
    const struct kafka_topic *topic = kafka_topic_get(self, message->topic);
    int32_t partition = message->partition;
    if (!topic)
        return 0;
    if (partition < 0 && topic->partitions && message->key.data)
        partition =
            rd_kafka_msg_partitioner_murmur2(NULL, message->key.data, message->key.size, topic->partitions, NULL, NULL);
    return ((uint32_t)topic->hash + (uint32_t)partition) % GROUPS;
}

/* A stable counting sort. The groups wait in `indexes`, which nobody needs before the first message is handed over. */
void kafka_group(struct kafka_broker *self, struct kafka_publish *publish)
{
    struct kafka_slot *slot = &self->slots[publish->slot];
    uint32_t count = publish->args->count, starts[GROUPS + 1] = {0};
    if (count < WORTHWHILE) {
        for (uint32_t i = 0; i < count; i++)
            slot->order[i] = i;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        slot->indexes[i] = group_of(self, outbox_message_at(publish->args, i));
        starts[slot->indexes[i] + 1]++;
    }
    for (uint32_t group = 0; group < GROUPS; group++)
        starts[group + 1] += starts[group];
    for (uint32_t i = 0; i < count; i++)
        slot->order[starts[slot->indexes[i]]++] = i;
}
