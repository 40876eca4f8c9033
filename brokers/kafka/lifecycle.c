/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/lifecycle.c - one producer from start() to stop()
 *
 * start() makes a producer on a worker and completes when a broker has answered (connect.c): "started" means connected.
 * stop() waits for the reports of what is in flight. When the producer is broken, or an op is canceled because its time
 * is up, stop() purges instead: each message is then reported as not sent, or as unknown. A worker destroys the
 * clients, because that may wait for librdkafka's threads.
 */
#include "broker.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOG_NS 60000000000u /* the line about the servers at most once a minute */
#define ANSWER_US 1000000u  /* for requests in flight when the producer is broken */

/* ---- the eventfd ------------------------------------------------------------------------------------------------- */

static void on_notify(void *plugin, uint32_t events)
{
    struct kafka_broker *self = plugin;
    uint64_t count;
    (void)events;
    while (read(self->notify_fd, &count, sizeof count) > 0) /* first: then nothing is missed */
        ;
    self->host->watch_arm(self->watch, OUTBOX_READABLE);
    self->turn.run(&self->turn);
}

static int open_notify(struct kafka_broker *self, struct outbox_error *error)
{
    self->notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->notify_fd < 0)
        return kafka_error(error, OUTBOX_E_IO, 0, "make an eventfd: %s", strerror(errno));
    if (self->host->watch_open(self->host, self->notify_fd, on_notify, self, &self->watch))
        return kafka_error(error, OUTBOX_E_NO_MEMORY, 0, "watch an eventfd: out of memory");
    kafka_notify(self->clients[KAFKA_MAIN].queue, self->notify_fd);
    self->host->watch_arm(self->watch, OUTBOX_READABLE);
    return OUTBOX_OK;
}

static void close_notify(struct kafka_broker *self)
{
    for (int i = 0; i < KAFKA_CLIENTS; i++)
        if (self->clients[i].queue && self->notify_fd >= 0)
            kafka_notify(self->clients[i].queue, -1);
    self->host->watch_close(self->watch);
    self->watch = NULL;
    if (self->notify_fd >= 0)
        close(self->notify_fd);
    self->notify_fd = -1;
}

/* ---- stop -------------------------------------------------------------------------------------------------------- */

/* The start op completes here; when there are clients to destroy, after that. */
static void complete_start(struct kafka_broker *self)
{
    outbox_op_t op = self->connect.op;
    self->connect.op = 0;
    self->host->op_done(self->host, op, &self->connect.error);
}

static void destroy_work(struct outbox_work *work)
{
    kafka_destroy_clients(work->arg);
}

static void destroy_done(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    outbox_op_t op = self->stop_op;
    if (self->disconnect.error.code) /* there was no worker to do it */
        kafka_destroy_clients(self);
    kafka_move(self, KAFKA_IDLE);
    self->stop_op = 0;
    if (self->connect.op)
        complete_start(self);
    if (op)
        self->host->op_done(self->host, op, NULL);
}

static void close_clients(struct kafka_broker *self)
{
    OUTBOX_FAILPOINT(self->host, kafka, before_close);
    kafka_move(self, KAFKA_CLOSING);
    self->host->timer_clear(self->purge_timer);
    self->host->timer_clear(self->answer_timer);
    self->answer_timer_set = false;
    kafka_heartbeat_stop(self);
    kafka_outage_reset(self);
    close_notify(self);
    kafka_close_topics(self);
    kafka_transaction_close(self);
    self->disconnect = (struct kafka_job){0};
    kafka_run_job(self, &self->disconnect, destroy_work, destroy_done);
}

void kafka_advance_stop(struct kafka_broker *self)
{
    if (self->state == KAFKA_STOPPING && !self->in_flight && !self->pending && !self->check.op &&
        !self->heartbeat.job.running && !self->verify.job.running && kafka_transaction_idle(self))
        close_clients(self);
}

void kafka_purge_due(void *plugin)
{
    kafka_transaction_cancel(plugin);
    kafka_purge(plugin, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    kafka_request_turn(plugin);
}

void kafka_stop(void *plugin, outbox_op_t op)
{
    struct kafka_broker *self = plugin;
    self->stop_op = op;
    atomic_store(&self->cancel_workers, true);
    if (self->state == KAFKA_STARTING || self->state == KAFKA_CLOSING)
        return; /* its end completes stop_op */
    if (self->state == KAFKA_IDLE) {
        self->stop_op = 0;
        self->host->op_done(self->host, op, NULL);
        return;
    }
    if (self->state == KAFKA_BROKEN && self->exactly_once) {
        kafka_purge_due(self); /* nothing of it is committed */
    } else if (self->state == KAFKA_BROKEN) {
        kafka_purge(self, RD_KAFKA_PURGE_F_QUEUE);
        self->host->timer_set(self->purge_timer, ANSWER_US);
    }
    kafka_move(self, KAFKA_STOPPING);
    kafka_request_turn(self);
}

void kafka_cancel(void *plugin, outbox_op_t op)
{
    struct kafka_broker *self = plugin;
    atomic_store(&self->cancel_workers, true);
    if (op != self->connect.op && op != self->check.op)
        kafka_purge_due(self);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

/* At most once a minute, at this level. */
static void log_connected(struct kafka_broker *self)
{
    uint64_t now = self->host->now(self->host);
    bool known = self->connected_logged_ns && now - self->connected_logged_ns < LOG_NS;
    self->host->log(self->host, known ? OUTBOX_LOG_DEBUG : OUTBOX_LOG_INFO, "connected to %s", self->bootstrap);
    if (!known)
        self->connected_logged_ns = now;
}

static void on_connected(struct kafka_broker *self)
{
    OUTBOX_FAILPOINT(self->host, kafka, connected);
    kafka_move(self, KAFKA_RUNNING);
    log_connected(self);
    kafka_note_cluster(self);
    kafka_outage_reset(self);
    kafka_heartbeat_start(self);
    complete_start(self);
    kafka_request_turn(self); /* for events that came before the eventfd was there */
}

static void connect_done(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    if (!self->connect.error.code)
        open_notify(self, &self->connect.error);
    if (self->connect.error.code) {
        close_clients(self);
        return;
    }
    on_connected(self);
    if (self->stop_op)
        close_clients(self);
}

void kafka_start(void *plugin, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct kafka_broker *self = plugin;
    self->probing = outbox_broker_start_probes(start);
    kafka_transaction_start(self, start);
    kafka_move(self, KAFKA_STARTING);
    atomic_store(&self->cancel_workers, false);
    self->connect = (struct kafka_job){.op = op};
    kafka_run_job(self, &self->connect, kafka_connect_work, connect_done);
}
