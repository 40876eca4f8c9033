/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/mock_test.c - delivery and order, against librdkafka's mock cluster
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "mock_fixture.h"

static struct mock_fixture f;

Test(kafka_mock, events_are_delivered_unchanged)
{
    struct batch batch;
    mock_fixture_open(&f, "");
    batch_init(&batch, 3);
    batch_set(&batch, 0, "orders", "a", "1");
    batch_set(&batch, 1, "orders", "a", "2");
    batch_set(&batch, 2, "orders", "a", NULL);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(batch.error.code, 0);
    cr_assert_eq(batch.reported, 3);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 3);
    char *content = mock_read(&f.mock, "orders", 3);
    cr_assert_str_eq(content, "a=1 a=2 a=null ");
    free(content);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_mock, empty_publish_completes)
{
    struct batch batch;
    mock_fixture_open(&f, "");
    batch_init(&batch, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(batch.error.code, 0);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* Many publishes in flight, and a queue for 50 messages. */
Test(kafka_mock, full_queue_delays_events_and_keeps_their_order)
{
    struct batch batches[8];
    char expected[8192] = "";
    mock_fixture_open(&f, "options: {queue.buffering.max.messages: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "full", 1, 1);
    for (uint32_t i = 0; i < 8; i++) {
        batch_init(&batches[i], 100);
        batch_fill(&batches[i], "full", 1, i * 100);
        fixture_publish(&f.broker, &batches[i]);
    }
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert(fixture_wait(&f.broker, &batches[i]));
        cr_assert_eq(fixture_count(&batches[i], OUTBOX_DELIVERED), 100);
        cr_assert_eq(batches[i].reported, 100);
        batch_free(&batches[i]);
    }
    for (int i = 0; i < 800; i++)
        snprintf(expected + strlen(expected), 16, "k0=%d ", i);
    char *content = mock_read(&f.mock, "full", 800);
    cr_assert_str_eq(content, expected);
    free(content);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_mock, broker_starts_again_after_a_stop)
{
    mock_fixture_open(&f, "");
    for (int round = 0; round < 2; round++) {
        struct batch batch;
        batch_init(&batch, 10);
        batch_fill(&batch, "again", 3, 0);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 10);
        batch_free(&batch);
        cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
        fixture_must_start(&f.broker);
    }
    MOCK_FIXTURE_END(&f);
}

Test(kafka_mock, stop_waits_for_events_in_flight)
{
    struct batch batch;
    mock_fixture_open(&f, "options: {linger.ms: 200}");
    batch_init(&batch, 100);
    batch_fill(&batch, "last", 3, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    cr_assert_eq(batch.completed, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_NOT_CONNECTED), 99);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* Once the partitions are known, a publish is handed over partition by partition: nothing changes for a key. */
Test(kafka_mock, keys_keep_their_order_over_several_partitions)
{
    enum { ROUNDS = 3, COUNT = 1000, KEYS = 37 };
    uint32_t next[KEYS] = {0}, seen = 0;
    mock_fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "parts", 12, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct batch batch;
        batch_init(&batch, COUNT);
        batch_fill(&batch, "parts", KEYS, round * COUNT);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), COUNT);
        batch_free(&batch);
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
    MOCK_FIXTURE_END(&f);
}

static void verify_two_topics(uint32_t order)
{
    mock_fixture_open(&f, "");
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    f.broker.start.order = order;
    fixture_must_start(&f.broker);
    mock_fixture_verify(&f, "even");
    mock_fixture_verify(&f, "odd");
}

/* Which of 64 events over two topics is the 33rd that is handed over? Its failpoint makes it fail. */
static uint32_t index_of_33rd(uint32_t order)
{
    struct batch batch;
    struct outbox_error error;
    uint32_t index = 0;
    verify_two_topics(order);
    batch_init(&batch, 64);
    batch_fill(&batch, "even", 64, 0);
    for (uint32_t i = 1; i < 64; i += 2)
        batch.messages[i].topic = (struct outbox_bytes){"odd", 3};
    cr_assert_eq(obx_failpoints_arm("kafka.before_produce=error@33", &error), OUTBOX_OK, "%s", error.text);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    while (index < 64 && batch.outcomes[index] != OUTBOX_RETRY)
        index++;
    cr_assert_eq(obx_failpoints_arm(NULL, &error), OUTBOX_OK);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
    return index;
}

Test(kafka_mock, order_global_keeps_the_rows_in_order_over_all_topics)
{
    cr_assert_eq(index_of_33rd(OUTBOX_ORDER_GLOBAL), 32);
    cr_assert_leq(index_of_33rd(OUTBOX_ORDER_KEY), 1); /* the second topic begins */
}
