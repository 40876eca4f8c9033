/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/outage_test.c - brokers that are down: at the start, in between, and at the end
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mock_fixture.h"

static struct mock_fixture f;

static bool is_logged(void *arg)
{
    return strstr(f.broker.logged, arg) != NULL;
}

Test(kafka_outage, events_wait_until_a_broker_answers)
{
    static char waits[] = "1 no broker answers, events wait: ";
    struct batch batch;
    mock_fixture_open(&f, "");
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    batch_init(&batch, 100);
    batch_fill(&batch, "t", 10, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_run_until(&f.broker, is_logged, waits, FIXTURE_WAIT_MS));
    cr_assert_eq(batch.reported, 0);
    rd_kafka_mock_broker_set_up(f.mock.cluster, 1);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 100);
    cr_assert(strstr(f.broker.logged, "2 the brokers answer again, after "), "%s", f.broker.logged);
    cr_assert_eq(f.broker.lost_count, 0);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* The connection was lost while nothing was to be sent. */
Test(kafka_outage, outage_that_began_while_idle_is_logged_when_events_wait)
{
    static char waits[] = "1 no broker answers, events wait: ";
    struct batch batch;
    mock_fixture_open(&f, "");
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    fixture_run_for(&f.broker, 300);
    cr_assert_null(strstr(f.broker.logged, waits), "%s", f.broker.logged);
    batch_init(&batch, 10);
    batch_fill(&batch, "t", 10, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_run_until(&f.broker, is_logged, waits, FIXTURE_WAIT_MS));
    rd_kafka_mock_broker_set_up(f.mock.cluster, 1);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert(strstr(f.broker.logged, "2 the brokers answer again, after "), "%s", f.broker.logged);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

static atomic_bool metadata_is_held, metadata_waits;

/* Replaces librdkafka's. The result of a request that was answered waits for the test. Any thread. */
rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all_topics, rd_kafka_topic_t *only,
                                      const struct rd_kafka_metadata **metadata, int within_ms)
{
    rd_kafka_resp_err_t (*request)(rd_kafka_t *, int, rd_kafka_topic_t *, const struct rd_kafka_metadata **, int) =
        NULL;
    *(void **)&request = dlsym(RTLD_NEXT, "rd_kafka_metadata");
    rd_kafka_resp_err_t err = request(rk, all_topics, only, metadata, within_ms);
    while (!err && atomic_load(&metadata_is_held)) {
        atomic_store(&metadata_waits, true);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return err;
}

/* The broker answered the last heartbeat, and ended before the loop had the result. */
Test(kafka_outage, heartbeat_that_was_answered_before_the_loss_ends_no_outage)
{
    static char waits[] = "1 no broker answers, events wait: ";
    struct batch batch;
    mock_fixture_open(&f, "");
    atomic_store(&metadata_is_held, true);
    for (int i = 0; i < FIXTURE_WAIT_MS / 10 && !atomic_load(&metadata_waits); i++)
        fixture_run_for(&f.broker, 10);
    cr_assert(atomic_load(&metadata_waits), "no heartbeat is answered");
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    fixture_run_for(&f.broker, 300);
    atomic_store(&metadata_is_held, false);
    fixture_run_for(&f.broker, 300);
    batch_init(&batch, 10);
    batch_fill(&batch, "t", 10, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_run_until(&f.broker, is_logged, waits, FIXTURE_WAIT_MS), "%s", f.broker.logged);
    rd_kafka_mock_broker_set_up(f.mock.cluster, 1);
    cr_assert(fixture_wait(&f.broker, &batch));
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_outage, stop_keeps_its_deadline)
{
    struct batch batch;
    mock_fixture_open(&f, "options: {linger.ms: 0}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    batch_init(&batch, 100);
    batch_fill(&batch, "t", 10, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert_eq(fixture_stop_within(&f.broker, 100), OUTBOX_OK);
    cr_assert_eq(batch.completed, 1);
    cr_assert_eq(batch.reported, 100);
    cr_assert_eq(fixture_count(&batch, OUTBOX_NOT_CONNECTED), 100);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

/* A broker that did not answer may have written the event. */
Test(kafka_outage, event_of_an_unanswered_request_is_unknown)
{
    struct batch batch;
    mock_fixture_open(&f, "");
    batch_init(&batch, 1);
    batch_fill(&batch, "t", 1, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_wait(&f.broker, &batch));
    rd_kafka_mock_broker_push_request_error_rtts(f.mock.cluster, 1, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 30000);
    batch.completed = batch.reported = 0;
    fixture_publish(&f.broker, &batch);
    fixture_run_for(&f.broker, 1000);
    cr_assert_eq(fixture_stop_within(&f.broker, 100), OUTBOX_OK);
    cr_assert_eq(batch.outcomes[0], OUTBOX_UNKNOWN);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_UNKNOWN_OUTCOME);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_outage, start_reports_why_no_broker_answers)
{
    struct fixture t;
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: 127.0.0.1:1"), OUTBOX_OK);
    cr_assert_eq(fixture_start(&t), OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(strncmp(t.error.text, "connect to 127.0.0.1:1: ", 24), 0, "%s", t.error.text);
    cr_assert(strstr(t.error.text, "Connection refused"), "%s", t.error.text);
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

static int start_at_last(struct fixture *t)
{
    int code = OUTBOX_E_NOT_CONNECTED;
    for (int i = 0; code == OUTBOX_E_NOT_CONNECTED && i < 20; i++)
        code = fixture_start(t); /* a starved machine may need more than the four seconds of one start */
    return code;
}

/* An address that leads to other brokers than before. */
Test(kafka_outage, another_cluster_than_before_is_logged)
{
    struct mock other;
    char yaml[256];
    mock_open(&f.mock, 1);
    mock_open(&other, 1);
    snprintf(yaml, sizeof yaml, "bootstrap.servers: \"%s,%s\"", rd_kafka_mock_cluster_bootstraps(f.mock.cluster),
             rd_kafka_mock_cluster_bootstraps(other.cluster));
    rd_kafka_mock_broker_set_down(other.cluster, 1);
    cr_assert_eq(fixture_open(&f.broker, yaml), OUTBOX_OK);
    cr_assert_eq(start_at_last(&f.broker), OUTBOX_OK);
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    cr_assert(!strstr(f.broker.logged, "another cluster"), "%s", f.broker.logged);
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    rd_kafka_mock_broker_set_up(other.cluster, 1);
    cr_assert_eq(start_at_last(&f.broker), OUTBOX_OK);
    cr_assert(strstr(f.broker.logged, " are of another cluster: mockCluster"), "%s", f.broker.logged);
    MOCK_FIXTURE_END(&f);
    mock_close(&other);
}

Test(kafka_outage, start_can_be_canceled)
{
    struct fixture t;
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: 127.0.0.1:1"), OUTBOX_OK);
    cr_assert_eq(fixture_start_within(&t, 50), OUTBOX_E_TIMEOUT);
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

static void note_done(struct obx_call *call, const struct outbox_error *error)
{
    (void)call;
    cr_assert_eq(error->code, OUTBOX_E_CANCELED);
}

Test(kafka_outage, stop_ends_a_start)
{
    struct fixture t;
    struct obx_call call = {.done = note_done};
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: 127.0.0.1:1"), OUTBOX_OK);
    obx_broker_start(t.instance, &call, 0, &obx_no_outbox);
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    cr_assert_not(obx_call_busy(&call));
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

static bool is_lost(void *arg)
{
    (void)arg;
    return f.broker.lost_count > 0;
}

Test(kafka_outage, dead_broker_is_noticed_with_nothing_to_send)
{
    mock_fixture_open(&f, "");
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    cr_assert(fixture_run_until(&f.broker, is_lost, NULL, FIXTURE_WAIT_MS));
    cr_assert_eq(f.broker.lost_error.code, OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(strncmp(f.broker.lost_error.text, "no broker answers: ", 19), 0, "%s", f.broker.lost_error.text);
    cr_assert(strstr(f.broker.lost_error.text, "refused") || strstr(f.broker.lost_error.text, "isconnected"), "%s",
              f.broker.lost_error.text);
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    rd_kafka_mock_broker_set_up(f.mock.cluster, 1);
    fixture_must_start(&f.broker);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_outage, idle_connection_to_a_living_broker_is_kept)
{
    mock_fixture_open(&f, "");
    fixture_run_for(&f.broker, 8000);
    cr_assert_eq(f.broker.lost_count, 0);
    MOCK_FIXTURE_END(&f);
}

/* The leader of a topic does not answer, while another broker does. */
Test(kafka_outage, warning_of_an_unreachable_leader_has_the_reason)
{
    static char waits[] = "no answer to its first event: ";
    struct batch batch;
    if (rd_kafka_version() >= 0x020a0000) /* 2.10 */
        cr_skip_test("the metadata of librdkafka's mock lack a broker that is down: no client tries its address");
    mock_open(&f.mock, 2);
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    rd_kafka_mock_partition_set_leader(f.mock.cluster, "t", 0, 2);
    rd_kafka_mock_broker_set_down(f.mock.cluster, 2);
    cr_assert_eq(fixture_open(&f.broker, f.mock.yaml), OUTBOX_OK);
    fixture_must_start(&f.broker);
    batch_init(&batch, 1);
    batch_fill(&batch, "t", 1, 0);
    fixture_publish(&f.broker, &batch);
    cr_assert(fixture_run_until(&f.broker, is_logged, waits, FIXTURE_WAIT_MS), "%s", f.broker.logged);
    cr_assert(strstr(f.broker.logged, "127.0.0.1:"), "%s", f.broker.logged);
    rd_kafka_mock_broker_set_up(f.mock.cluster, 2);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 1);
    batch_free(&batch);
    MOCK_FIXTURE_END(&f);
}
