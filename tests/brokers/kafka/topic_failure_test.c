/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/topic_failure_test.c - topics that fail: at the first event, or with many in flight
 */
#include <criterion/criterion.h>
#include <string.h>

#include "mock_fixture.h"

static struct mock_fixture f;

static bool has_outcomes(void *arg)
{
    return ((struct batch *)arg)->reported > 0;
}

static void fails_alone(rd_kafka_resp_err_t err, int code, const char *text)
{
    struct batch batch;
    mock_fixture_open(&f, "options: {topic.metadata.propagation.max.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "good", 1, 1);
    rd_kafka_mock_topic_set_error(f.mock.cluster, "bad", err);
    batch_init(&batch, 20);
    for (uint32_t i = 0; i < 20; i++)
        batch_set(&batch, i, i % 2 ? "good" : "bad", "k", "v");
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(batch.error.code, 0);
    for (uint32_t i = 0; i < 20; i++)
        cr_assert_eq(batch.outcomes[i], i % 2 ? OUTBOX_DELIVERED : OUTBOX_RETRY, "message %u: %u", i,
                     batch.outcomes[i]);
    cr_assert_eq(batch.errors[0].code, code);
    cr_assert_eq(batch.errors[18].code, code);
    cr_assert_str_eq(batch.errors[18].text, text);
    cr_assert_eq(f.broker.lost_count, 0);
    batch_free(&batch);
}

Test(kafka_topic_failure, missing_topic_fails_alone_and_comes_back)
{
    fails_alone(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, OUTBOX_E_NOT_FOUND,
                "publish to topic 'bad': Broker: Unknown topic or partition; create it; its events wait");
    rd_kafka_mock_topic_set_error(f.mock.cluster, "bad", RD_KAFKA_RESP_ERR_NO_ERROR);
    for (uint32_t delivered = 0, tries = 0; !delivered; tries++) {
        struct batch batch;
        cr_assert_lt(tries, 1000);
        batch_init(&batch, 2);
        batch_fill(&batch, "bad", 1, 0);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        delivered = fixture_count(&batch, OUTBOX_DELIVERED);
        batch_free(&batch);
        fixture_run_for(&f.broker, 10);
    }
    cr_assert(strstr(f.broker.logged, "topic 'bad' takes events again"), "%s", f.broker.logged);
    MOCK_FIXTURE_END(&f);
}

/* The host learns of an outcome when the publish completes. An event that it submits before must not overtake. */
Test(kafka_topic_failure, key_is_blocked_until_the_host_knows)
{
    struct batch batches[2];
    mock_fixture_open(&f, "options: {topic.metadata.propagation.max.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "slow", 1, 1);
    rd_kafka_mock_topic_set_error(f.mock.cluster, "bad", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "slow", 0, -1);
    batch_init(&batches[0], 2);
    batch_set(&batches[0], 0, "slow", "k", "1");
    batch_set(&batches[0], 1, "bad", "k", "1");
    fixture_publish(&f.broker, &batches[0]);
    cr_assert(fixture_run_until(&f.broker, has_outcomes, &batches[0], FIXTURE_WAIT_MS));
    cr_assert_eq(batches[0].outcomes[1], OUTBOX_RETRY);
    cr_assert_eq(batches[0].completed, 0);
    batch_init(&batches[1], 1);
    batch_set(&batches[1], 0, "bad", "k", "2");
    fixture_publish(&f.broker, &batches[1]);
    cr_assert(fixture_wait(&f.broker, &batches[1]));
    cr_assert_eq(batches[1].outcomes[0], OUTBOX_RETRY);
    cr_assert_eq(batches[1].errors[0].code, OUTBOX_E_AGAIN);
    cr_assert_str_eq(batches[1].errors[0].text, "publish to topic 'bad': an earlier event of its key was not taken");
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "slow", 0, 1);
    cr_assert(fixture_wait(&f.broker, &batches[0]));
    cr_assert_eq(batches[0].outcomes[0], OUTBOX_DELIVERED);
    fixture_run_for(&f.broker, 20);
    batches[1].completed = batches[1].reported = 0;
    fixture_publish(&f.broker, &batches[1]);
    cr_assert(fixture_wait(&f.broker, &batches[1]));
    cr_assert_eq(batches[1].errors[0].code, OUTBOX_E_NOT_FOUND); /* it was tried */
    batch_free(&batches[0]);
    batch_free(&batches[1]);
    MOCK_FIXTURE_END(&f);
}

/* A topic without a leader must not delay the others: its first event waits, the rest gets RETRY. */
Test(kafka_topic_failure, topic_without_a_leader_delays_no_other)
{
    struct batch batches[2];
    mock_fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "leaderless", 1, 1);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "leaderless", 0, -1);
    batch_init(&batches[0], 2);
    batch_fill(&batches[0], "leaderless", 1, 0);
    batch_init(&batches[1], 2);
    batch_fill(&batches[1], "good", 1, 0);
    fixture_publish(&f.broker, &batches[0]);
    fixture_publish(&f.broker, &batches[1]);
    cr_assert(fixture_wait(&f.broker, &batches[1]));
    cr_assert_eq(fixture_count(&batches[1], OUTBOX_DELIVERED), 2);
    cr_assert_eq(batches[0].outcomes[0], 0);
    cr_assert_eq(batches[0].outcomes[1], OUTBOX_RETRY);
    cr_assert_eq(batches[0].errors[1].code, OUTBOX_E_AGAIN);
    cr_assert_str_eq(batches[0].errors[1].text,
                     "publish to topic 'leaderless': no answer to its first event; its events wait");
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "leaderless", 0, 1);
    cr_assert(fixture_wait(&f.broker, &batches[0]));
    cr_assert_eq(batches[0].outcomes[0], OUTBOX_DELIVERED);
    cr_assert(strstr(f.broker.logged, "topic 'leaderless' takes events again"), "%s", f.broker.logged);
    cr_assert_eq(f.broker.lost_count, 0);
    batch_free(&batches[0]);
    batch_free(&batches[1]);
    MOCK_FIXTURE_END(&f);
}

