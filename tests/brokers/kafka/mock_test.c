/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/mock_test.c - the way of messages, against librdkafka's mock cluster
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

Test(kafka_mock, delivers_and_reads_back)
{
    struct kt_batch batch;
    fixture_open(&f, "");
    kt_batch_init(&batch, 3);
    kt_batch_set(&batch, 0, "orders", "a", "1");
    kt_batch_set(&batch, 1, "orders", "a", "2");
    kt_batch_set(&batch, 2, "orders", "a", NULL);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(batch.error.code, 0);
    cr_assert_eq(batch.told, 3);
    cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 3);
    char *content = mock_read(&f.mock, "orders", 3);
    cr_assert_str_eq(content, "a=1 a=2 a=null ");
    free(content);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

Test(kafka_mock, an_empty_publish_completes)
{
    struct kt_batch batch;
    fixture_open(&f, "");
    kt_batch_init(&batch, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(batch.error.code, 0);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

/* Many publishes in flight and a queue for 50 messages: every one waits for room, none is lost, order is kept. */
Test(kafka_mock, a_full_queue_is_backpressure)
{
    struct kt_batch batches[8];
    char expected[8192] = "";
    fixture_open(&f, "options: {queue.buffering.max.messages: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "full", 1, 1);
    for (uint32_t i = 0; i < 8; i++) {
        kt_batch_init(&batches[i], 100);
        kt_batch_fill(&batches[i], "full", 1, i * 100);
        kt_publish(&f.t, &batches[i]);
    }
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert(kt_wait(&f.t, &batches[i]));
        cr_assert_eq(kt_count(&batches[i], OUTBOX_DELIVERED), 100);
        cr_assert_eq(batches[i].told, 100);
        kt_batch_free(&batches[i]);
    }
    for (int i = 0; i < 800; i++)
        snprintf(expected + strlen(expected), 16, "k0=%d ", i);
    char *content = mock_read(&f.mock, "full", 800);
    cr_assert_str_eq(content, expected);
    free(content);
    FIXTURE_END(&f);
}

Test(kafka_mock, starts_again_after_a_stop)
{
    fixture_open(&f, "");
    for (int round = 0; round < 2; round++) {
        struct kt_batch batch;
        kt_batch_init(&batch, 10);
        kt_batch_fill(&batch, "again", 3, 0);
        kt_publish(&f.t, &batch);
        cr_assert(kt_wait(&f.t, &batch));
        cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 10);
        kt_batch_free(&batch);
        cr_assert_eq(kt_stop(&f.t), OUTBOX_OK);
        cr_assert_eq(kt_start(&f.t), OUTBOX_OK, "%s", f.t.error.text);
    }
    FIXTURE_END(&f);
}

Test(kafka_mock, stop_finishes_what_is_in_flight)
{
    struct kt_batch batch;
    fixture_open(&f, "options: {linger.ms: 200}");
    kt_batch_init(&batch, 100);
    kt_batch_fill(&batch, "last", 3, 0);
    kt_publish(&f.t, &batch);
    cr_assert_eq(kt_stop(&f.t), OUTBOX_OK);
    cr_assert_eq(batch.dones, 1);
    cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 1);
    cr_assert_eq(kt_count(&batch, OUTBOX_NOT_CONNECTED), 99);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

/* Once the partitions are known, a publish is handed over partition by partition: nothing changes for a key. */
Test(kafka_mock, keeps_the_order_of_keys_over_several_partitions)
{
    enum { ROUNDS = 3, COUNT = 1000, KEYS = 37 };
    uint32_t next[KEYS] = {0}, seen = 0;
    fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "parts", 12, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct kt_batch batch;
        kt_batch_init(&batch, COUNT);
        kt_batch_fill(&batch, "parts", KEYS, round * COUNT);
        kt_publish(&f.t, &batch);
        cr_assert(kt_wait(&f.t, &batch));
        cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), COUNT);
        kt_batch_free(&batch);
    }
    char *content = mock_read(&f.mock, "parts", ROUNDS * COUNT);
    for (char *record = strtok(content, " "); record; record = strtok(NULL, " "), seen++) {
        uint32_t key = (uint32_t)strtoul(record + 1, NULL, 10),
                 value = (uint32_t)strtoul(strchr(record, '=') + 1, NULL, 10);
        cr_assert_lt(key, KEYS);
        cr_assert_eq(value % COUNT % KEYS, key);
        cr_assert_geq(value, next[key], "key %u: %u after %u", key, value, next[key]);
        next[key] = value + 1;
    }
    cr_assert_eq(seen, ROUNDS * COUNT);
    free(content);
    FIXTURE_END(&f);
}
