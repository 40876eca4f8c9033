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
static void begin_on(int brokers, uint32_t order, uint64_t epoch, const char *options)
{
    char yaml[1024];
    mock_open(&f.mock, brokers);
    mock_let_leaders_go(&f.mock);
    rd_kafka_mock_topic_create(f.mock.cluster, "outbox-progress", 1, 1);
    rd_kafka_mock_topic_create(f.mock.cluster, "open", 1, 1);
    snprintf(yaml, sizeof yaml, "%s\ntransactional.id: orders\noptions: {%s}", f.mock.yaml, options);
    cr_assert_eq(fixture_open_exactly_once(&f.broker, yaml), OUTBOX_OK, "%s", f.broker.error.text);
    f.broker.start = (struct outbox_broker_start){
        .struct_size = sizeof f.broker.start, .epoch = epoch, .outbox = "one", .order = order};
    fixture_must_start(&f.broker);
}

static void begin(uint32_t order, uint64_t epoch, const char *options)
{
    begin_on(1, order, epoch, options);
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

/* ---- what has left the outbox ------------------------------------------------------------------------------------ */

static void report(enum outbox_record_what what, uint64_t first, uint32_t count)
{
    struct outbox_position positions[100];
    for (uint32_t i = 0; i < count; i++)
        positions[i] = (struct outbox_position){first + i + 1, 0};
    obx_broker_record(f.broker.instance, &(struct outbox_record){.struct_size = sizeof(struct outbox_record),
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
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(f.mock.cluster), text, sizeof text);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    awaited_records = count;
    cr_assert(fixture_run_until(&f.broker, has_records, client, FIXTURE_WAIT_MS));
    rd_kafka_destroy(client);
    fixture_run_for(&f.broker, 50); /* the commit ends */
}

/* How many of these events does the record name? They are published by another owner. */
static uint32_t named(uint64_t epoch, uint64_t first, uint32_t count)
{
    struct batch batch;
    start_with_epoch(epoch, OUTBOX_OK);
    fill(&batch, first, count);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), count);
    uint32_t already = batch.already;
    batch_free(&batch);
    return already;
}

Test(kafka_transaction, idle_broker_writes_a_record_without_what_has_left_the_outbox)
{
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 10), 10);
    cr_assert_eq(obx_instance_transactions(f.broker.instance).committed, 2); /* the first event is alone */
    cr_assert_eq(obx_instance_transactions(f.broker.instance).aborted, 0);
    report(OUTBOX_RECORD_SETTLED, 0, 10);
    wait_for_records(3); /* of the first event, of the others, of none */
    cr_assert_eq(named(2, 0, 10), 0);
    cr_assert_eq(f.broker.lost_count, 0, "%s", f.broker.lost_error.text);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_transaction, what_was_settled_is_known_to_the_next_producer)
{
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 10), 10);
    report(OUTBOX_RECORD_SETTLED, 0, 4);
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    report(OUTBOX_RECORD_SETTLED, 4, 4);
    fixture_must_start(&f.broker);
    wait_for_records(3);
    cr_assert_eq(named(2, 0, 10), 2);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_transaction, event_that_a_rewind_does_not_find_is_forgotten)
{
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 10), 10);
    start_with_epoch(2, OUTBOX_OK); /* after a crash */
    report(OUTBOX_RECORD_REWIND, 0, 0);
    report(OUTBOX_RECORD_PRESENT, 6, 20);
    report(OUTBOX_RECORD_COMPLETE, 0, 0);
    wait_for_records(3);
    cr_assert_eq(named(3, 0, 10), 4);
    MOCK_FIXTURE_END(&f);
}

/* The database keeps their rows, and the relay reads the outbox again. */
Test(kafka_transaction, event_that_comes_again_with_a_rewind_is_not_sent_again)
{
    struct batch batch;
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 10), 10);
    report(OUTBOX_RECORD_REWIND, 0, 0);
    fill(&batch, 0, 20);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 20);
    cr_assert_eq(batch.already, 10);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* ---- topics in trouble ------------------------------------------------------------------------------------------- */

static void fill_two_topics(struct batch *batch, const char *topic, uint64_t first)
{
    fill(batch, first, 20);
    for (uint32_t i = 0; i < 20; i += 2)
        batch->messages[i].topic = (struct outbox_bytes){topic, strlen(topic)};
}

static void fill_topics(struct batch *batch, const char *topic, const char *other, uint64_t first)
{
    fill_two_topics(batch, topic, first);
    for (uint32_t i = 1; i < 20; i += 2)
        batch->messages[i].topic = (struct outbox_bytes){other, strlen(other)};
}

/* Others are not delayed, and the producer is not replaced. Then the topic works again. */
static void is_no_trouble_of_others(const char *topic, int code, const char *text, void (*mend)(const char *topic))
{
    struct batch batch;
    for (uint64_t round = 1; round < 8; round++) {
        fill_two_topics(&batch, topic, round * 100);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 10, "round %u: %u delivered, %u to be retried: %s",
                     (unsigned)round, fixture_count(&batch, OUTBOX_DELIVERED), fixture_count(&batch, OUTBOX_RETRY),
                     f.broker.lost_error.text);
        cr_assert_eq(fixture_count(&batch, OUTBOX_RETRY), 10);
        cr_assert_eq(batch.errors[18].code, code);
        cr_assert_str_eq(batch.errors[18].text, text);
        batch_free(&batch);
        fixture_run_for(&f.broker, 150);
    }
    cr_assert_eq(f.broker.lost_count, 0, "%s", f.broker.lost_error.text);
    mend(topic);
    for (uint32_t delivered = 0, tries = 0; delivered < 20; tries++) {
        cr_assert_lt(tries, 1000);
        fill_two_topics(&batch, topic, 1000 + tries * 20);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        delivered = fixture_count(&batch, OUTBOX_DELIVERED);
        batch_free(&batch);
        fixture_run_for(&f.broker, 20);
    }
    cr_assert_eq(f.broker.lost_count, 0, "%s", f.broker.lost_error.text);
    MOCK_FIXTURE_END(&f);
}

