/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/probe_producer.c - a second producer, for topics that are in trouble
 *
 * The producer is gapless: when a broker refuses a batch for good, librdkafka sends nothing more with it, so nothing
 * overtakes what failed, and it is replaced. That would be a high price for each attempt at a topic that stays
 * forbidden, or for each record of a batch that is sent again one by one. These go through the scout, which goes on
 * after a failure, one message of a topic at a time. It is made when the first topic is in trouble, lives as long as
 * the producer, and its queue rings the same bell. When a topic has recovered nothing of it is in flight,
 * so the change of producers keeps order too.
 */
#include "broker.h"

static bool in_trouble(const struct kafka_topic *topic)
{
    return topic->careful || (topic->failing && topic->error.code != OUTBOX_E_NOT_FOUND);
}

void kafka_ring(rd_kafka_queue_t *queue, int doorbell)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, doorbell, &one, sizeof one);
}

/* On the loop thread: it starts threads, and waits for nothing. */
static bool make(struct kafka_broker *self)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    rd_kafka_conf_set(conf, "enable.gapless.guarantee", "false", text, sizeof text);
    self->scout = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!self->scout) {
        self->host->log(self->host, OUTBOX_LOG_ERROR, "make a second producer for topics in trouble: %s", text);
        rd_kafka_conf_destroy(conf);
        return false;
    }
    self->scout_queue = rd_kafka_queue_get_main(self->scout);
    kafka_ring(self->scout_queue, self->doorbell);
    return true;
}

void kafka_scout_destroy(struct kafka_broker *self)
{
    if (!self->scout)
        return;
    rd_kafka_queue_destroy(self->scout_queue);
    rd_kafka_destroy(self->scout);
    self->scout_queue = NULL;
    self->scout = NULL;
}

static rd_kafka_topic_t *open_topic(rd_kafka_t *rk, struct kafka_topic *topic)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(rk);
    rd_kafka_topic_t *rkt;
    rd_kafka_topic_conf_set_opaque(conf, topic);
    rkt = rd_kafka_topic_new(rk, topic->name, conf);
    if (!rkt)
        rd_kafka_topic_conf_destroy(conf);
    return rkt;
}

/* The producer that the topic's next message goes through, and the topic's handle with it. NULL: there is none. */
rd_kafka_topic_t *kafka_handle(struct kafka_broker *self, struct kafka_topic *topic, rd_kafka_t **rk)
{
    bool scout = in_trouble(topic);
    rd_kafka_topic_t **rkt = scout ? &topic->scout_rkt : &topic->rkt;
    if (scout && !self->scout && !make(self))
        return NULL;
    *rk = scout ? self->scout : self->rk;
    if (!*rkt)
        *rkt = open_topic(*rk, topic);
    return *rkt;
}
