/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/transaction_test.c - delivery: exactly-once against librdkafka's mock cluster: how a transaction
 * ends when a message, the record or the producer fails
 *
 * The mock cluster answers the requests of transactions, and shows readers also what was not committed.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock_fixture.h"

static struct mock_fixture f;

/* A started broker, to which "open" is open. */
static void begin(uint32_t order, uint64_t epoch, const char *options)
{
    char yaml[1024];
    mock_open(&f.mock, 1);
    rd_kafka_mock_topic_create(f.mock.cluster, "outbox-progress", 1, 1);
    rd_kafka_mock_topic_create(f.mock.cluster, "open", 1, 1);
    snprintf(yaml, sizeof yaml, "%s\ntransactional.id: orders\noptions: {%s}", f.mock.yaml, options);
    cr_assert_eq(fixture_open_exactly_once(&f.broker, yaml), OUTBOX_OK, "%s", f.broker.error.text);
    f.broker.start = (struct outbox_broker_start){
        .struct_size = sizeof f.broker.start, .epoch = epoch, .outbox = "one", .order = order};
    cr_assert_eq(fixture_start(&f.broker), OUTBOX_OK, "%s", f.broker.error.text);
}

/* Positions, ids and values are the numbers of the events. */
static void fill(struct batch *batch, uint64_t first, uint32_t count)
{
    batch_init(batch, count);
    batch_fill(batch, "open", 1, first);
    for (uint32_t i = 0; i < count; i++) {
        batch->messages[i].position.major = first + i + 1;
        batch->messages[i].id = batch->messages[i].value;
    }
}

static uint32_t publish(uint64_t first, uint32_t count)
{
    struct batch batch;
    fill(&batch, first, count);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    uint32_t delivered = fixture_count(&batch, OUTBOX_DELIVERED);
    batch_free(&batch);
    return delivered;
}

/* librdkafka itself refuses the second of three events. */
static void publish_too_large(struct batch *batch)
{
    static char large[1100000];
    fill(batch, 1, 3);
    batch->messages[1].value = (struct outbox_bytes){large, sizeof large};
    fixture_publish(&f.broker, batch);
    cr_assert(fixture_wait(&f.broker, batch));
    cr_assert_eq(batch->outcomes[1], OUTBOX_REJECTED);
}

Test(kafka_transaction, rejected_event_ends_the_transaction_with_order_global)
{
    struct batch batch;
    begin(OUTBOX_ORDER_GLOBAL, 1, "");
    cr_assert_eq(publish(0, 1), 1);
    publish_too_large(&batch);
    cr_assert_eq(f.broker.lost_count, 1);
    cr_assert_eq(batch.outcomes[0], OUTBOX_NOT_CONNECTED);
    cr_assert_eq(batch.outcomes[2], OUTBOX_NOT_CONNECTED);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_transaction, rejected_event_leaves_the_transaction_with_order_key)
{
    struct batch batch;
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 1), 1);
    publish_too_large(&batch);
    cr_assert_eq(f.broker.lost_count, 0);
    cr_assert_eq(batch.outcomes[0], OUTBOX_DELIVERED);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

static bool is_lost(void *arg)
{
    return ((struct fixture *)arg)->lost_count > 0;
}

/* A takeover is seen first by a message that fails. */
static void fence_at_a_message(rd_kafka_resp_err_t err)
{
    struct batch batch;
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 1), 1);
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, err);
    fill(&batch, 1, 10);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert(fixture_run_until(&f.broker, is_lost, &f.broker, FIXTURE_WAIT_MS));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    cr_assert_eq(fixture_count(&batch, OUTBOX_RETRY), 0, "a fence is no fault of the topic");
    cr_assert_eq(f.broker.lost_count, 1);
    cr_assert_eq(f.broker.lost_error.code, OUTBOX_E_FENCED, "%s", f.broker.lost_error.text);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_transaction, fence_that_a_message_meets_is_reported_as_one)
{
    fence_at_a_message(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    fence_at_a_message(RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
}

Test(kafka_transaction, fence_at_the_end_of_a_transaction_is_reported_as_one)
{
    struct batch batch;
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 1), 1);
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_END_TXN, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    fill(&batch, 1, 10);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_UNKNOWN), 10);
    cr_assert_eq(f.broker.lost_error.code, OUTBOX_E_FENCED, "%s", f.broker.lost_error.text);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* All events fit into the queue and wait there for linger.ms; the record comes after 10 ms. */
Test(kafka_transaction, record_waits_for_room_in_a_full_queue)
{
    begin(OUTBOX_ORDER_KEY, 1, "queue.buffering.max.messages: 10, linger.ms: 300");
    cr_assert_eq(publish(0, 1), 1);
    cr_assert_eq(publish(1, 10), 10);
    cr_assert_eq(f.broker.lost_count, 0, "%s", f.broker.lost_error.text);
    MOCK_FIXTURE_END(&f);
}

/* No report ever makes room. */
Test(kafka_transaction, stop_ends_the_wait_for_room_in_a_full_queue)
{
    struct batch batch;
    begin(OUTBOX_ORDER_KEY, 1, "queue.buffering.max.messages: 10, linger.ms: 300");
    cr_assert_eq(publish(0, 1), 1);
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    fill(&batch, 1, 10);
    fixture_publish(&f.broker, &batch);
    fixture_run_for(&f.broker, 100);
    cr_assert_eq(fixture_stop_within(&f.broker, 200), OUTBOX_OK);
    cr_assert_eq(batch.completed, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    rd_kafka_mock_broker_set_up(f.mock.cluster, 1);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

static void start_with_epoch(uint64_t epoch, int expected)
{
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    f.broker.start.epoch = epoch;
    cr_assert_eq(fixture_start(&f.broker), expected, "%s", f.broker.error.text);
}

/* A snapshot of the database was restored: the owner's epoch is lower than that of the record. */
Test(kafka_transaction, record_of_a_later_owner_fences_once)
{
    begin(OUTBOX_ORDER_KEY, 7, "");
    cr_assert_eq(publish(0, 10), 10);
    start_with_epoch(3, OUTBOX_E_FENCED);
    cr_assert_null(strstr(f.broker.logged, "the database lost commits"), "%s", f.broker.logged);
    start_with_epoch(3, OUTBOX_OK);
    cr_assert(strstr(f.broker.logged, "is of epoch 7, and this relay owns the outbox with epoch 3"), "%s",
              f.broker.logged);
    cr_assert_eq(publish(0, 20), 20);
    start_with_epoch(4, OUTBOX_OK);
    cr_assert_eq(publish(20, 10), 10);
    start_with_epoch(3, OUTBOX_E_FENCED); /* another record, another proof */
    MOCK_FIXTURE_END(&f);
}
