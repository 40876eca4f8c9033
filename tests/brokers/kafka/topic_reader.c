/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/topic_reader.c - see topic_reader.h */
#include "topic_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool list_partitions(struct topic_reader *reader, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(reader->consumer, topic, NULL);
    if (rd_kafka_metadata(reader->consumer, 0, rkt, &metadata, 20000))
        return false;
    reader->partitions = rd_kafka_topic_partition_list_new(12);
    for (int i = 0; metadata->topic_cnt && i < metadata->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(reader->partitions, topic, metadata->topics[0].partitions[i].id)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(rkt);
    return reader->partitions->cnt > 0;
}

bool topic_reader_open(struct topic_reader *reader, const char *bootstrap, const char *topic)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    memset(reader, 0, sizeof *reader);
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text, sizeof text);
    rd_kafka_conf_set(conf, "group.id", "outbox-test", text, sizeof text);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", text, sizeof text);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof text);
    reader->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!reader->consumer || !list_partitions(reader, topic))
        return false;
    rd_kafka_poll_set_consumer(reader->consumer);
    return !rd_kafka_assign(reader->consumer, reader->partitions);
}

rd_kafka_message_t *topic_reader_next(struct topic_reader *reader, bool quiet)
{
    for (;;) {
        if (quiet && reader->ends >= reader->partitions->cnt)
            return NULL;
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->consumer, 20000);
        if (!message || !message->err)
            return message;
        reader->ends += message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        rd_kafka_message_destroy(message);
    }
}

void topic_reader_close(struct topic_reader *reader)
{
    if (reader->partitions)
        rd_kafka_topic_partition_list_destroy(reader->partitions);
    if (reader->consumer) {
        rd_kafka_consumer_close(reader->consumer);
        rd_kafka_destroy(reader->consumer);
    }
}

static void print(char *text, size_t size, const rd_kafka_message_t *message)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%.*s=%.*s ", message->key ? (int)message->key_len : 4,
             message->key ? (const char *)message->key : "null", message->payload ? (int)message->len : 4,
             message->payload ? (const char *)message->payload : "null");
}

char *topic_read(const char *bootstrap, const char *topic, uint32_t count)
{
    struct topic_reader reader;
    size_t size = (size_t)count * 64 + 1;
    char *text = calloc(1, size);
    rd_kafka_message_t *message;
    if (topic_reader_open(&reader, bootstrap, topic))
        while (count-- && (message = topic_reader_next(&reader, false))) {
            print(text, size, message);
            rd_kafka_message_destroy(message);
        }
    topic_reader_close(&reader);
    return text;
}