/* An open topic fails with many events in flight. No event may be written after the one that failed. */
static void fails_in_the_middle(rd_kafka_resp_err_t err, int code)
{
    struct batch batches[2];
    uint32_t failed = 1000;
    mock_fixture_open(&f, "options: {batch.num.messages: 10, linger.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    mock_fixture_verify(&f, "t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, err);
    for (uint32_t i = 0; i < 2; i++) {
        batch_init(&batches[i], 500);
        batch_fill(&batches[i], "t", 1, i * 500);
        fixture_publish(&f.broker, &batches[i]);
    }
    cr_assert(fixture_run_until(&f.broker, has_outcomes, &batches[0], FIXTURE_WAIT_MS));
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t outcome = batches[i / 500].outcomes[i % 500];
        if (outcome != OUTBOX_DELIVERED && failed == 1000)
            failed = i;
        cr_assert(i < failed || outcome != OUTBOX_DELIVERED, "message %u overtook message %u", i, failed);
    }
    cr_assert_lt(failed, 500);
    cr_assert_eq(batches[0].outcomes[failed], OUTBOX_RETRY);
    cr_assert_eq(batches[0].errors[failed].code, code);
    fixture_must_start(&f.broker);
    batch_free(&batches[0]);
    batch_free(&batches[1]);
}

Test(kafka_topic_failure, no_event_overtakes_a_forbidden_one)
{
    fails_in_the_middle(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, OUTBOX_E_PERMISSION);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_topic_failure, no_event_overtakes_an_event_that_failed_for_an_unknown_reason)
{
    fails_in_the_middle(RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, OUTBOX_E_IO);
    cr_assert_eq(f.broker.lost_count, 1);
    MOCK_FIXTURE_END(&f);
}
