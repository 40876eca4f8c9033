/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/error_test.c - the meaning of errors: the table of docs/KAFKA.md */
#include <criterion/criterion.h>

#include "../../../brokers/kafka/error.h"

static void classified(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status, uint32_t outcome, int code,
                       enum kafka_fault fault)
{
    struct kafka_verdict verdict = kafka_classify(err, status, false);
    cr_assert_eq(verdict.outcome, outcome, "%s: outcome %u", rd_kafka_err2name(err), verdict.outcome);
    cr_assert_eq(verdict.code, code, "%s: code %d", rd_kafka_err2name(err), verdict.code);
    cr_assert_eq(verdict.fault, fault, "%s: fault %d", rd_kafka_err2name(err), (int)verdict.fault);
}

#define NOT_SENT RD_KAFKA_MSG_STATUS_NOT_PERSISTED
#define MAYBE RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED

Test(kafka_error, text_about_a_connection_has_no_counts_and_what_to_do)
{
    char text[200], cut[12];
    kafka_connect_text("ssl://b:9093/1: Connect to ipv4#10.0.0.1:9093 failed: Connection refused (after 3ms in state "
                       "CONNECT, 1 identical error(s) suppressed)",
                       text, sizeof text);
    cr_assert_str_eq(text, "ssl://b:9093/1: Connect to ipv4#10.0.0.1:9093 failed: Connection refused; start the broker "
                           "there, or correct bootstrap.servers");
    kafka_connect_text("SSL handshake failed: certificate verify failed: (after 9ms in state SSL_HANDSHAKE)", text,
                       sizeof text);
    cr_assert_str_eq(text, "SSL handshake failed: certificate verify failed:; or the certificate has expired: see "
                           "openssl s_client -connect");
    kafka_connect_text("Disconnected", cut, sizeof cut);
    cr_assert_str_eq(cut, "Disconnecte");
}

Test(kafka_error, message_without_error_is_delivered)
{
    cr_assert_eq(kafka_classify(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED, false).outcome,
                 OUTBOX_DELIVERED);
}

Test(kafka_error, event_that_can_never_be_written_is_rejected)
{
    classified(RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_FAULT_EVENT);
    classified(RD_KAFKA_RESP_ERR__INVALID_ARG, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_FAULT_EVENT);
}

/* A topic that was deleted and created again has no partitions, or fewer, for a moment. */
Test(kafka_error, unknown_partition_is_the_topics_fault_unless_the_event_chose_it)
{
    classified(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND, KAFKA_FAULT_TOPIC);
    struct kafka_verdict verdict = kafka_classify(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NOT_SENT, true);
    cr_assert_eq(verdict.outcome, OUTBOX_REJECTED);
    cr_assert_eq(verdict.fault, KAFKA_FAULT_EVENT);
}

Test(kafka_error, refused_batch_is_the_fault_of_one_of_its_events)
{
    classified(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_FAULT_BATCH);
    classified(RD_KAFKA_RESP_ERR_INVALID_RECORD, NOT_SENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_FAULT_BATCH);
    classified(RD_KAFKA_RESP_ERR_INVALID_MSG, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_CORRUPT, KAFKA_FAULT_BATCH);
}

Test(kafka_error, missing_or_forbidden_topic_costs_no_attempts)
{
    classified(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND, KAFKA_FAULT_TOPIC);
    classified(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND, KAFKA_FAULT_TOPIC);
    classified(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_PERMISSION,
               KAFKA_FAULT_TOPIC);
}

Test(kafka_error, message_that_may_be_written_is_unknown_for_every_error)
{
    classified(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, MAYBE, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME,
               KAFKA_FAULT_PRODUCER);
    classified(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, MAYBE, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME,
               KAFKA_FAULT_PRODUCER);
    classified(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, MAYBE, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME,
               KAFKA_FAULT_PRODUCER);
}

Test(kafka_error, message_that_was_never_sent_is_not_connected)
{
    classified(RD_KAFKA_RESP_ERR__PURGE_QUEUE, NOT_SENT, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED,
               KAFKA_FAULT_PRODUCER);
    classified(RD_KAFKA_RESP_ERR__FATAL, NOT_SENT, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED, KAFKA_FAULT_PRODUCER);
}

Test(kafka_error, unknown_broker_error_is_retried_and_counted)
{
    classified(RD_KAFKA_RESP_ERR_UNKNOWN, NOT_SENT, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED, KAFKA_FAULT_PRODUCER);
    classified((rd_kafka_resp_err_t)999, NOT_SENT, OUTBOX_RETRY, OUTBOX_E_IO, KAFKA_FAULT_TOPIC);
}

Test(kafka_error, refused_login_is_a_permission_error)
{
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__AUTHENTICATION), OUTBOX_E_PERMISSION);
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__SSL), OUTBOX_E_PERMISSION);
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__TRANSPORT), OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(kafka_connect_code(RD_KAFKA_RESP_ERR__RESOLVE), OUTBOX_E_NOT_CONNECTED);
}
