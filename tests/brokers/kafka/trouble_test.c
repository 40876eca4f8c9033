/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/trouble_test.c - topics that fail: alone, one after the other, in the middle
 */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

static bool was_told(void *arg)
{
    return ((struct kt_batch *)arg)->told > 0;
}

static void fails_alone(rd_kafka_resp_err_t err, int code, const char *text)
{
    struct kt_batch batch;
    fixture_open(&f, "options: {topic.metadata.propagation.max.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "good", 1, 1);
    rd_kafka_mock_topic_set_error(f.mock.cluster, "bad", err);
    kt_batch_init(&batch, 20);
    for (uint32_t i = 0; i < 20; i++)
        kt_batch_set(&batch, i, i % 2 ? "good" : "bad", "k", "v");
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(batch.error.code, 0);
    for (uint32_t i = 0; i < 20; i++)
        cr_assert_eq(batch.outcomes[i], i % 2 ? OUTBOX_DELIVERED : OUTBOX_RETRY, "message %u: %u", i,
                     batch.outcomes[i]);
    cr_assert_eq(batch.errors[0].code, code);
    cr_assert_eq(batch.errors[18].code, code);
    cr_assert_str_eq(batch.errors[18].text, text);
    cr_assert_eq(f.t.losts, 0);
    kt_batch_free(&batch);
}

Test(kafka_trouble, a_missing_topic_fails_alone_and_comes_back)
{
    fails_alone(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, OUTBOX_E_NOT_FOUND,
                "publish to topic 'bad': Broker: Unknown topic or partition; create it; its events wait");
    rd_kafka_mock_topic_set_error(f.mock.cluster, "bad", RD_KAFKA_RESP_ERR_NO_ERROR);
    for (uint32_t delivered = 0, tries = 0; !delivered; tries++) {
        struct kt_batch batch;
        cr_assert_lt(tries, 1000);
        kt_batch_init(&batch, 2);
        kt_batch_fill(&batch, "bad", 1, 0);
        kt_publish(&f.t, &batch);
        cr_assert(kt_wait(&f.t, &batch));
        delivered = kt_count(&batch, OUTBOX_DELIVERED);
        kt_batch_free(&batch);
        kt_run_for(&f.t, 10);
    }
    cr_assert(strstr(f.t.logged, "topic 'bad' takes events again"), "%s", f.t.logged);
    FIXTURE_END(&f);
}

/* The host hears of an outcome when the publish completes: what it submits before that must not overtake. */
Test(kafka_trouble, a_key_is_held_until_the_host_knows)
{
    struct kt_batch batches[2];
    fixture_open(&f, "options: {topic.metadata.propagation.max.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "slow", 1, 1);
    rd_kafka_mock_topic_set_error(f.mock.cluster, "bad", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "slow", 0, -1);
    kt_batch_init(&batches[0], 2);
    kt_batch_set(&batches[0], 0, "slow", "k", "1");
    kt_batch_set(&batches[0], 1, "bad", "k", "1");
    kt_publish(&f.t, &batches[0]);
    cr_assert(kt_run_until(&f.t, was_told, &batches[0], KT_WAIT_MS));
    cr_assert_eq(batches[0].outcomes[1], OUTBOX_RETRY);
    cr_assert_eq(batches[0].dones, 0);
    kt_batch_init(&batches[1], 1);
    kt_batch_set(&batches[1], 0, "bad", "k", "2");
    kt_publish(&f.t, &batches[1]);
    cr_assert(kt_wait(&f.t, &batches[1]));
    cr_assert_eq(batches[1].outcomes[0], OUTBOX_RETRY);
    cr_assert_eq(batches[1].errors[0].code, OUTBOX_E_AGAIN);
    cr_assert_str_eq(batches[1].errors[0].text, "publish to topic 'bad': an earlier event of its key was not taken");
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "slow", 0, 1);
    cr_assert(kt_wait(&f.t, &batches[0]));
    cr_assert_eq(batches[0].outcomes[0], OUTBOX_DELIVERED);
    kt_run_for(&f.t, 20);
    batches[1].dones = batches[1].told = 0;
    kt_publish(&f.t, &batches[1]);
    cr_assert(kt_wait(&f.t, &batches[1]));
    cr_assert_eq(batches[1].errors[0].code, OUTBOX_E_NOT_FOUND); /* it was tried */
    kt_batch_free(&batches[0]);
    kt_batch_free(&batches[1]);
    FIXTURE_END(&f);
}

/* A topic without a leader must not hold up the others: its first event waits, the rest is told to come later. */
Test(kafka_trouble, a_topic_that_does_not_answer_holds_up_no_other)
{
    struct kt_batch batches[2];
    fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "mute", 1, 1);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "mute", 0, -1);
    kt_batch_init(&batches[0], 2);
    kt_batch_fill(&batches[0], "mute", 1, 0);
    kt_batch_init(&batches[1], 2);
    kt_batch_fill(&batches[1], "good", 1, 0);
    kt_publish(&f.t, &batches[0]);
    kt_publish(&f.t, &batches[1]);
    cr_assert(kt_wait(&f.t, &batches[1]));
    cr_assert_eq(kt_count(&batches[1], OUTBOX_DELIVERED), 2);
    cr_assert_eq(batches[0].outcomes[0], 0);
    cr_assert_eq(batches[0].outcomes[1], OUTBOX_RETRY);
    cr_assert_eq(batches[0].errors[1].code, OUTBOX_E_AGAIN);
    cr_assert_str_eq(batches[0].errors[1].text,
                     "publish to topic 'mute': no answer to its first event; its events wait");
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "mute", 0, 1);
    cr_assert(kt_wait(&f.t, &batches[0]));
    cr_assert_eq(batches[0].outcomes[0], OUTBOX_DELIVERED);
    cr_assert(strstr(f.t.logged, "topic 'mute' takes events again"), "%s", f.t.logged);
    cr_assert_eq(f.t.losts, 0);
    kt_batch_free(&batches[0]);
    kt_batch_free(&batches[1]);
    FIXTURE_END(&f);
}

