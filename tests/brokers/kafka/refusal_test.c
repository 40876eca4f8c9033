/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/refusal_test.c - batches that are refused, producers that end
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../../brokers/kafka/broker.h"
#include "mock_fixture.h"

static struct mock_fixture f;

static struct kafka_broker *plugin(void)
{
    return obx_instance_self(f.broker.instance);
}

static void reconnect(void)
{
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    fixture_must_start(&f.broker);
}

static bool was_lost(void *arg)
{
    return ((struct fixture *)arg)->lost_count > 0;
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

Test(kafka_refusal, event_refused_alone_is_rejected)
{
    struct batch batch;
    mock_fixture_open(&f, "");
    mock_fixture_verify(&f, "t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    batch_init(&batch, 1);
    batch_fill(&batch, "t", 1, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(batch.outcomes[0], OUTBOX_REJECTED);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_REJECTED);
    cr_assert_eq(batch.errors[0].native, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    cr_assert_eq(f.broker.lost_count, 1); /* the gapless producer has ended */
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* One refused record among many: sending the batch again one by one finds it. The linger makes one batch on a busy
 * machine, too. */
Test(kafka_refusal, refused_batch_is_sent_again_one_by_one)
{
    struct batch batch;
    mock_fixture_open(&f, "options: {linger.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    mock_fixture_verify(&f, "t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    batch_init(&batch, 5);
    batch_fill(&batch, "t", 1, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_NOT_CONNECTED), 5);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_AGAIN);
    cr_assert_eq(f.broker.lost_count, 1);
    batch_free(&batch);
    reconnect();

    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 3, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    batch_init(&batch, 5);
    batch_fill(&batch, "t", 1, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 2);
    cr_assert_eq(batch.outcomes[2], OUTBOX_REJECTED);
    cr_assert_eq(fixture_count(&batch, OUTBOX_RETRY), 2); /* the host decides whether their key waits */
    cr_assert_eq(batch.errors[3].code, OUTBOX_E_AGAIN);
    fixture_run_for(&f.broker, 20);
    batch.publish.messages = &batch.messages[3];
    batch.publish.count = 2;
    batch.completed = 0;
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    batch_free(&batch);
    char *content = mock_read(&f.mock, "t", 5);
    cr_assert_str_eq(content, "k0=999 k0=0 k0=1 k0=3 k0=4 ");
    free(content);
    MOCK_FIXTURE_END(&f);
}

/* The mock cluster does not show settings: each event that may be refused is sent alone, through the probe producer. */
Test(kafka_refusal, hundreds_of_refusals_cost_one_producer)
{
    enum { COUNT = 200 };
    rd_kafka_resp_err_t errors[COUNT];
    struct batch batch;
    uint32_t rejected = 0;
    mock_fixture_open(&f, "");
    mock_fixture_verify(&f, "good");
    for (uint32_t i = 0; i < COUNT; i++)
        errors[i] = RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
    rd_kafka_mock_push_request_errors_array(f.mock.cluster, MOCK_PRODUCE, COUNT, errors);
    while (rejected < COUNT) {
        uint32_t lost = f.broker.lost_count;
        batch_init(&batch, COUNT - rejected);
        batch_fill(&batch, "bad", COUNT, rejected);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        rejected += fixture_count(&batch, OUTBOX_REJECTED);
        batch_free(&batch);
        if (f.broker.lost_count != lost)
            reconnect();
        cr_assert_leq(f.broker.lost_count, 1, "%u of %u", f.broker.lost_count, rejected);
    }
    mock_fixture_verify(&f, "good");
    MOCK_FIXTURE_END(&f);
}

/* Every second event is refused, for a reason that no setting explains. */
Test(kafka_refusal, refusals_between_deliveries_cost_one_producer)
{
    enum { COUNT = 100 };
    rd_kafka_resp_err_t errors[COUNT];
    struct batch batch;
    mock_fixture_open(&f, "");
    mock_fixture_verify(&f, "t");
    for (uint32_t i = 0; i < COUNT; i++)
        errors[i] = i % 2 ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
    rd_kafka_mock_push_request_errors_array(f.mock.cluster, MOCK_PRODUCE, COUNT, errors);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t lost = f.broker.lost_count;
        batch_init(&batch, 1);
        batch_fill(&batch, "t", 1, i);
        fixture_publish(&f.broker, &batch);
        cr_assert(fixture_wait(&f.broker, &batch));
        cr_assert_eq(batch.outcomes[0], i % 2 ? OUTBOX_DELIVERED : OUTBOX_REJECTED, "%u: %u %s", i, batch.outcomes[0],
                     batch.errors[0].text);
        batch_free(&batch);
        fixture_run_for(&f.broker, i == 2 ? 3500 : 2); /* the host knows of the failure; once: no settings are shown */
        if (f.broker.lost_count != lost)
            reconnect();
        cr_assert_leq(f.broker.lost_count, 1, "%u producers for %u events", f.broker.lost_count, i + 1);
    }
    MOCK_FIXTURE_END(&f);
}

static void submit(struct batch *batch, uint32_t count, uint64_t first)
{
    batch_init(batch, count);
    batch_fill(batch, "t", 1, first);
    for (uint32_t i = 0; first && first < 3 && i < count; i++) /* of another key */
        batch->messages[i].key = (struct outbox_bytes){"other", 5};
    fixture_publish(&f.broker, batch);
}

/* Queued publishes were submitted before the host knew: they must not send the key either, however long they wait. */
Test(kafka_refusal, key_is_blocked_in_every_publish_submitted_before_the_host_knew)
{
    struct batch batch, first, between, later;
    mock_fixture_open(&f, "options: {linger.ms: 50}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    mock_fixture_verify(&f, "t");
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    submit(&batch, 9, 0);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_NOT_CONNECTED), 9);
    batch_free(&batch);
    reconnect();

    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    submit(&first, 1, 0);
    submit(&between, 2, 1);
    submit(&later, 1, 3);
    cr_assert(fixture_wait(&f.broker, &later));
    cr_assert_eq(first.outcomes[0], OUTBOX_REJECTED);
    cr_assert_eq(fixture_count(&between, OUTBOX_DELIVERED), 2);
    cr_assert_eq(later.outcomes[0], OUTBOX_RETRY);
    cr_assert_eq(later.errors[0].code, OUTBOX_E_AGAIN);
    batch_free(&first);
    batch_free(&later);
    fixture_run_for(&f.broker, 20);
    submit(&later, 1, 3); /* the host knew, and sends it again */
    cr_assert(fixture_wait(&f.broker, &later));
    cr_assert_eq(later.outcomes[0], OUTBOX_DELIVERED);
    batch_free(&between);
    batch_free(&later);
    MOCK_FIXTURE_END(&f);
}

/* ---- the producer ------------------------------------------------------------------------------------------------ */

Test(kafka_refusal, fatal_error_replaces_the_producer)
{
    struct batch batch;
    mock_fixture_open(&f, "options: {linger.ms: 10000}");
    batch_init(&batch, 10);
    batch_fill(&batch, "t", 1, 0);
    fixture_publish(&f.broker, &batch);
    rd_kafka_test_fatal_error(plugin()->clients[KAFKA_MAIN].rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                              "made for a test");
    cr_assert(fixture_run_until(&f.broker, was_lost, &f.broker, FIXTURE_WAIT_MS));
    cr_assert_eq(f.broker.lost_error.code, OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(f.broker.lost_error.native, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_str_eq(f.broker.lost_error.text, "the producer failed for good, a new one is needed: "
                                               "OUT_OF_ORDER_SEQUENCE_NUMBER: test_fatal_error: made for a test");
    reconnect();
    cr_assert_eq(batch.completed, 1);
    cr_assert_eq(batch.reported, 10);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_refusal, publish_to_a_lost_producer_is_not_connected_at_once)
{
    struct batch batch;
    mock_fixture_open(&f, "");
    rd_kafka_test_fatal_error(plugin()->clients[KAFKA_MAIN].rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                              "made for a test");
    cr_assert(fixture_run_until(&f.broker, was_lost, &f.broker, FIXTURE_WAIT_MS));
    batch_init(&batch, 10);
    batch_fill(&batch, "t", 1, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_NOT_CONNECTED), 10);
    cr_assert_str_eq(batch.errors[0].text, "publish: the producer is being replaced");
    cr_assert_eq(f.broker.lost_count, 1);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* Found out while connecting, or right after it. */
Test(kafka_refusal, user_without_idempotent_write_gets_a_permission_error)
{
    mock_open(&f.mock, 1);
    rd_kafka_mock_push_request_errors(f.mock.cluster, MOCK_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    cr_assert_eq(fixture_open(&f.broker, f.mock.yaml), OUTBOX_OK);
    int code = fixture_start(&f.broker);
    if (!code) {
        cr_assert(fixture_run_until(&f.broker, was_lost, &f.broker, FIXTURE_WAIT_MS));
        cr_assert_eq(f.broker.lost_error.native, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    } else {
        cr_assert_eq(code, OUTBOX_E_PERMISSION, "%s", f.broker.error.text);
    }
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    fixture_must_start(&f.broker);
    MOCK_FIXTURE_END(&f);
}
