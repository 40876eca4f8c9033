/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/transaction_test.c - delivery: exactly-once against librdkafka's mock cluster: how a transaction
 * ends when a message, the record or the producer fails
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../brokers/kafka/broker.h"
#include "transaction_fixture.h"

/* librdkafka itself refuses the second of three events. */
static void publish_too_large(struct batch *batch)
{
    static char large[1100000];
    once_fill(batch, 1, 3);
    batch->messages[1].value = (struct outbox_bytes){large, sizeof large};
    fixture_publish(&once.broker, batch);
    cr_assert(fixture_wait(&once.broker, batch));
    cr_assert_eq(batch->outcomes[1], OUTBOX_REJECTED);
}

Test(kafka_transaction, rejected_event_ends_the_transaction_with_order_global)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_GLOBAL, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    publish_too_large(&batch);
    cr_assert_eq(once.broker.lost_count, 1);
    cr_assert_eq(batch.outcomes[0], OUTBOX_NOT_CONNECTED);
    cr_assert_eq(batch.outcomes[2], OUTBOX_NOT_CONNECTED);
    batch_free(&batch);
    MOCK_FIXTURE_END(&once);
}

Test(kafka_transaction, rejected_event_leaves_the_transaction_with_order_key)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    publish_too_large(&batch);
    cr_assert_eq(once.broker.lost_count, 0);
    cr_assert_eq(batch.outcomes[0], OUTBOX_DELIVERED);
    batch_free(&batch);
    MOCK_FIXTURE_END(&once);
}

/* A takeover is seen first by a message that fails. */
static void fence_at_a_message(rd_kafka_resp_err_t err)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    rd_kafka_mock_push_request_errors(once.mock.cluster, MOCK_PRODUCE, 1, err);
    once_fill(&batch, 1, 10);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    cr_assert(fixture_run_until(&once.broker, once_is_lost, &once.broker, FIXTURE_WAIT_MS));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    cr_assert_eq(fixture_count(&batch, OUTBOX_RETRY), 0, "a fence is no fault of the topic");
    cr_assert_eq(once.broker.lost_count, 1);
    cr_assert_eq(once.broker.lost_error.code, OUTBOX_E_FENCED, "%s", once.broker.lost_error.text);
    batch_free(&batch);
    MOCK_FIXTURE_END(&once);
}

Test(kafka_transaction, fence_that_a_message_meets_is_reported_as_one)
{
    fence_at_a_message(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    fence_at_a_message(RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
}

Test(kafka_transaction, fence_at_the_end_of_a_transaction_is_reported_as_one)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    rd_kafka_mock_push_request_errors(once.mock.cluster, MOCK_END_TXN, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    once_fill(&batch, 1, 10);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_UNKNOWN), 10);
    cr_assert_eq(once.broker.lost_error.code, OUTBOX_E_FENCED, "%s", once.broker.lost_error.text);
    batch_free(&batch);
    MOCK_FIXTURE_END(&once);
}

/* librdkafka repeats the request without an answer. The first one may still arrive, and end the next transaction. */
Test(kafka_transaction, producer_whose_end_was_sent_twice_is_not_used_again)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "socket.timeout.ms: 2000, request.timeout.ms: 2000");
    cr_assert_eq(once_publish(0, 1), 1);
    rd_kafka_mock_broker_push_request_error_rtts(once.mock.cluster, 1, MOCK_END_TXN, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 2 * FIXTURE_WAIT_MS);
    cr_assert_eq(once_publish(1, 10), 10);
    cr_assert(fixture_run_until(&once.broker, once_is_lost, &once.broker, FIXTURE_WAIT_MS));
    cr_assert(strstr(once.broker.lost_error.text, ", and its end was sent "), "%s", once.broker.lost_error.text);
    MOCK_FIXTURE_END(&once);
}

