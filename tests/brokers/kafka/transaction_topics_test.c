/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/transaction_topics_test.c - delivery: exactly-once against librdkafka's mock cluster: topics that
 * are missing, forbidden, without a leader, or without an answer
 */
#include <criterion/criterion.h>
#include <string.h>

#include "transaction_fixture.h"

static void fill_two_topics(struct batch *batch, const char *topic, uint64_t first)
{
    once_fill(batch, first, 20);
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
        fixture_publish(&once.broker, &batch);
        cr_assert(fixture_wait(&once.broker, &batch));
        cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 10, "round %u: %u delivered, %u to be retried: %s",
                     (unsigned)round, fixture_count(&batch, OUTBOX_DELIVERED), fixture_count(&batch, OUTBOX_RETRY),
                     once.broker.lost_error.text);
        cr_assert_eq(fixture_count(&batch, OUTBOX_RETRY), 10);
        cr_assert_eq(batch.errors[18].code, code);
        cr_assert_str_eq(batch.errors[18].text, text);
        batch_free(&batch);
        fixture_run_for(&once.broker, 150);
    }
    cr_assert_eq(once.broker.lost_count, 0, "%s", once.broker.lost_error.text);
    mend(topic);
    for (uint32_t delivered = 0, tries = 0; delivered < 20; tries++) {
        cr_assert_lt(tries, 1000);
        fill_two_topics(&batch, topic, 1000 + tries * 20);
        fixture_publish(&once.broker, &batch);
        cr_assert(fixture_wait(&once.broker, &batch));
        delivered = fixture_count(&batch, OUTBOX_DELIVERED);
        batch_free(&batch);
        fixture_run_for(&once.broker, 20);
    }
    cr_assert_eq(once.broker.lost_count, 0, "%s", once.broker.lost_error.text);
    MOCK_FIXTURE_END(&once);
}

static void mend_error(const char *topic)
{
    rd_kafka_mock_topic_set_error(once.mock.cluster, topic, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void mend_leader(const char *topic)
{
    rd_kafka_mock_partition_set_leader(once.mock.cluster, topic, 0, 1);
}

Test(kafka_transaction_topics, missing_topic_delays_no_other)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    rd_kafka_mock_topic_set_error(once.mock.cluster, "bad", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    is_no_trouble_of_others("bad", OUTBOX_E_NOT_FOUND,
                            "publish to topic 'bad': Broker: Unknown topic or partition; create it; its events wait",
                            mend_error);
}

Test(kafka_transaction_topics, topic_without_a_leader_delays_no_other)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    rd_kafka_mock_topic_create(once.mock.cluster, "leaderless", 2, 1);
    rd_kafka_mock_partition_set_leader(once.mock.cluster, "leaderless", 0, -1);
    is_no_trouble_of_others("leaderless", OUTBOX_E_IO,
                            "publish to topic 'leaderless': Broker: Leader not available; its events wait",
                            mend_leader);
}

/* The messages in flight end their transaction; what follows does not. */
Test(kafka_transaction_topics, topic_that_loses_its_leader_delays_others_once)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    rd_kafka_mock_topic_create(once.mock.cluster, "left", 1, 1);
    cr_assert_eq(once_publish(0, 1), 1);
    fill_two_topics(&batch, "left", 5000);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 20);
    batch_free(&batch);
    rd_kafka_mock_partition_set_leader(once.mock.cluster, "left", 0, -1);
    fill_two_topics(&batch, "left", 5100);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_run_until(&once.broker, once_is_lost, &once.broker, FIXTURE_WAIT_MS));
    cr_assert(strstr(once.broker.lost_error.text, "publish to topic 'left': Broker: Leader not available"), "%s",
              once.broker.lost_error.text);
    cr_assert_eq(fixture_stop(&once.broker), OUTBOX_OK);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    batch_free(&batch);
    once.broker.lost_count = 0;
    fixture_must_start(&once.broker);
    is_no_trouble_of_others("left", OUTBOX_E_IO,
                            "publish to topic 'left': Broker: Leader not available; its events wait", mend_leader);
}

/* Messages of two topics are in flight: the leader of one does not answer, and the other has no leader. Another broker
 * gives the metadata of both. The order of the two topics makes no difference. */
static void is_found_behind(const char *hanging, const char *without_leader)
{
    struct batch batch;
    const char *topics[] = {"outbox-progress", "open", hanging, without_leader};
    once_begin_on(2, OUTBOX_ORDER_KEY, 1, "socket.timeout.ms: 120000, transaction.timeout.ms: 200000");
    rd_kafka_mock_topic_create(once.mock.cluster, hanging, 1, 1);
    rd_kafka_mock_topic_create(once.mock.cluster, without_leader, 1, 1);
    for (int i = 0; i < 4; i++)
        rd_kafka_mock_partition_set_leader(once.mock.cluster, topics[i], 0, topics[i] == hanging ? 2 : 1);
    rd_kafka_mock_coordinator_set(once.mock.cluster, "transaction", "orders", 1);
    cr_assert_eq(once_publish(0, 1), 1);
    fill_topics(&batch, hanging, without_leader, 5000);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 20);
    batch_free(&batch);
    rd_kafka_mock_broker_push_request_error_rtts(once.mock.cluster, 2, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 2 * FIXTURE_WAIT_MS);
    rd_kafka_mock_partition_set_leader(once.mock.cluster, without_leader, 0, -1);
    fill_topics(&batch, hanging, without_leader, 5100);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_run_until(&once.broker, once_is_lost, &once.broker, FIXTURE_WAIT_MS));
    cr_assert(strstr(once.broker.lost_error.text, without_leader), "%s", once.broker.lost_error.text);
    cr_assert_eq(fixture_stop(&once.broker), OUTBOX_OK);
    cr_assert_gt(obx_instance_transactions(once.broker.instance).aborted, 0);
    batch_free(&batch);
    once.broker.lost_count = 0;
    fixture_must_start(&once.broker);
    MOCK_FIXTURE_END(&once);
}

