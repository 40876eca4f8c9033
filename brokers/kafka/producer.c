/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/producer.c - one producer from start() to stop()
 *
 * start() makes a producer on a worker thread and completes when a broker has answered (connect.c), so that "started"
 * means connected. stop() waits for the reports of what is in flight; when the producer is broken, or an op is
 * canceled because time is up, it purges instead, and every message is told as what it then is: not sent, or unknown.
 * The producer is destroyed on a worker thread, for that may wait for librdkafka's threads.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker.h"

#define GRACE_US 1000000u /* for requests in flight when the producer is broken */

static struct kafka_broker *job_owner(struct outbox_work *work)
{
    return work->arg;
}

void kafka_offload(struct kafka_broker *self, struct kafka_job *job, void (*work)(struct outbox_work *),
                   void (*done)(struct outbox_work *))
{
    job->work = (struct outbox_work){.work = work, .done = done, .arg = self};
    if (self->host->offload(self->host, &job->work)) {
        kafka_error(&job->error, OUTBOX_E_NO_MEMORY, 0, "start a worker: out of memory");
        done(&job->work);
    }
}

/* ---- connecting -------------------------------------------------------------------------------------------- */

static int listen_to_reports(struct kafka_broker *self, struct outbox_error *error)
{
    self->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->doorbell < 0)
        return kafka_error(error, OUTBOX_E_IO, 0, "make an eventfd: %s", strerror(errno));
    if (self->host->watch_open(self->host, self->doorbell, kafka_reports_ready, self, &self->watch))
        return kafka_error(error, OUTBOX_E_NO_MEMORY, 0, "watch an eventfd: out of memory");
    kafka_ring(self->queue, self->doorbell);
    self->host->watch_arm(self->watch, OUTBOX_READABLE);
    return OUTBOX_OK;
}

static void silence(struct kafka_broker *self)
{
    if (self->queue && self->doorbell >= 0)
        kafka_ring(self->queue, -1);
    if (self->scout_queue)
        kafka_ring(self->scout_queue, -1);
    self->host->watch_close(self->watch);
    self->watch = NULL;
    if (self->doorbell >= 0)
        close(self->doorbell);
    self->doorbell = -1;
}

static void close_producer(struct kafka_broker *self);

/* The start op completes here, or, when there is a producer to destroy first, after that. */
static void finish_start(struct kafka_broker *self)
{
    outbox_op_t op = self->connect.op;
    self->connect.op = 0;
    self->host->op_done(self->host, op, &self->connect.error);
}

static void connect_done(struct outbox_work *work)
{
    struct kafka_broker *self = job_owner(work);
    if (!self->connect.error.code)
        listen_to_reports(self, &self->connect.error);
    if (self->connect.error.code) {
        close_producer(self);
        return;
    }
    OUTBOX_FAILPOINT(self->host, kafka, connected);
    self->state = KAFKA_RUNNING;
    self->host->log(self->host, OUTBOX_LOG_INFO, "connected to %s", self->bootstrap);
    finish_start(self);
    if (self->stop_op)
        close_producer(self);
    else
        kafka_reports_drain(self); /* what came before the doorbell was there */
}

void kafka_start(void *plugin, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct kafka_broker *self = plugin;
    (void)start;
    self->state = KAFKA_STARTING;
    self->broken = self->suspected = self->down = false;
    self->reason[0] = '\0';
    atomic_store(&self->give_up, false);
    self->connect = (struct kafka_job){.op = op};
    kafka_offload(self, &self->connect, kafka_connect_work, connect_done);
}

/* ---- disconnecting ----------------------------------------------------------------------------------------------- */

static void disconnect_work(struct outbox_work *work)
{
    kafka_destroy(job_owner(work));
}

static void disconnect_done(struct outbox_work *work)
{
    struct kafka_broker *self = job_owner(work);
    outbox_op_t op = self->stop_op;
    if (self->disconnect.error.code) /* there was no worker to do it */
        kafka_destroy(self);
    self->state = KAFKA_IDLE;
    self->stop_op = 0;
    if (self->connect.op)
        finish_start(self);
    if (op)
        self->host->op_done(self->host, op, NULL);
}

static void close_producer(struct kafka_broker *self)
{
    OUTBOX_FAILPOINT(self->host, kafka, before_close);
    self->state = KAFKA_CLOSING;
    self->host->timer_clear(self->grace);
    self->host->timer_clear(self->patience);
    self->host->timer_clear(self->outage);
    self->awaited = NULL;
    silence(self);
    kafka_topics_close(self);
    self->disconnect = (struct kafka_job){0};
    kafka_offload(self, &self->disconnect, disconnect_work, disconnect_done);
}

static void purge(struct kafka_broker *self, int what)
{
    if (!self->in_flight)
        return;
    rd_kafka_purge(self->rk, what | RD_KAFKA_PURGE_F_NON_BLOCKING);
    if (self->scout)
        rd_kafka_purge(self->scout, what | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

/* The requests in flight were not answered in time. */
void kafka_purge_all(void *plugin)
{
    purge(plugin, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

void kafka_quiet(struct kafka_broker *self)
{
    if (self->state == KAFKA_STOPPING && !self->in_flight && !self->pending && !self->check.op)
        close_producer(self);
}

void kafka_stop(void *plugin, outbox_op_t op)
{
    struct kafka_broker *self = plugin;
    self->stop_op = op;
    atomic_store(&self->give_up, true);
    if (self->state == KAFKA_STARTING || self->state == KAFKA_CLOSING)
        return; /* its end looks for stop_op */
    if (self->state == KAFKA_IDLE) {
        self->stop_op = 0;
        self->host->op_done(self->host, op, NULL);
        return;
    }
    self->state = KAFKA_STOPPING;
    if (self->broken) {
        purge(self, RD_KAFKA_PURGE_F_QUEUE);
        self->host->timer_set(self->grace, GRACE_US);
    }
    kafka_pump(self);
    kafka_quiet(self);
}

void kafka_cancel(void *plugin, outbox_op_t op)
{
    struct kafka_broker *self = plugin;
    atomic_store(&self->give_up, true);
    if (op != self->connect.op && op != self->check.op)
        kafka_purge_all(self);
}

/* Nothing more is sent with this producer; the host comes with stop() and start(). */
void kafka_break(struct kafka_broker *self, const struct outbox_error *error)
{
    if (self->broken || self->state != KAFKA_RUNNING)
        return;
    self->broken = true;
    self->host->lost(self->host, error);
}