static void mend_error(const char *topic)
{
    rd_kafka_mock_topic_set_error(f.mock.cluster, topic, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void mend_leader(const char *topic)
{
    rd_kafka_mock_partition_set_leader(f.mock.cluster, topic, 0, 1);
}

Test(kafka_transaction, missing_topic_delays_no_other)
{
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 1), 1);
    rd_kafka_mock_topic_set_error(f.mock.cluster, "bad", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    is_no_trouble_of_others("bad", OUTBOX_E_NOT_FOUND,
                            "publish to topic 'bad': Broker: Unknown topic or partition; create it; its events wait",
                            mend_error);
}

Test(kafka_transaction, topic_without_a_leader_delays_no_other)
{
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 1), 1);
    rd_kafka_mock_topic_create(f.mock.cluster, "leaderless", 2, 1);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "leaderless", 0, -1);
    is_no_trouble_of_others("leaderless", OUTBOX_E_IO,
                            "publish to topic 'leaderless': Broker: Leader not available; its events wait",
                            mend_leader);
}

/* The messages in flight end their transaction; what follows does not. */
Test(kafka_transaction, topic_that_loses_its_leader_delays_others_once)
{
    struct batch batch;
    begin(OUTBOX_ORDER_KEY, 1, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "left", 1, 1);
    cr_assert_eq(publish(0, 1), 1);
    fill_two_topics(&batch, "left", 5000);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 20);
    batch_free(&batch);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "left", 0, -1);
    fill_two_topics(&batch, "left", 5100);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_run_until(&f.broker, is_lost, &f.broker, FIXTURE_WAIT_MS));
    cr_assert(strstr(f.broker.lost_error.text, "publish to topic 'left': Broker: Leader not available"), "%s",
              f.broker.lost_error.text);
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    batch_free(&batch);
    f.broker.lost_count = 0;
    fixture_must_start(&f.broker);
    is_no_trouble_of_others("left", OUTBOX_E_IO,
                            "publish to topic 'left': Broker: Leader not available; its events wait", mend_leader);
}

/* Messages of both are in flight: of a topic whose leader does not answer, and of one that has no leader. The other
 * broker answers questions about both. Whatever the order of the topics is. */
static void is_found_behind(const char *hanging, const char *without_leader)
{
    struct batch batch;
    const char *topics[] = {"outbox-progress", "open", hanging, without_leader};
    begin_on(2, OUTBOX_ORDER_KEY, 1, "socket.timeout.ms: 120000, transaction.timeout.ms: 200000");
    rd_kafka_mock_topic_create(f.mock.cluster, hanging, 1, 1);
    rd_kafka_mock_topic_create(f.mock.cluster, without_leader, 1, 1);
    for (int i = 0; i < 4; i++)
        rd_kafka_mock_partition_set_leader(f.mock.cluster, topics[i], 0, topics[i] == hanging ? 2 : 1);
    rd_kafka_mock_coordinator_set(f.mock.cluster, "transaction", "orders", 1);
    cr_assert_eq(publish(0, 1), 1);
    fill_topics(&batch, hanging, without_leader, 5000);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 20);
    batch_free(&batch);
    rd_kafka_mock_broker_push_request_error_rtts(f.mock.cluster, 2, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 2 * FIXTURE_WAIT_MS);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, without_leader, 0, -1);
    fill_topics(&batch, hanging, without_leader, 5100);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_run_until(&f.broker, is_lost, &f.broker, FIXTURE_WAIT_MS));
    cr_assert(strstr(f.broker.lost_error.text, without_leader), "%s", f.broker.lost_error.text);
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    cr_assert_gt(obx_instance_transactions(f.broker.instance).aborted, 0);
    batch_free(&batch);
    f.broker.lost_count = 0;
    fixture_must_start(&f.broker);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_transaction, topic_that_hangs_hides_no_other)
{
    is_found_behind("first", "second");
    is_found_behind("second", "first");
}

/* Metadata shows the topic, and its messages are refused: that costs a producer. Until the pause is over nothing is
 * tried, whatever is published. */
Test(kafka_transaction, forbidden_topic_is_not_tried_for_each_event)
{
    struct batch batch;
    begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(publish(0, 1), 1);
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    fill(&batch, 100, 50);
    for (uint32_t i = 0; i < 50; i++)
        batch.messages[i].topic = (struct outbox_bytes){"forbidden", 9};
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_PERMISSION, "%s", batch.errors[0].text);
    cr_assert_eq(f.broker.lost_count, 1);
    batch_free(&batch);
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    fixture_must_start(&f.broker);
    for (uint32_t delivered = 0, tries = 0; delivered < 20; tries++) {
        cr_assert_lt(tries, 1000);
        fill_two_topics(&batch, "forbidden", 1000 + tries * 20);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        delivered = fixture_count(&batch, OUTBOX_DELIVERED);
        cr_assert_geq(delivered, 10);
        batch_free(&batch);
        fixture_run_for(&f.broker, 20);
    }
    cr_assert_eq(f.broker.lost_count, 1);
    MOCK_FIXTURE_END(&f);
}
