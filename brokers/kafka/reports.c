/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/reports.c - the event queues: delivery reports, errors, settings
 *
 * A turn that uses up its budget continues in the next one. After the last report of a turn the order of each topic is
 * checked.
 */
#include "broker.h"

#define REPORT_BUDGET 20000u /* reports before other work gets its turn */

static void on_report(struct kafka_broker *self, struct kafka_topic *topic, const rd_kafka_message_t *message)
{
    uintptr_t opaque = (uintptr_t)message->_private;
    struct kafka_publish *publish = self->slots[opaque >> KAFKA_INDEX_BITS].publish;
    uint32_t index = (uint32_t)(opaque & (((uintptr_t)1 << KAFKA_INDEX_BITS) - 1));
    OUTBOX_FAILPOINT(self->host, kafka, report_read);
    self->in_flight--;
    topic->in_flight--;
    kafka_learn_partitions(topic, message);
    if (!message->err && topic->state == KAFKA_TOPIC_OPEN && !topic->order_broken) {
        kafka_note_delivered(self, publish, index);
        return;
    }
    struct kafka_result result = {.topic = topic,
                                  .publish = publish,
                                  .index = index,
                                  .err = message->err,
                                  .status = rd_kafka_message_status(message),
                                  .alone = topic->together == 1};
    kafka_on_result(self, &result);
}

static uint32_t on_reports(struct kafka_broker *self, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    rd_kafka_topic_t *handle = NULL;
    struct kafka_topic *topic = NULL;
    uint32_t count = 0;
    bool delivered = false;
    while ((message = rd_kafka_event_message_next(event))) {
        if (!topic || message->rkt != handle) {
            handle = message->rkt;
            topic = rd_kafka_topic_opaque(handle);
        }
        if (!topic)
            continue; /* of a progress record: the commit reports a failure */
        delivered = delivered || !message->err;
        on_report(self, topic, message);
        count++;
    }
    if (delivered)
        kafka_outage_note_progress(self);
    return count;
}

static void on_fatal(struct kafka_broker *self)
{
    char text[KAFKA_ERRSTR];
    struct outbox_error error;
    rd_kafka_resp_err_t err = kafka_fatal_error(self, text, sizeof text);
    kafka_error(&error, kafka_transaction_code(err), err, "the producer failed for good, a new one is needed: %s: %s",
                rd_kafka_err2name(err), text);
    kafka_replace_producer(self, &error);
}

static void on_error(struct kafka_broker *self, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    if (rd_kafka_event_error_is_fatal(event) || err == RD_KAFKA_RESP_ERR__FATAL) {
        on_fatal(self);
    } else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        kafka_outage_suspect(self, text);
    } else {
        kafka_outage_note_reason(self, text);
        self->host->log(self->host, OUTBOX_LOG_DEBUG, "%s: %s", rd_kafka_err2name(err), text);
    }
}

static uint32_t on_event(struct kafka_broker *self, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        return 1 + on_reports(self, event);
    case RD_KAFKA_EVENT_ERROR:
        on_error(self, event);
        return 1;
    case RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT:
        kafka_on_limits(self, event);
        return 1;
    default:
        return 1;
    }
}

/* Gives false when the budget ended before the queue did. */
static bool read_queue(struct kafka_broker *self, rd_kafka_queue_t *queue, uint32_t *budget)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        uint32_t used = on_event(self, event);
        rd_kafka_event_destroy(event);
        if (used >= *budget)
            return false;
        *budget -= used;
    }
    return true;
}

void kafka_read_reports(struct kafka_broker *self)
{
    uint32_t budget = REPORT_BUDGET;
    bool all = true;
    for (int i = 0; i < KAFKA_CLIENTS && all; i++)
        all = !self->clients[i].queue || read_queue(self, self->clients[i].queue, &budget);
    if (all)
        kafka_check_order(self);
    else
        kafka_request_turn(self);
}