Test(kafka_transaction_topics, topic_that_hangs_hides_no_other)
{
    is_found_behind("first", "second");
    is_found_behind("second", "first");
}

/* Metadata has the topic, and its messages are refused: that costs a producer. Until the pause is over no event of the
 * topic is tried. */
Test(kafka_transaction_topics, forbidden_topic_is_not_tried_for_each_event)
{
    struct batch batch;
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    cr_assert_eq(once_publish(0, 1), 1);
    rd_kafka_mock_push_request_errors(once.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    once_fill(&batch, 100, 50);
    for (uint32_t i = 0; i < 50; i++)
        batch.messages[i].topic = (struct outbox_bytes){"forbidden", 9};
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_PERMISSION, "%s", batch.errors[0].text);
    cr_assert_eq(once.broker.lost_count, 1);
    batch_free(&batch);
    cr_assert_eq(fixture_stop(&once.broker), OUTBOX_OK);
    fixture_must_start(&once.broker);
    for (uint32_t delivered = 0, tries = 0; delivered < 20; tries++) {
        cr_assert_lt(tries, 1000);
        fill_two_topics(&batch, "forbidden", 1000 + tries * 20);
        fixture_publish(&once.broker, &batch);
        cr_assert(fixture_wait(&once.broker, &batch));
        delivered = fixture_count(&batch, OUTBOX_DELIVERED);
        cr_assert_geq(delivered, 10);
        batch_free(&batch);
        fixture_run_for(&once.broker, 20);
    }
    cr_assert_eq(once.broker.lost_count, 1);
    MOCK_FIXTURE_END(&once);
}

/* ---- no answer --------------------------------------------------------------------------------------------------- */

static void hold_answers(int broker, uint32_t count)
{
    while (count--)
        rd_kafka_mock_broker_push_request_error_rtts(once.mock.cluster, broker, MOCK_PRODUCE, 1,
                                                     RD_KAFKA_RESP_ERR_NO_ERROR, 2 * FIXTURE_WAIT_MS);
}

/* Ten events without an answer cost the producer. Is the topic blamed, so that its events wait? */
static bool blames(const char *topic)
{
    static uint64_t first = 5000; /* the mock cluster shows the record of a transaction that was not committed */
    struct batch batch;
    once_fill(&batch, first += 100, 10);
    for (uint32_t i = 0; i < 10; i++)
        batch.messages[i].topic = (struct outbox_bytes){topic, strlen(topic)};
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_run_until(&once.broker, once_is_lost, &once.broker, FIXTURE_WAIT_MS), "%s", once.broker.logged);
    cr_assert_eq(fixture_stop(&once.broker), OUTBOX_OK);
    bool blamed = strstr(once.broker.logged, "; its events wait") != NULL;
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    cr_assert(blamed || fixture_count(&batch, OUTBOX_NOT_CONNECTED) == 10);
    batch_free(&batch);
    once.broker.lost_count = 0;
    fixture_must_start(&once.broker);
    return blamed;
}

/* A broker that was just started is slow. Else the keys of a whole backlog would wait, and be retried. */
Test(kafka_transaction_topics, topic_is_blamed_when_two_producers_in_a_row_have_no_answer)
{
    once_begin(OUTBOX_ORDER_KEY, 1, "");
    rd_kafka_mock_topic_create(once.mock.cluster, "slow", 1, 1);
    cr_assert_eq(once_publish(0, 1), 1);
    hold_answers(1, 1);
    cr_assert_not(blames("slow"));
    cr_assert_eq(once_publish(1, 10), 10);
    hold_answers(1, 1);
    cr_assert_not(blames("slow"), "a transaction was committed meanwhile");
    hold_answers(1, 1);
    cr_assert(blames("slow"), "%s", once.broker.logged);
    MOCK_FIXTURE_END(&once);
}

/* For 6 s: a new producer makes the next request 500 ms later, and each other one follows 500 ms after a failure. */
static void lose_coordinator(void)
{
    for (int i = 0; i < 12; i++)
        rd_kafka_mock_push_request_errors(once.mock.cluster, MOCK_FIND_COORDINATOR, 1,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
}

/* The other broker answers, so this is no outage; librdkafka reports one if it has lost the coordinator meanwhile. */
Test(kafka_transaction_topics, message_that_times_out_counts_as_no_answer)
{
    once_begin_on(2, OUTBOX_ORDER_KEY, 1, "socket.timeout.ms: 2000, transaction.timeout.ms: 6000");
    rd_kafka_mock_partition_set_leader(once.mock.cluster, "outbox-progress", 0, 1);
    rd_kafka_mock_partition_set_leader(once.mock.cluster, "open", 0, 2);
    rd_kafka_mock_coordinator_set(once.mock.cluster, "transaction", "orders", 1);
    cr_assert_eq(once_publish(0, 1), 1);
    lose_coordinator();
    hold_answers(2, 100);
    cr_assert_not(blames("open"));
    cr_assert(blames("open"), "%s", once.broker.logged);
    cr_assert_null(strstr(once.broker.logged, "no broker answers"), "%s", once.broker.logged);
    MOCK_FIXTURE_END(&once);
}
