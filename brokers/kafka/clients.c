/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/clients.c - the main producer and the probe producer
 *
 * The main producer is gapless: when a broker refuses a batch, librdkafka sends nothing more with it, so no message
 * overtakes the one that failed, and the producer has to be replaced. An attempt at a forbidden topic, or at an event
 * that may be refused, is not worth that. It goes through the probe producer, which continues after a failure, one
 * message of a topic at a time. When a topic changes from one to the other none of its messages is in flight, so the
 * change keeps order.
 *
 * With delivery: exactly-once there is one producer: whatever fails ends its transaction, so nothing that follows
 * becomes visible, and the producer is replaced.
 *
 * The probe producer is made when it is first needed and lives as long as the main one. Failure mode: it cannot be
 * made; its topics then fail with NO_MEMORY and are tried again.
 */
#include "broker.h"

#include <stdio.h>

static int make(struct kafka_broker *self, enum kafka_client which, rd_kafka_conf_t *conf, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    struct kafka_connection *client = &self->clients[which];
    client->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (client->rk) {
        client->queue = rd_kafka_queue_get_main(client->rk);
        return OUTBOX_OK;
    }
    rd_kafka_conf_destroy(conf);
    return kafka_error(error, OUTBOX_E_CONFIG, rd_kafka_last_error(), "make a producer: %s", text);
}

int kafka_open_main(struct kafka_broker *self, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_conf_t *conf =
        self->exactly_once ? kafka_transactional_conf(self, text, sizeof text) : rd_kafka_conf_dup(self->conf);
    if (!conf)
        return kafka_error(error, OUTBOX_E_CONFIG, 0, "make a transactional producer: %s", text);
    return make(self, KAFKA_MAIN, conf, error);
}

/* On the loop thread: it starts threads, and waits for nothing. */
static int open_probe(struct kafka_broker *self)
{
    char text[KAFKA_ERRSTR];
    struct outbox_error error;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    rd_kafka_conf_set(conf, "enable.gapless.guarantee", "false", text, sizeof text);
    rd_kafka_conf_set(conf, "linger.ms", "0", text, sizeof text); /* a batch has one message */
    if (make(self, KAFKA_PROBE, conf, &error)) {
        self->host->log(self->host, OUTBOX_LOG_ERROR, "probe producer: %s", error.text);
        return error.code;
    }
    kafka_notify(self->clients[KAFKA_PROBE].queue, self->notify_fd);
    return OUTBOX_OK;
}

void kafka_destroy_clients(struct kafka_broker *self)
{
    if (self->transaction.topic) /* of a start that failed */
        rd_kafka_topic_destroy(self->transaction.topic);
    self->transaction.topic = NULL;
    for (int i = KAFKA_CLIENTS - 1; i >= 0; i--) {
        struct kafka_connection *client = &self->clients[i];
        if (client->queue)
            rd_kafka_queue_destroy(client->queue);
        if (client->rk)
            rd_kafka_destroy(client->rk);
        *client = (struct kafka_connection){0};
    }
}

void kafka_notify(rd_kafka_queue_t *queue, int fd)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof one);
}

static rd_kafka_topic_t *open_topic(rd_kafka_t *rk, struct kafka_topic *topic)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(rk);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic->name, conf);
    if (!handle)
        rd_kafka_topic_conf_destroy(conf);
    return handle;
}

rd_kafka_topic_t *kafka_topic_handle(struct kafka_broker *self, struct kafka_topic *topic, bool alone, rd_kafka_t **rk)
{
    bool probe = !self->exactly_once && (alone || kafka_topic_uses_probe(topic, self->refusals_seen));
    enum kafka_client which = probe ? KAFKA_PROBE : KAFKA_MAIN;
    rd_kafka_topic_t **handle = &topic->handles[which];
    if (!self->clients[which].rk && (which == KAFKA_MAIN || open_probe(self)))
        return NULL;
    *rk = self->clients[which].rk;
    if (!*handle)
        *handle = open_topic(*rk, topic);
    return *handle;
}

static void close_topic(struct kafka_topic *topic)
{
    for (int i = 0; i < KAFKA_CLIENTS; i++) {
        if (topic->handles[i])
            rd_kafka_topic_destroy(topic->handles[i]);
        topic->handles[i] = NULL;
    }
    topic->in_flight = 0;
    topic->order_broken = topic->verified = false;
    kafka_limits_close(&topic->limits);
    kafka_topic_on(topic, KAFKA_TOPIC_CLOSED);
}

void kafka_close_topics(struct kafka_broker *self)
{
    for (struct kafka_topic *topic = NULL; (topic = kafka_topics_next(&self->topics, topic));)
        close_topic(topic);
    self->topics.last = NULL;
    self->order_broken = self->limits_due = false;
}

rd_kafka_resp_err_t kafka_read_reason(rd_kafka_queue_t *queue, rd_kafka_resp_err_t known, char *text, size_t size)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR && err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            kafka_connect_text(rd_kafka_event_error_string(event), text, size);
            known = err;
        }
        rd_kafka_event_destroy(event);
    }
    return known;
}

bool kafka_broker_answers(struct kafka_broker *self, rd_kafka_topic_t *topic, int within_ms)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(self->clients[KAFKA_MAIN].rk, 0, topic, &metadata, within_ms))
        return false;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

void kafka_purge(struct kafka_broker *self, int flags)
{
    for (int i = 0; i < KAFKA_CLIENTS && self->in_flight; i++)
        if (self->clients[i].rk)
            rd_kafka_purge(self->clients[i].rk, flags | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

rd_kafka_resp_err_t kafka_fatal_error(const struct kafka_broker *self, char *text, size_t size)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < KAFKA_CLIENTS && !err; i++)
        if (self->clients[i].rk)
            err = rd_kafka_fatal_error(self->clients[i].rk, text, size);
    return err;
}
