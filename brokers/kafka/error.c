/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/error.c - what librdkafka's and the broker's errors mean for an event, its topic and the producer
 *
 * Four scopes. The event's own fault (REJECTED). The fault of some event of a batch: a broker refuses a record batch
 * as a whole, and librdkafka then fails every message of it, so only a message that was alone in its batch is known
 * to be the culprit. The topic's: missing or forbidden, which is no event's fault and must not cost attempts. And
 * everything else: the producer's, with what became of the message told by its persistence status.
 */
#include <stdarg.h>

#include <outbox/plugin_util.h>

#include "broker.h"

static const struct {
    rd_kafka_resp_err_t err;
    enum kafka_scope scope;
    uint32_t outcome;
    int32_t code;
} meanings[] = {
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, KAFKA_EVENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, KAFKA_EVENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, KAFKA_EVENT, OUTBOX_REJECTED, OUTBOX_E_REJECTED},

    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KAFKA_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, KAFKA_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, KAFKA_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, KAFKA_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, KAFKA_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, KAFKA_BATCH, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, KAFKA_BATCH, OUTBOX_RETRY, OUTBOX_E_CORRUPT},

    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, KAFKA_TOPIC, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, KAFKA_TOPIC, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KAFKA_TOPIC, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
    {RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, KAFKA_TOPIC, OUTBOX_RETRY, OUTBOX_E_NO_MEMORY},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, KAFKA_TOPIC, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
};

/* An error that no table knows. The library's own (below zero) say that the producer ends; a broker's, that it does
 * not want this topic's messages now. */
static struct kafka_verdict judge_by_status(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status)
{
    struct kafka_verdict verdict = {.scope = KAFKA_PRODUCER};
    if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED) {
        verdict.outcome = OUTBOX_UNKNOWN;
        verdict.code = OUTBOX_E_UNKNOWN_OUTCOME;
    } else if (err < 0) {
        verdict.outcome = OUTBOX_NOT_CONNECTED;
        verdict.code = OUTBOX_E_NOT_CONNECTED;
    } else {
        verdict.scope = KAFKA_TOPIC;
        verdict.outcome = OUTBOX_RETRY;
        verdict.code = OUTBOX_E_IO;
    }
    return verdict;
}

struct kafka_verdict kafka_judge(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status)
{
    if (!err)
        return (struct kafka_verdict){.outcome = OUTBOX_DELIVERED};
    if (status == RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
            if (meanings[i].err == err)
                return (struct kafka_verdict){meanings[i].outcome, meanings[i].code, meanings[i].scope};
    return judge_by_status(err, status);
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
