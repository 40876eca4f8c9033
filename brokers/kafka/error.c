/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/error.c - what the errors of librdkafka and of the broker mean
 *
 *   event      the event can never be written: REJECTED
 *   batch      a broker refuses a record batch as a whole, and librdkafka fails every message of it; only a message
 *              that was alone in its batch is known to be the cause
 *   topic      missing or forbidden: not caused by an event, so it costs no attempts
 *   producer   everything else; the persistence status shows what became of the message
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <outbox/plugin_util.h>

static const struct {
    rd_kafka_resp_err_t err;
    enum kafka_fault fault;
    uint32_t outcome;
    int32_t code;
} meanings[] = {
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, KAFKA_FAULT_EVENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, KAFKA_FAULT_EVENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED},

    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KAFKA_FAULT_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, KAFKA_FAULT_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, KAFKA_FAULT_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, KAFKA_FAULT_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, KAFKA_FAULT_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, KAFKA_FAULT_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, KAFKA_FAULT_BATCH, OUTBOX_RETRY, OUTBOX_E_CORRUPT},

    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, KAFKA_FAULT_TOPIC, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, KAFKA_FAULT_TOPIC, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, KAFKA_FAULT_TOPIC, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KAFKA_FAULT_TOPIC, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
    {RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, KAFKA_FAULT_TOPIC, OUTBOX_RETRY, OUTBOX_E_NO_MEMORY},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, KAFKA_FAULT_TOPIC, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
};

static const struct kafka_verdict rejected = {OUTBOX_REJECTED, OUTBOX_E_REJECTED, KAFKA_FAULT_EVENT};

/* An error that the table lacks. librdkafka's own errors are below zero: the producer is at an end. An error of the
 * broker: it does not take this topic's messages now. */
static struct kafka_verdict classify_by_status(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status)
{
    if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        return (struct kafka_verdict){OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME, KAFKA_FAULT_PRODUCER};
    if (err < 0)
        return (struct kafka_verdict){OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED, KAFKA_FAULT_PRODUCER};
    return (struct kafka_verdict){OUTBOX_RETRY, OUTBOX_E_IO, KAFKA_FAULT_TOPIC};
}

struct kafka_verdict kafka_classify(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status, bool chosen_partition)
{
    if (!err)
        return (struct kafka_verdict){.outcome = OUTBOX_DELIVERED};
    if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        return classify_by_status(err, status);
    if (err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && chosen_partition)
        return rejected;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].err == err)
            return (struct kafka_verdict){meanings[i].outcome, meanings[i].code, meanings[i].fault};
    return classify_by_status(err, status);
}

int kafka_connect_code(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__SSL:
        return OUTBOX_E_PERMISSION;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return OUTBOX_E_CONFIG;
    default:
        return OUTBOX_E_NOT_CONNECTED;
    }
}

int kafka_transaction_code(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return OUTBOX_E_FENCED;
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return OUTBOX_E_PERMISSION;
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        return OUTBOX_E_CONFIG;
    default:
        return OUTBOX_E_NOT_CONNECTED;
    }
}

/* The first that fits counts. */
static const struct {
    const char *words, *advice;
} connect_advice[] = {
    {"certificate verify failed", "; or the certificate has expired: see openssl s_client -connect"},
    {"SSL handshake failed", "; the listener may be without TLS: compare its port with security.protocol"},
    {"Invalid response size",
     "; more likely the port is not of Kafka, or of a listener with TLS: see security.protocol"},
    {"Failed to resolve", "; correct bootstrap.servers, or advertised.listeners of the broker"},
    {"Connection refused", "; start the broker there, or correct bootstrap.servers"},
    {"SASL authentication error", "; correct sasl.username and sasl.password"},
};

void kafka_connect_text(const char *text, char *to, size_t size)
{
    const char *counts = strstr(text, " (after "), *advice = "";
    for (unsigned i = 0; i < sizeof connect_advice / sizeof *connect_advice && !*advice; i++)
        if (strstr(text, connect_advice[i].words))
            advice = connect_advice[i].advice;
    snprintf(to, size, "%.*s%s", (int)(counts ? (size_t)(counts - text) : strlen(text)), text, advice);
}

int kafka_error(struct outbox_error *error, int code, rd_kafka_resp_err_t native, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    outbox_error_setv(error, code, format, arguments);
    va_end(arguments);
    if (error)
        error->native = (int32_t)native;
    return code;
}
