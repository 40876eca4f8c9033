/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/result.c - what became of one message, and what follows for its topic and the producer
 *
 *     delivered              the topic may open, or opens again
 *     event refused          the event is rejected; the topic sends one message at a time for a while
 *     batch refused          its messages are sent again one at a time, with a new producer
 *     topic failed           its messages get RETRY until one is delivered; with others in flight, a new producer
 *     producer failed        a new producer
 *
 * After a failure the topic's barrier stands: nothing more is sent of the publishes that were submitted until then, and
 * the host submits their events again in order.
 */
#include "broker.h"

#include <outbox/text_util.h>
#include <stdio.h>

static const char *advice_for(const struct kafka_broker *self, const struct kafka_topic *topic, int code, char *text,
                              size_t size)
{
    if (code == OUTBOX_E_PERMISSION)
        return "; allow this user to describe and write it; its events wait";
    if (code != OUTBOX_E_NOT_FOUND)
        return "; its events wait";
    for (const struct kafka_topic *other = NULL; (other = kafka_topics_next(&self->topics, other));)
        if (other->state == KAFKA_TOPIC_OPEN && kafka_topics_collide(topic->name, other->name)) {
            snprintf(text, size,
                     "; it cannot be created while '%.*s' exists, because Kafka takes '.' and '_' for the same: "
                     "rename one of "
                     "them; its events wait",
                     OUTBOX_CUT(other->name, 100));
            return text;
        }
    return "; create it; its events wait";
}

/* librdkafka has several errors for a missing topic, which are one cause. */
static const char *reason_of(rd_kafka_resp_err_t err, int code)
{
    return rd_kafka_err2str(code == OUTBOX_E_NOT_FOUND ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : err);
}

void kafka_topic_trouble(struct kafka_broker *self, struct kafka_topic *topic, rd_kafka_resp_err_t err,
                         const struct kafka_verdict *verdict)
{
    char advice[256];
    struct outbox_error error;
    kafka_error(&error, verdict->code, err, "publish to topic '%s': %s%s", topic->name, reason_of(err, verdict->code),
                advice_for(self, topic, verdict->code, advice, sizeof advice));
    if (topic->state != KAFKA_TOPIC_FAILING || topic->error.code != verdict->code)
        self->host->log(self->host, OUTBOX_LOG_WARN, "%s", error.text);
    kafka_topic_fail(topic, self->submitted, verdict->outcome, &error);
    kafka_topic_on(topic, KAFKA_TOPIC_FAILED);
    kafka_topic_pause(topic, self->host->now(self->host));
}

static void on_topic_failure(struct kafka_broker *self, const struct kafka_result *result,
                             const struct kafka_verdict *verdict)
{
    struct kafka_topic *topic = result->topic;
    kafka_topic_trouble(self, topic, result->err, verdict);
    self->order_broken = self->order_broken || topic->order_broken;
    kafka_report_failure(self, topic, result->publish, result->index, verdict->outcome, &topic->error);
}

/* The first refusal of all: from now on the topics' settings are requested, so that further refusals cost nothing. */
static void note_refusal(struct kafka_broker *self, struct kafka_topic *topic, bool alone)
{
    self->refusals_seen = true;
    self->limits_due = true;
    topic->limits_due = true;
    kafka_topic_refused(topic, alone);
}

static void on_batch_refused(struct kafka_broker *self, const struct kafka_result *result)
{
    struct outbox_error error;
    struct kafka_topic *topic = result->topic;
    kafka_error(&error, OUTBOX_E_AGAIN, result->err,
                "publish to topic '%s': the batch was refused: %s; its events are sent again one by one", topic->name,
                rd_kafka_err2str(result->err));
    if (topic->state != KAFKA_TOPIC_SINGLE)
        self->host->log(self->host, OUTBOX_LOG_WARN, "%s", error.text);
    note_refusal(self, topic, false);
    kafka_topic_fail(topic, self->submitted, OUTBOX_NOT_CONNECTED, &error);
    self->order_broken = self->order_broken || topic->order_broken;
    kafka_report_failure(self, topic, result->publish, result->index, OUTBOX_NOT_CONNECTED, &error);
    error.code = OUTBOX_E_NOT_CONNECTED;
    kafka_replace_producer(self, &error); /* what follows in its partition must not overtake it */
}

/* With timestamp_out_of_range: clamp the next attempt has another timestamp. */
static uint32_t outcome_of_refusal(const struct kafka_broker *self, const struct kafka_result *result,
                                   const struct kafka_verdict *verdict, int *code)
{
    bool clamped = result->err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && self->out_of_range == KAFKA_CLAMP_TIMESTAMP;
    *code = clamped ? OUTBOX_E_AGAIN : verdict->code;
    return clamped ? (uint32_t)OUTBOX_RETRY : verdict->outcome;
}

