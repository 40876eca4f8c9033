/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/outage_test.c - brokers that are down: at the start, in between, and at the end
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

static bool is_logged(void *arg)
{
    return strstr(f.t.logged, arg) != NULL;
}

Test(kafka_outage, events_wait_for_the_brokers)
{
    static char waits[] = "1 no broker answers, events wait: ";
    struct kt_batch batch;
    fixture_open(&f, "");
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    kt_batch_init(&batch, 100);
    kt_batch_fill(&batch, "t", 10, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_run_until(&f.t, is_logged, waits, KT_WAIT_MS));
    cr_assert_eq(batch.told, 0);
    rd_kafka_mock_broker_set_up(f.mock.cluster, 1);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 100);
    cr_assert(strstr(f.t.logged, "2 the brokers answer again\n"), "%s", f.t.logged);
    cr_assert_eq(f.t.losts, 0);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

/* The connection was lost while nothing was to be sent. */
Test(kafka_outage, an_outage_that_began_in_idleness_is_told_when_events_wait)
{
    static char waits[] = "1 no broker answers, events wait: ";
    struct kt_batch batch;
    fixture_open(&f, "");
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    kt_run_for(&f.t, 300);
    cr_assert_null(strstr(f.t.logged, waits), "%s", f.t.logged);
    kt_batch_init(&batch, 10);
    kt_batch_fill(&batch, "t", 10, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_run_until(&f.t, is_logged, waits, KT_WAIT_MS));
    rd_kafka_mock_broker_set_up(f.mock.cluster, 1);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert(strstr(f.t.logged, "2 the brokers answer again\n"), "%s", f.t.logged);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

Test(kafka_outage, stop_gives_up_at_its_deadline)
{
    struct kt_batch batch;
    fixture_open(&f, "options: {linger.ms: 0}");
    rd_kafka_mock_topic_create(f.mock.cluster, "t", 1, 1);
    rd_kafka_mock_broker_set_down(f.mock.cluster, 1);
    kt_batch_init(&batch, 100);
    kt_batch_fill(&batch, "t", 10, 0);
    kt_publish(&f.t, &batch);
    cr_assert_eq(kt_stop_within(&f.t, 100), OUTBOX_OK);
    cr_assert_eq(batch.dones, 1);
    cr_assert_eq(batch.told, 100);
    cr_assert_eq(kt_count(&batch, OUTBOX_NOT_CONNECTED), 100);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

/* What a broker has taken but not answered may be in its log: nobody knows. */
Test(kafka_outage, a_request_that_was_not_answered_is_unknown)
{
    struct kt_batch batch;
    fixture_open(&f, "");
    kt_batch_init(&batch, 1);
    kt_batch_fill(&batch, "t", 1, 0);
    kt_publish(&f.t, &batch);
    cr_assert(kt_wait(&f.t, &batch));
    rd_kafka_mock_broker_push_request_error_rtts(f.mock.cluster, 1, MOCK_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 5000);
    batch.dones = batch.told = 0;
    kt_publish(&f.t, &batch);
    kt_run_for(&f.t, 100);
    cr_assert_eq(kt_stop_within(&f.t, 100), OUTBOX_OK);
    cr_assert_eq(batch.outcomes[0], OUTBOX_UNKNOWN);
    cr_assert_eq(batch.errors[0].code, OUTBOX_E_UNKNOWN_OUTCOME);
    kt_batch_free(&batch);
    FIXTURE_END(&f);
}

Test(kafka_outage, start_says_why_no_broker_answers)
{
    struct kt t;
    cr_assert_eq(kt_open(&t, "bootstrap.servers: 127.0.0.1:1"), OUTBOX_OK);
    cr_assert_eq(kt_start(&t), OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(strncmp(t.error.text, "connect to 127.0.0.1:1: ", 24), 0, "%s", t.error.text);
    cr_assert(strstr(t.error.text, "Connection refused"), "%s", t.error.text);
    cr_assert_eq(kt_stop(&t), OUTBOX_OK);
    cr_assert_eq(kt_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(kafka_outage, start_can_be_given_up)
{
    struct kt t;
    cr_assert_eq(kt_open(&t, "bootstrap.servers: 127.0.0.1:1"), OUTBOX_OK);
    cr_assert_eq(kt_start_within(&t, 50), OUTBOX_E_TIMEOUT);
    cr_assert_eq(kt_stop(&t), OUTBOX_OK);
    cr_assert_eq(kt_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

static void note_done(struct obx_call *call, const struct outbox_error *error)
{
    (void)call;
    cr_assert_eq(error->code, OUTBOX_E_CANCELED);
}

Test(kafka_outage, stop_ends_a_start)
{
    struct kt t;
    struct obx_call call = {.done = note_done};
    cr_assert_eq(kt_open(&t, "bootstrap.servers: 127.0.0.1:1"), OUTBOX_OK);
    obx_broker_start(t.instance, &call, 0);
    cr_assert_eq(kt_stop(&t), OUTBOX_OK);
    cr_assert_not(obx_call_busy(&call));
    cr_assert_eq(kt_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}
