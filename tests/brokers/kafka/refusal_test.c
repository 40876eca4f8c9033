/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/refusal_test.c - batches that are refused, producers that end
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../../brokers/kafka/broker.h"
#include "fixture.h"

static struct fixture f;

static struct kafka_broker *plugin(void)
{
    return obx_instance_self(f.t.instance);
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

/* ---- batches ----------------------------------------------------------------------------------------------------- */

Test(kafka_refusal, a_record_refused_alone_is_rejected)
{
    struct kt_batch batch;
    fixture_open(&f, "");
    fixture_prove(&f, "t");
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

/* One poison record among many: the batch is refused, and sending them again one by one finds it. The linger makes them
 * one batch on a busy machine, too. */
Test(kafka_refusal, a_refused_batch_is_sent_again_one_by_one)
{
    struct kt_batch batch;
    fixture_open(&f, "options: {linger.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    fixture_prove(&f, "t");
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
    cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 2);
    cr_assert_eq(batch.outcomes[2], OUTBOX_REJECTED);
    cr_assert_eq(kt_count(&batch, OUTBOX_RETRY), 2); /* whether its key waits for it is the host's to say */
    cr_assert_eq(batch.errors[3].code, OUTBOX_E_AGAIN);
    kt_run_for(&f.t, 20);
    batch.publish.messages = &batch.messages[3];
    batch.publish.count = 2;
    batch.dones = 0;
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    kt_batch_free(&batch);
    char *content = mock_read(&f.mock, "t", 5);
    cr_assert_str_eq(content, "k0=999 k0=0 k0=1 k0=3 k0=4 ");
    free(content);
    FIXTURE_END(&f);
}

static void submit(struct kt_batch *batch, uint32_t count, uint64_t first)
{
    kt_batch_init(batch, count);
    kt_batch_fill(batch, "t", 1, first);
    for (uint32_t i = 0; first && first < 3 && i < count; i++) /* of another key */
        batch->messages[i].key = (struct outbox_bytes){"other", 5};
    kt_publish(&f.t, batch);
}

/* Publishes that stand in line were submitted before the host knew: nothing of the key may go with them either, however
 * long the line takes. */
Test(kafka_refusal, a_key_is_held_in_all_that_was_submitted_before_the_host_knew)
{
    struct kt_batch batch, first, between, later;
    fixture_open(&f, "options: {linger.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    fixture_prove(&f, "t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    submit(&batch, 9, 0);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(kt_count(&batch, OUTBOX_NOT_CONNECTED), 9);
    kt_batch_free(&batch);
    reconnect();

    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    submit(&first, 1, 0);
    submit(&between, 2, 1);
    submit(&later, 1, 3);
    cr_assert(kt_wait(&f.t, &later));
    cr_assert_eq(first.outcomes[0], OUTBOX_REJECTED);
    cr_assert_eq(kt_count(&between, OUTBOX_DELIVERED), 2);
    cr_assert_eq(later.outcomes[0], OUTBOX_RETRY);
    cr_assert_eq(later.errors[0].code, OUTBOX_E_AGAIN);
    kt_batch_free(&first);
    kt_batch_free(&later);
    kt_run_for(&f.t, 20);
    submit(&later, 1, 3); /* now the host knew, and sends it all the same */
    cr_assert(kt_wait(&f.t, &later));
    cr_assert_eq(later.outcomes[0], OUTBOX_DELIVERED);
    kt_batch_free(&between);
    kt_batch_free(&later);
    FIXTURE_END(&f);
}

/* ---- the producer ------------------------------------------------------------------------------------------------ */

Test(kafka_refusal, a_fatal_error_replaces_the_producer)
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

Test(kafka_refusal, what_is_published_to_a_lost_producer_comes_back_at_once)
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
Test(kafka_refusal, a_user_who_may_not_write_idempotently_is_told)
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
