/*
 * tests/kafka/trouble_test.c - topics that fail, batches that are refused, producers that end
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../brokers/kafka/broker.h"
#include "fixture.h"

static struct fixture f;

static struct obx_kafka *plugin(void)
{
    return obx_instance_self(f.t.instance);
}

/* Publish to a topic so that it counts as proven. */
static void prove(const char *topic)
{
    struct kt_batch batch;
    kt_batch_init(&batch, 1);
    kt_batch_fill(&batch, topic, 1, 999);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(batch.outcomes[0], OUTBOX_DELIVERED);
    kt_batch_free(&batch);
}

static void reconnect(void)
{
    cr_assert_eq(kt_stop(&f.t), OUTBOX_OK);
    cr_assert_eq(kt_start(&f.t), OUTBOX_OK, "%s", f.t.error.text);
}

static bool was_lost(void *arg)
{
    return ((struct kt *)arg)->losts > 0;
}

static bool was_told(void *arg)
{
    return ((struct kt_batch *)arg)->told > 0;
}

/* ---- topics -------------------------------------------------------------------------------------------------------- */

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
        cr_assert_eq(batch.outcomes[i], i % 2 ? OUTBOX_DELIVERED : OUTBOX_RETRY, "message %u: %u", i, batch.outcomes[i]);
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
    prove("slow");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
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
    cr_assert_str_eq(batches[0].errors[1].text, "publish to topic 'mute': no answer to its first event; its events wait");
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
    prove("t");
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

/* ---- batches ------------------------------------------------------------------------------------------------------- */

Test(kafka_trouble, a_record_refused_alone_is_rejected)
{
    struct kt_batch batch;
    fixture_open(&f, "");
    prove("t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    kt_batch_init(&batch, 1);
    kt_batch_fill(&batch, "t", 1, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(batch.outcomes[0], OUTBOX_REJECTED);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_REJECTED);
    cr_assert_eq(batch.errors[0].native, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    cr_assert_eq(f.t.losts, 1); /* the gapless producer has ended */
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

/* One poison record among many: the batch is refused, and sending them again one by one finds it. */
Test(kafka_trouble, a_refused_batch_is_sent_again_one_by_one)
{
    struct kt_batch batch;
    fixture_open(&f, "");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    prove("t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    kt_batch_init(&batch, 5);
    kt_batch_fill(&batch, "t", 1, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(kt_count(&batch, OUTBOX_NOT_CONNECTED), 5);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_AGAIN);
    cr_assert_eq(f.t.losts, 1);
    kt_batch_free(&batch);
    reconnect();

    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 3, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    kt_batch_init(&batch, 5);
    kt_batch_fill(&batch, "t", 1, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 4);
    cr_assert_eq(batch.outcomes[2], OUTBOX_REJECTED);
    kt_batch_free(&batch);
    char *content = mock_read(&f.mock, "t", 5);
    cr_assert_str_eq(content, "k0=999 k0=0 k0=1 k0=3 k0=4 ");
    free(content);
    FIXTURE_END(&f);
}

/* ---- the producer -------------------------------------------------------------------------------------------------- */

Test(kafka_trouble, a_fatal_error_replaces_the_producer)
{
    struct kt_batch batch;
    fixture_open(&f, "options: {linger.ms: 10000}");
    kt_batch_init(&batch, 10);
    kt_batch_fill(&batch, "t", 1, 0);
    kt_publish(&f.t, &batch);
    rd_kafka_test_fatal_error(plugin()->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "made for a test");
    cr_assert(kt_run_until(&f.t, was_lost, &f.t, KT_WAIT_MS));
    cr_assert_eq(f.t.lost_error.code, OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(f.t.lost_error.native, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_str_eq(f.t.lost_error.text, "the producer failed for good, a new one is needed: "
                                          "OUT_OF_ORDER_SEQUENCE_NUMBER: test_fatal_error: made for a test");
    reconnect();
    cr_assert_eq(batch.dones, 1);
    cr_assert_eq(batch.told, 10);
    cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 0);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

Test(kafka_trouble, what_is_published_to_a_lost_producer_comes_back_at_once)
{
    struct kt_batch batch;
    fixture_open(&f, "");
    rd_kafka_test_fatal_error(plugin()->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "made for a test");
    cr_assert(kt_run_until(&f.t, was_lost, &f.t, KT_WAIT_MS));
    kt_batch_init(&batch, 10);
    kt_batch_fill(&batch, "t", 1, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(kt_count(&batch, OUTBOX_NOT_CONNECTED), 10);
    cr_assert_str_eq(batch.errors[0].text, "publish: the producer is being replaced");
    cr_assert_eq(f.t.losts, 1);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

/* Found out while connecting, or right after it. */
Test(kafka_trouble, a_user_who_may_not_write_idempotently_is_told)
{
    mock_open(&f.mock, 1);
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    cr_assert_eq(kt_open(&f.t, f.mock.yaml), OUTBOX_OK);
    int code = kt_start(&f.t);
    if (!code) {
        cr_assert(kt_run_until(&f.t, was_lost, &f.t, KT_WAIT_MS));
        cr_assert_eq(f.t.lost_error.native, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    } else {
        cr_assert_eq(code, OUTBOX_E_PERMISSION, "%s", f.t.error.text);
    }
    cr_assert_eq(kt_stop(&f.t), OUTBOX_OK);
    cr_assert_eq(kt_start(&f.t), OUTBOX_OK, "%s", f.t.error.text);
    FIXTURE_END(&f);
}