/* The coordinator completes the last commit. Each refusal makes the pause before a transaction longer. */
Test(kafka_transaction, transactions_go_on_after_refused_partitions)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    for (uint64_t i = 1; i <= 5; i++) {
        rd_kafka_mock_push_request_errors(once.mock.cluster, MOCK_ADD_PARTITIONS, 1,
                                          RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
        cr_assert_eq(once_publish(i * 10, 10), 10);
    }
    const struct kafka_broker *self = obx_instance_self(once.broker.instance);
    cr_assert_gt(self->transaction.pause.length_ns, 0);
    cr_assert_eq(fixture_stop(&once.broker), OUTBOX_OK); /* within the pause */
    fixture_must_start(&once.broker);
    cr_assert_eq(once_publish(60, 10), 10);
    cr_assert_eq(once.broker.lost_count, 0, "%s", once.broker.lost_error.text);
    MOCK_FIXTURE_END(&once);
}

Test(kafka_transaction, partition_of_another_relay_is_refused)
{
    char yaml[1024];
    struct fixture other = {0};
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    snprintf(yaml, sizeof yaml, "%s\ntransactional.id: stranger", once.mock.yaml);
    cr_assert_eq(fixture_open_exactly_once(&other, yaml), OUTBOX_OK, "%s", other.error.text);
    other.start = (struct outbox_broker_start){.struct_size = sizeof other.start, .epoch = 1, .outbox = "two"};
    cr_assert_eq(fixture_start(&other), OUTBOX_E_CONFIG, "%s", other.error.text);
    cr_assert(strstr(other.error.text, "it has records of transactional.id 'orders'"), "%s", other.error.text);
    cr_assert_eq(fixture_stop(&other), OUTBOX_OK);
    cr_assert_eq(fixture_close(&other), 0);
    MOCK_FIXTURE_END(&once);
}

/* All events fit into the queue and wait there for linger.ms; the record comes after 10 ms. */
Test(kafka_transaction, record_waits_for_room_in_a_full_queue)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "queue.buffering.max.messages: 10, linger.ms: 300");
    cr_assert_eq(once_publish(0, 1), 1);
    cr_assert_eq(once_publish(1, 10), 10);
    cr_assert_eq(once.broker.lost_count, 0, "%s", once.broker.lost_error.text);
    MOCK_FIXTURE_END(&once);
}

/* No report ever makes room. */
Test(kafka_transaction, stop_ends_the_wait_for_room_in_a_full_queue)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_KEY, 1, "queue.buffering.max.messages: 10, linger.ms: 300");
    cr_assert_eq(once_publish(0, 1), 1);
    rd_kafka_mock_broker_set_down(once.mock.cluster, 1);
    once_fill(&batch, 1, 10);
    fixture_publish(&once.broker, &batch);
    fixture_run_for(&once.broker, 100);
    cr_assert_eq(fixture_stop_within(&once.broker, 200), OUTBOX_OK);
    cr_assert_eq(batch.completed, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    rd_kafka_mock_broker_set_up(once.mock.cluster, 1);
    batch_free(&batch);
    MOCK_FIXTURE_END(&once);
}

static void start_with_epoch(uint64_t epoch, int expected)
{
    cr_assert_eq(fixture_stop(&once.broker), OUTBOX_OK);
    once.broker.start.epoch = epoch;
    cr_assert_eq(fixture_start(&once.broker), expected, "%s", once.broker.error.text);
}

/* A snapshot of the database was restored: the owner's epoch is lower than that of the record. */
Test(kafka_transaction, record_of_a_later_owner_fences_once)
{
    once_begin(OUTBOX_ORDER_KEY, 7, "");
    cr_assert_eq(once_publish(0, 10), 10);
    start_with_epoch(3, OUTBOX_E_FENCED);
    cr_assert_null(strstr(once.broker.logged, "the database lost commits"), "%s", once.broker.logged);
    start_with_epoch(3, OUTBOX_OK);
    cr_assert(strstr(once.broker.logged, "is of epoch 7, and this relay owns the outbox with epoch 3"), "%s",
              once.broker.logged);
    cr_assert_eq(once_publish(0, 20), 20);
    start_with_epoch(4, OUTBOX_OK);
    cr_assert_eq(once_publish(20, 10), 10);
    start_with_epoch(3, OUTBOX_E_FENCED); /* another record, another proof */
    MOCK_FIXTURE_END(&once);
}

