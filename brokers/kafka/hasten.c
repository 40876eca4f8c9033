/*
 * brokers/kafka/hasten.c - events that come one by one do not wait for company
 *
 * linger.ms holds back what a partition has, so that a backlog goes in large requests; an event that comes alone is
 * only made late by it. librdkafka has one linger for all. But while somebody waits in rd_kafka_flush(), nothing
 * lingers: so after a small publish a worker waits there until the reports are in, and no longer than the linger lasts.
 * One waits at a time: what is published meanwhile goes at once, too, and another wait follows, lest the first ended
 * before it.
 *
 * Without a worker the linger passes as it would have. A linger that the user has set is not cut short.
 */
#include "broker.h"

#define SMALL 32u /* messages of a publish; of more, most partitions have several */
#define WAIT_MS 2 /* the linger is over by then, whatever became of it */

static void wait_work(struct outbox_work *work)
{
    struct obx_kafka *self = work->arg;
    rd_kafka_flush(self->rk, WAIT_MS);
}

static void begin(struct obx_kafka *self);

static void wait_done(struct outbox_work *work)
{
    struct obx_kafka *self = work->arg;
    bool again = self->hasten_again && self->in_flight && self->state == OBX_KAFKA_RUNNING;
    self->hastening = false;
    if (again)
        begin(self);
    else
        obx_kafka_quiet(self);
}

static void begin(struct obx_kafka *self)
{
    self->hasten_again = false;
    self->hasten = (struct outbox_work){.work = wait_work, .done = wait_done, .arg = self};
    self->hastening = !self->host->offload(self->host, &self->hasten);
}

void obx_kafka_hasten(struct obx_kafka *self, uint32_t published)
{
    if (!self->may_hasten || published >= SMALL || !self->in_flight || self->state != OBX_KAFKA_RUNNING)
        return;
    if (self->hastening)
        self->hasten_again = true;
    else
        begin(self);
}