static void on_event_refused(struct kafka_broker *self, const struct kafka_result *result,
                             const struct kafka_verdict *verdict)
{
    int code;
    char explanation[OUTBOX_ERROR_TEXT_SIZE];
    struct outbox_error error;
    struct kafka_topic *topic = result->topic;
    const struct outbox_message *message = outbox_message_at(result->publish->args, result->index);
    uint32_t outcome = outcome_of_refusal(self, result, verdict, &code);
    kafka_limits_note_refusal(&topic->limits, message, result->err);
    kafka_limits_explain(&topic->limits, message, result->err, explanation, sizeof explanation);
    kafka_error(&error, code, result->err, "publish to topic '%s': %s%s%s", topic->name, rd_kafka_err2str(result->err),
                explanation[0] ? ": " : "", explanation);
    if (verdict->fault == KAFKA_FAULT_BATCH)
        note_refusal(self, topic, true);
    kafka_report_failure(self, topic, result->publish, result->index, outcome, &error);
}

static void on_producer_failure(struct kafka_broker *self, const struct kafka_result *result,
                                const struct kafka_verdict *verdict)
{
    struct outbox_error error;
    kafka_error(&error, verdict->code, result->err, "publish to topic '%s': %s", result->topic->name,
                rd_kafka_err2str(result->err));
    kafka_report(self, result->publish, &result->index, 1, verdict->outcome, &error);
    error.code = OUTBOX_E_NOT_CONNECTED;
    kafka_replace_producer(self, &error);
}

static void on_delivered(struct kafka_broker *self, const struct kafka_result *result)
{
    result->topic->failures = 0;
    if (kafka_topic_delivered(result->topic))
        self->host->log(self->host, OUTBOX_LOG_INFO, "topic '%s' takes events again", result->topic->name);
    kafka_note_delivered(self, result->publish, result->index);
}

/* A message that was taken and failed ends its transaction, which is not committed then: so no outcome is unknown. */
static void end_transaction(struct kafka_broker *self, const struct kafka_result *result)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_NOT_CONNECTED, result->err,
                "publish to topic '%s': %s; its transaction is not committed, and a new producer is made",
                result->topic->name, rd_kafka_err2str(result->err));
    kafka_replace_producer(self, &error);
}

static struct kafka_verdict verdict_of(struct kafka_broker *self, const struct kafka_result *result)
{
    if (self->exactly_once && kafka_transaction_code(result->err) == OUTBOX_E_FENCED)
        return (struct kafka_verdict){OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED, KAFKA_FAULT_PRODUCER};
    if (self->exactly_once && result->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && !kafka_outage_lasts(self) &&
        kafka_transaction_note_silence(self, result->topic))
        return (struct kafka_verdict){OUTBOX_RETRY, OUTBOX_E_AGAIN, KAFKA_FAULT_TOPIC}; /* brokers are there */
    bool chosen = outbox_message_at(result->publish->args, result->index)->partition >= 0;
    bool known = self->exactly_once && result->err;
    return kafka_classify(result->err, known ? RD_KAFKA_MSG_STATUS_NOT_PERSISTED : result->status, chosen);
}

void kafka_on_result(struct kafka_broker *self, const struct kafka_result *result)
{
    struct kafka_verdict verdict = verdict_of(self, result);
    if (verdict.outcome == OUTBOX_DELIVERED)
        on_delivered(self, result);
    else if (verdict.fault == KAFKA_FAULT_PRODUCER)
        on_producer_failure(self, result, &verdict);
    else if (verdict.fault == KAFKA_FAULT_BATCH && !result->alone)
        on_batch_refused(self, result);
    else if (verdict.outcome == OUTBOX_REJECTED)
        on_event_refused(self, result, &verdict);
    else
        on_topic_failure(self, result, &verdict);
    if (self->exactly_once && result->err && !result->local)
        end_transaction(self, result);
}

void kafka_on_no_answer(struct kafka_broker *self, struct kafka_topic *topic)
{
    struct outbox_error error;
    bool waits = !self->exactly_once || kafka_transaction_note_silence(self, topic);
    kafka_error(&error, OUTBOX_E_AGAIN, 0, "publish to topic '%s': no answer to its first event%s%s; %s", topic->name,
                self->outage.reason[0] ? ": " : "", self->outage.reason,
                waits ? "its events wait" : "a new producer is made");
    if (waits && kafka_topic_on(topic, KAFKA_TOPIC_NO_ANSWER)) {
        topic->error = error;
        topic->outcome = OUTBOX_RETRY;
        self->host->log(self->host, OUTBOX_LOG_WARN, "%s", error.text);
        kafka_topic_pause(topic, self->host->now(self->host));
    }
    error.code = OUTBOX_E_NOT_CONNECTED;
    if (self->exactly_once) /* it holds up its transaction */
        kafka_replace_producer(self, &error);
}

void kafka_check_order(struct kafka_broker *self)
{
    if (!self->order_broken)
        return;
    self->order_broken = false;
    for (struct kafka_topic *topic = NULL; (topic = kafka_topics_next(&self->topics, topic));) {
        if (topic->order_broken && topic->in_flight)
            kafka_replace_producer(self, &topic->error);
        topic->order_broken = false;
    }
}
