/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/reports.c - the event queue: delivery reports and errors
 *
 * librdkafka writes to the eventfd when a queue becomes non-empty, and not again until the queue was polled: so the
 * descriptor is emptied first, then the queues until they are empty. A turn that uses up its budget goes on in a
 * posted task. After the reports the outcomes are told in bulk, and what waited for room is handed over.
 */
#include <stdio.h>
#include <unistd.h>

#include "broker.h"

#define TURN 20000u /* reports before other work gets its turn */

static void report(struct kafka_broker *self, struct kafka_topic *topic, const rd_kafka_message_t *message)
{
    uintptr_t opaque = (uintptr_t)message->_private;
    struct kafka_publish *publish = self->slots[opaque >> KAFKA_INDEX_BITS].publish;
    uint32_t index = (uint32_t)(opaque & (((uintptr_t)1 << KAFKA_INDEX_BITS) - 1));
    bool alone = topic->together == 1;
    OUTBOX_FAILPOINT(self->host, kafka, report_taken);
    self->in_flight--;
    topic->in_flight--;
    kafka_group_learn(topic, message);
    if (!message->err && topic->proven && !topic->careful)
        kafka_tell_delivered(self, publish, index);
    else
        kafka_topic_report(self, topic, publish, index, message->err, rd_kafka_message_status(message), alone);
}

/* ---- outages ---------------------------------------------------------------------------------------------------- */

/* Events wait, and have waited for a while. */
void kafka_outage(void *plugin)
{
    struct kafka_broker *self = plugin;
    if (!self->suspected || self->down || (!self->in_flight && !self->pending))
        return;
    self->down = true;
    self->host->log(self->host, OUTBOX_LOG_WARN, "no broker answers, events wait: %s", self->reason);
}

/* Told once for each outage. A broker may also just have closed an idle connection: no news, unless the next events
 * wait too (produce.c). */
static void note_down(struct kafka_broker *self, const char *text)
{
    if (!self->reason[0])
        snprintf(self->reason, sizeof self->reason, "%s", text);
    self->suspected = true;
    kafka_outage(self);
}

static void note_up(struct kafka_broker *self)
{
    if (self->down)
        self->host->log(self->host, OUTBOX_LOG_INFO, "the brokers answer again");
    self->suspected = self->down = false;
    self->reason[0] = '\0';
    self->host->timer_clear(self->outage);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static uint32_t take_reports(struct kafka_broker *self, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    rd_kafka_topic_t *rkt = NULL;
    struct kafka_topic *topic = NULL;
    uint32_t count = 0;
    while ((message = rd_kafka_event_message_next(event))) {
        if (message->rkt != rkt) {
            rkt = message->rkt;
            topic = rd_kafka_topic_opaque(rkt);
        }
        if (self->suspected && !message->err)
            note_up(self);
        report(self, topic, message);
        count++;
    }
    return count;
}

static void take_fatal(struct kafka_broker *self)
{
    char text[KAFKA_ERRSTR];
    struct outbox_error error;
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(self->rk, text, sizeof text);
    if (!err && self->scout)
        err = rd_kafka_fatal_error(self->scout, text, sizeof text);
    kafka_error(&error, OUTBOX_E_NOT_CONNECTED, err, "the producer failed for good, a new one is needed: %s: %s",
                rd_kafka_err2name(err), text);
    kafka_break(self, &error);
}

/* Connections come and go; librdkafka opens them again. Only the ends of an outage are worth a line. */
static void take_error(struct kafka_broker *self, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    if (rd_kafka_event_error_is_fatal(event) || err == RD_KAFKA_RESP_ERR__FATAL) {
        take_fatal(self);
    } else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        note_down(self, text);
    } else {
        snprintf(self->reason, sizeof self->reason, "%s", text);
        self->host->log(self->host, OUTBOX_LOG_DEBUG, "%s: %s", rd_kafka_err2name(err), text);
    }
}

/* False: the budget ended before the queue did. */
static bool take_events(struct kafka_broker *self, rd_kafka_queue_t *queue, uint32_t *budget)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        uint32_t taken = 1;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            taken += take_reports(self, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            take_error(self, event);
        rd_kafka_event_destroy(event);
        if (taken >= *budget)
            return false;
        *budget -= taken;
    }
    return true;
}

void kafka_reports_drain(struct kafka_broker *self)
{
    uint32_t budget = TURN;
    if (!self->queue || self->state < KAFKA_RUNNING || self->state > KAFKA_STOPPING)
        return;
    if (take_events(self, self->queue, &budget) && (!self->scout || take_events(self, self->scout_queue, &budget)))
        kafka_topics_settle(self);
    else
        self->host->post(self->host, &self->resume);
    kafka_pump(self);
    kafka_quiet(self);
}

void kafka_reports_ready(void *plugin, uint32_t events)
{
    struct kafka_broker *self = plugin;
    uint64_t count;
    (void)events;
    while (read(self->doorbell, &count, sizeof count) > 0)
        ;
    self->host->watch_arm(self->watch, OUTBOX_READABLE);
    kafka_reports_drain(self);
}