/* ---- what has left the outbox ------------------------------------------------------------------------------------ */

static void report(enum outbox_record_what what, uint64_t first, uint32_t count)
{
    struct outbox_position positions[100];
    for (uint32_t i = 0; i < count; i++)
        positions[i] = (struct outbox_position){first + i + 1, 0};
    obx_broker_record(once.broker.instance, &(struct outbox_record){.struct_size = sizeof(struct outbox_record),
                                                                    .what = (uint32_t)what,
                                                                    .count = count,
                                                                    .positions = positions});
}

static int64_t awaited_records;

static bool has_records(void *arg)
{
    int64_t low, high = 0;
    rd_kafka_query_watermark_offsets(arg, "outbox-progress", 0, &low, &high, 1000);
    return high >= awaited_records;
}

static void wait_for_records(int64_t count)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(once.mock.cluster), text,
                      sizeof text);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    awaited_records = count;
    cr_assert(fixture_run_until(&once.broker, has_records, client, FIXTURE_WAIT_MS));
    rd_kafka_destroy(client);
    fixture_run_for(&once.broker, 50); /* the commit ends */
}

/* How many of these events does the record name? They are published by another owner. */
static uint32_t named(uint64_t epoch, uint64_t first, uint32_t count)
{
    struct batch batch;
    start_with_epoch(epoch, OUTBOX_OK);
    once_fill(&batch, first, count);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), count);
    uint32_t already = batch.already;
    batch_free(&batch);
    return already;
}

Test(kafka_transaction, idle_broker_writes_a_record_without_what_has_left_the_outbox)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 10), 10);
    cr_assert_eq(obx_instance_transactions(once.broker.instance).committed, 2); /* the first event is alone */
    cr_assert_eq(obx_instance_transactions(once.broker.instance).aborted, 0);
    report(OUTBOX_RECORD_SETTLED, 0, 10);
    wait_for_records(3); /* of the first event, of the others, of none */
    cr_assert_eq(named(2, 0, 10), 0);
    cr_assert_eq(once.broker.lost_count, 0, "%s", once.broker.lost_error.text);
    MOCK_FIXTURE_END(&once);
}

Test(kafka_transaction, what_was_settled_is_known_to_the_next_producer)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 10), 10);
    report(OUTBOX_RECORD_SETTLED, 0, 4);
    cr_assert_eq(fixture_stop(&once.broker), OUTBOX_OK);
    report(OUTBOX_RECORD_SETTLED, 4, 4);
    fixture_must_start(&once.broker);
    wait_for_records(3);
    cr_assert_eq(named(2, 0, 10), 2);
    MOCK_FIXTURE_END(&once);
}

Test(kafka_transaction, event_that_a_rewind_does_not_find_is_forgotten)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 10), 10);
    start_with_epoch(2, OUTBOX_OK); /* after a crash */
    report(OUTBOX_RECORD_REWIND, 0, 0);
    report(OUTBOX_RECORD_PRESENT, 6, 20);
    report(OUTBOX_RECORD_COMPLETE, 0, 0);
    wait_for_records(3);
    cr_assert_eq(named(3, 0, 10), 4);
    MOCK_FIXTURE_END(&once);
}

/* The database keeps their rows, and the relay reads the outbox again. */
Test(kafka_transaction, event_that_comes_again_with_a_rewind_is_not_sent_again)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 10), 10);
    report(OUTBOX_RECORD_REWIND, 0, 0);
    once_fill(&batch, 0, 20);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 20);
    cr_assert_eq(batch.already, 10);
    batch_free(&batch);
    MOCK_FIXTURE_END(&once);
}