/* A proven topic fails with much of it in flight. Nothing may be written after what failed. */
static void fails_in_the_middle(rd_kafka_resp_err_t err, int code)
{
    struct kt_batch batches[2];
    uint32_t failed = 1000;
    fixture_open(&f, "options: {batch.num.messages: 10, linger.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    fixture_prove(&f, "t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, err);
    for (uint32_t i = 0; i < 2; i++) {
        kt_batch_init(&batches[i], 500);
        kt_batch_fill(&batches[i], "t", 1, i * 500);
        kt_publish(&f.t, &batches[i]);
    }
    cr_assert(kt_run_until(&f.t, was_told, &batches[0], KT_WAIT_MS));
    cr_assert_eq(kt_stop(&f.t), OUTBOX_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t outcome = batches[i / 500].outcomes[i % 500];
        if (outcome != OUTBOX_DELIVERED && failed == 1000)
            failed = i;
        cr_assert(i < failed || outcome != OUTBOX_DELIVERED, "message %u overtook message %u", i, failed);
    }
    cr_assert_lt(failed, 500);
    cr_assert_eq(batches[0].outcomes[failed], OUTBOX_RETRY);
    cr_assert_eq(batches[0].errors[failed].code, code);
    cr_assert_eq(kt_start(&f.t), OUTBOX_OK);
    kt_batch_free(&batches[0]);
    kt_batch_free(&batches[1]);
}

Test(kafka_trouble, nothing_overtakes_what_was_forbidden)
{
    fails_in_the_middle(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, OUTBOX_E_PERMISSION);
    FIXTURE_END(&f);
}

Test(kafka_trouble, nothing_overtakes_what_failed_for_an_unknown_reason)
{
    fails_in_the_middle(RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, OUTBOX_E_IO);
    cr_assert_eq(f.t.losts, 1);
    FIXTURE_END(&f);
}
