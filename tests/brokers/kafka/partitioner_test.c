/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/partitioner_test.c - keys go where the Java client puts them
 *
 * The hashes are those of Kafka's own UtilsTest, so that a key lands in the partition that it had before a move from
 * Debezium or any other Java producer.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "mock_fixture.h"
#include "topic_reader.h"

static struct mock_fixture f;

static const struct {
    const char *key;
    int32_t hash;
} vectors[] = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
};
#define VECTORS (sizeof vectors / sizeof *vectors)

Test(kafka_partitioner, hashes_as_java_does)
{
    for (size_t i = 0; i < VECTORS; i++)
        cr_assert_eq(
            rd_kafka_msg_partitioner_murmur2(NULL, vectors[i].key, strlen(vectors[i].key), INT32_MAX, NULL, NULL),
            vectors[i].hash & 0x7fffffff, "%s", vectors[i].key);
}

static int32_t partition_of(const char *key)
{
    for (size_t i = 0; i < VECTORS; i++)
        if (!strcmp(vectors[i].key, key))
            return (vectors[i].hash & 0x7fffffff) % 12;
    return -1;
}

Test(kafka_partitioner, is_what_the_broker_uses)
{
    struct batch batch;
    struct topic_reader reader;
    mock_fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "placed", 12, 1);
    batch_init(&batch, VECTORS);
    for (uint32_t i = 0; i < VECTORS; i++)
        batch_set(&batch, i, "placed", vectors[i].key, "v");
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert(topic_reader_open(&reader, rd_kafka_mock_cluster_bootstraps(f.mock.cluster), "placed"));
    for (size_t i = 0; i < VECTORS; i++) {
        char key[64];
        rd_kafka_message_t *message = topic_reader_next(&reader, false);
        cr_assert_not_null(message);
        snprintf(key, sizeof key, "%.*s", (int)message->key_len, (const char *)message->key);
        cr_assert_eq(message->partition, partition_of(key), "%s in %d", key, message->partition);
        rd_kafka_message_destroy(message);
    }
    topic_reader_close(&reader);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* Everything that a message has comes out as it went in. */
Test(kafka_partitioner, keeps_partition_timestamp_headers_and_nulls)
{
    struct batch batch;
    struct topic_reader reader;
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    const char *name;
    struct outbox_header sent[] = {
        {{"idX", 2}, {"e1", 2}}, {{"id", 2}, {"e2", 2}}, {{"none", 4}, {NULL, 0}}, {{"empty", 5}, {"", 0}}};
    mock_fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "exact", 12, 1);
    batch_init(&batch, 1);
    batch_set(&batch, 0, "exact", NULL, "");
    batch.messages[0].partition = 7;
    batch.messages[0].timestamp_us = 1700000000123456;
    batch.messages[0].headers = sent;
    batch.messages[0].header_count = 4;
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert(topic_reader_open(&reader, rd_kafka_mock_cluster_bootstraps(f.mock.cluster), "exact"));
    rd_kafka_message_t *message = topic_reader_next(&reader, false);
    cr_assert_not_null(message);
    cr_assert_eq(message->partition, 7);
    cr_assert_null(message->key);
    cr_assert_not_null(message->payload);
    cr_assert_eq(message->len, 0);
    cr_assert_eq(rd_kafka_message_timestamp(message, NULL), 1700000000123);
    cr_assert_eq(rd_kafka_message_headers(message, &headers), 0);
    cr_assert_eq(rd_kafka_header_cnt(headers), 4);
    cr_assert_eq(rd_kafka_header_get_all(headers, 1, &name, &value, &size), 0);
    cr_assert_str_eq(name, "id");
    cr_assert_eq(memcmp(value, "e2", 2), 0);
    cr_assert_eq(rd_kafka_header_get_all(headers, 2, &name, &value, &size), 0);
    cr_assert_null(value);
    cr_assert_eq(rd_kafka_header_get_all(headers, 3, &name, &value, &size), 0);
    cr_assert_not_null(value);
    cr_assert_eq(size, 0);
    rd_kafka_message_destroy(message);
    topic_reader_close(&reader);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* 0 means "now" to librdkafka. */
Test(kafka_partitioner, event_of_1970_keeps_its_time)
{
    struct batch batch;
    struct topic_reader reader;
    static const int64_t sent_us[] = {0, 999, 1000, 2000};
    static const int64_t read_ms[] = {1, 1, 1, 2};
    mock_fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "old", 1, 1);
    batch_init(&batch, 4);
    batch_fill(&batch, "old", 1, 0);
    for (int i = 0; i < 4; i++)
        batch.messages[i].timestamp_us = sent_us[i];
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert(topic_reader_open(&reader, rd_kafka_mock_cluster_bootstraps(f.mock.cluster), "old"));
    for (int i = 0; i < 4; i++) {
        rd_kafka_message_t *message = topic_reader_next(&reader, false);
        cr_assert_not_null(message);
        cr_assert_eq(rd_kafka_message_timestamp(message, NULL), read_ms[i]);
        rd_kafka_message_destroy(message);
    }
    topic_reader_close(&reader);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_partitioner, a_partition_that_does_not_exist_is_the_events_fault)
{
    struct batch batch;
    mock_fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "small", 2, 1);
    batch_init(&batch, 2);
    batch_fill(&batch, "small", 2, 0);
    batch.messages[0].partition = 2;
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(batch.outcomes[0], OUTBOX_REJECTED);
    cr_assert_str_eq(batch.errors[0].text, "publish to topic 'small': Local: Unknown partition");
    cr_assert_eq(batch.outcomes[1], OUTBOX_DELIVERED);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}
