/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/error_test.c - what errors mean: the table of docs/KAFKA.md */
#include <criterion/criterion.h>

#include "../../../brokers/kafka/broker.h"

static void judged(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status, uint32_t outcome, int code,
                   enum kafka_scope scope)
{
    struct kafka_verdict verdict = kafka_judge(err, status);
    cr_assert_eq(verdict.outcome, outcome, "%s: outcome %u", rd_kafka_err2name(err), verdict.outcome);
    cr_assert_eq(verdict.code, code, "%s: code %d", rd_kafka_err2name(err), verdict.code);
    cr_assert_eq(verdict.scope, scope, "%s: scope %d", rd_kafka_err2name(err), (int)verdict.scope);
}

#define NOT_SENT RD_KAFKA_MSG_STATUS_NOT_PERSISTED
#define MAYBE RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED

Test(kafka_error, no_error_is_delivered)
{
    cr_assert_eq(kafka_judge(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED).outcome, OUTBOX_DELIVERED);
}

Test(kafka_error, what_an_event_is_to_blame_for_is_rejected)
{
    judged(RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_EVENT);
    judged(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_EVENT);
}

Test(kafka_error, what_a_batch_is_refused_for_is_some_events_fault)
{
    judged(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_BATCH);
    judged(RD_KAFKA_RESP_ERR_INVALID_RECORD, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_BATCH);
    judged(RD_KAFKA_RESP_ERR_INVALID_MSG, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_CORRUPT, KAFKA_BATCH);
}

Test(kafka_error, a_missing_or_forbidden_topic_costs_no_attempts)
{
    judged(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND, KAFKA_TOPIC);
    judged(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND, KAFKA_TOPIC);
    judged(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_PERMISSION, KAFKA_TOPIC);
}

Test(kafka_error, what_may_have_been_written_is_unknown_whatever_the_error)
{
    judged(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, MAYBE, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME, KAFKA_PRODUCER);
    judged(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, MAYBE, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME, KAFKA_PRODUCER);
    judged(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, MAYBE, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME,
           KAFKA_PRODUCER);
}

Test(kafka_error, what_the_producer_never_sent_goes_with_the_next_one)
{
    judged(RD_KAFKA_RESP_ERR__PURGE_QUEUE, NOT_SENT, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED, KAFKA_PRODUCER);
    judged(RD_KAFKA_RESP_ERR__FATAL, NOT_SENT, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED, KAFKA_PRODUCER);
}

Test(kafka_error, an_error_of_the_broker_that_nobody_knows_is_tried_again_with_a_count)
{
    judged(RD_KAFKA_RESP_ERR_UNKNOWN, NOT_SENT, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED, KAFKA_PRODUCER);
    judged((rd_kafka_resp_err_t)999, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_IO, KAFKA_TOPIC);
}

Test(kafka_error, a_refused_login_is_a_matter_of_permission)
{
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__AUTHENTICATION), OUTBOX_E_PERMISSION);
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__SSL), OUTBOX_E_PERMISSION);
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__TRANSPORT), OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__RESOLVE), OUTBOX_E_NOT_CONNECTED);
}
