/*
 * brokers/kafka/producer.c - one producer from start() to stop()
 *
 * start() makes a producer on a worker thread and completes when a broker has answered, so that "started" means
 * connected; if none does within a few seconds it fails with librdkafka's reason, and the host tries again. stop()
 * waits for the reports of what is in flight; when the producer is broken, or an op is canceled because time is up,
 * it purges instead, and every message is told as what it then is: not sent, or unknown. The producer is destroyed on
 * a worker thread, for that may wait for librdkafka's threads.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker.h"

#define CONNECT_NS 4000000000u /* for a broker to answer */
#define SLICE_MS 100           /* how often a worker looks whether to give up */
#define GRACE_US 1000000u      /* for requests in flight when the producer is broken */

static struct obx_kafka *job_owner(struct outbox_work *work)
{
    return work->arg;
}

void obx_kafka_offload(struct obx_kafka *self, struct obx_kafka_job *job, void (*work)(struct outbox_work *),
                       void (*done)(struct outbox_work *))
{
    job->work = (struct outbox_work){.work = work, .done = done, .arg = self};
    if (self->host->offload(self->host, &job->work)) {
        obx_kafka_error(&job->error, OUTBOX_E_NO_MEMORY, 0, "start a worker: out of memory");
        done(&job->work);
    }
}

/* ---- connecting: worker ------------------------------------------------------------------------------------------ */

static int make(struct obx_kafka *self, struct outbox_error *error)
{
    char text[OBX_KAFKA_ERRSTR];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    self->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (self->rk) {
        self->queue = rd_kafka_queue_get_main(self->rk);
        return OUTBOX_OK;
    }
    rd_kafka_conf_destroy(conf);
    return obx_kafka_error(error, OUTBOX_E_CONFIG, rd_kafka_last_error(), "make a producer: %s", text);
}

/* The last error that says why no broker answers; the ones that only say that none does are no news. */
static rd_kafka_resp_err_t take_reason(struct obx_kafka *self, rd_kafka_resp_err_t known)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(self->queue, 0))) {
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR && err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            snprintf(self->reason, sizeof self->reason, "%s", rd_kafka_event_error_string(event));
            known = err;
        }
        rd_kafka_event_destroy(event);
    }
    return known;
}

static bool answers(struct obx_kafka *self)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(self->rk, 0, NULL, &metadata, SLICE_MS))
        return false;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* Its event may have been taken for a reason already. */
static int check_fatal(const struct obx_kafka *self, struct outbox_error *error)
{
    char text[OBX_KAFKA_ERRSTR];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(self->rk, text, sizeof text);
    if (!err)
        return OUTBOX_OK;
    return obx_kafka_error(error, obx_kafka_connect_code(err), err, "start an idempotent producer at %s: %s",
                           self->bootstrap, text);
}

static bool has_broken_scram(const struct obx_kafka *self)
{
    char mechanism[32];
    size_t size = sizeof mechanism;
    return rd_kafka_version() < OBX_KAFKA_SCRAM_VERSION &&
           rd_kafka_conf_get(self->conf, "sasl.mechanism", mechanism, &size) == RD_KAFKA_CONF_OK &&
           !strncmp(mechanism, "SCRAM", 5);
}

static int no_answer(const struct obx_kafka *self, rd_kafka_resp_err_t err, struct outbox_error *error)
{
    const char *hint = "";
    if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION && has_broken_scram(self))
        hint = "; if the password is right: Kafka 4 refuses the SCRAM of librdkafka before 2.6.1";
    return obx_kafka_error(error, obx_kafka_connect_code(err), err, "connect to %s: %s%s", self->bootstrap,
                           self->reason[0] ? self->reason : "no answer; is it a Kafka broker, and reachable?", hint);
}

static int await_broker(struct obx_kafka *self, struct outbox_error *error)
{
    uint64_t begin = self->host->now(self->host);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TRANSPORT;
    while (!answers(self)) {
        err = take_reason(self, err);
        if (atomic_load(&self->give_up))
            return obx_kafka_error(error, OUTBOX_E_CANCELED, 0, "connect to %s: canceled", self->bootstrap);
        if (obx_kafka_connect_code(err) == OUTBOX_E_PERMISSION || self->host->now(self->host) - begin > CONNECT_NS)
            return no_answer(self, err, error);
    }
    return check_fatal(self, error);
}

static void destroy(struct obx_kafka *self)
{
    obx_kafka_scout_destroy(self);
    if (self->queue)
        rd_kafka_queue_destroy(self->queue);
    if (self->rk)
        rd_kafka_destroy(self->rk);
    self->queue = NULL;
    self->rk = NULL;
}

static void connect_work(struct outbox_work *work)
{
    struct obx_kafka *self = job_owner(work);
    int rc = make(self, &self->connect.error);
    if (!rc)
        rc = await_broker(self, &self->connect.error);
    if (rc)
        destroy(self);
}

/* ---- connecting: loop -------------------------------------------------------------------------------------------- */

static int listen_to_reports(struct obx_kafka *self, struct outbox_error *error)
{
    self->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->doorbell < 0)
        return obx_kafka_error(error, OUTBOX_E_IO, 0, "make an eventfd: %s", strerror(errno));
    if (self->host->watch_open(self->host, self->doorbell, obx_kafka_reports_ready, self, &self->watch))
        return obx_kafka_error(error, OUTBOX_E_NO_MEMORY, 0, "watch an eventfd: out of memory");
    obx_kafka_ring(self->queue, self->doorbell);
    self->host->watch_arm(self->watch, OUTBOX_READABLE);
    return OUTBOX_OK;
}

static void silence(struct obx_kafka *self)
{
    if (self->queue && self->doorbell >= 0)
        obx_kafka_ring(self->queue, -1);
    if (self->scout_queue)
        obx_kafka_ring(self->scout_queue, -1);
    self->host->watch_close(self->watch);
    self->watch = NULL;
    if (self->doorbell >= 0)
        close(self->doorbell);
    self->doorbell = -1;
}

static void close_producer(struct obx_kafka *self);

/* The start op completes here, or, when there is a producer to destroy first, after that. */
static void finish_start(struct obx_kafka *self)
{
    outbox_op_t op = self->connect.op;
    self->connect.op = 0;
    self->host->op_done(self->host, op, &self->connect.error);
}

static void connect_done(struct outbox_work *work)
{
    struct obx_kafka *self = job_owner(work);
    if (!self->connect.error.code)
        listen_to_reports(self, &self->connect.error);
    if (self->connect.error.code) {
        close_producer(self);
        return;
    }
    self->state = OBX_KAFKA_RUNNING;
    self->host->log(self->host, OUTBOX_LOG_INFO, "connected to %s", self->bootstrap);
    finish_start(self);
    if (self->stop_op)
        close_producer(self);
    else
        obx_kafka_reports_drain(self); /* what came before the doorbell was there */
}

void obx_kafka_start(void *plugin, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct obx_kafka *self = plugin;
    (void)start;
    self->state = OBX_KAFKA_STARTING;
    self->broken = self->down = false;
    self->reason[0] = '\0';
    atomic_store(&self->give_up, false);
    self->connect = (struct obx_kafka_job){.op = op};
    obx_kafka_offload(self, &self->connect, connect_work, connect_done);
}

/* ---- disconnecting ----------------------------------------------------------------------------------------------- */

static void disconnect_work(struct outbox_work *work)
{
    destroy(job_owner(work));
}

static void disconnect_done(struct outbox_work *work)
{
    struct obx_kafka *self = job_owner(work);
    outbox_op_t op = self->stop_op;
    if (self->disconnect.error.code) /* there was no worker to do it */
        destroy(self);
    self->state = OBX_KAFKA_IDLE;
    self->stop_op = 0;
    if (self->connect.op)
        finish_start(self);
    if (op)
        self->host->op_done(self->host, op, NULL);
}

static void close_producer(struct obx_kafka *self)
{
    self->state = OBX_KAFKA_CLOSING;
    self->host->timer_clear(self->grace);
    self->host->timer_clear(self->patience);
    self->awaited = NULL;
    silence(self);
    obx_kafka_topics_close(self);
    self->disconnect = (struct obx_kafka_job){0};
    obx_kafka_offload(self, &self->disconnect, disconnect_work, disconnect_done);
}

static void purge(struct obx_kafka *self, int what)
{
    if (!self->in_flight)
        return;
    rd_kafka_purge(self->rk, what | RD_KAFKA_PURGE_F_NON_BLOCKING);
    if (self->scout)
        rd_kafka_purge(self->scout, what | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

/* The requests in flight were not answered in time. */
void obx_kafka_purge_all(void *plugin)
{
    purge(plugin, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

void obx_kafka_quiet(struct obx_kafka *self)
{
    if (self->state == OBX_KAFKA_STOPPING && !self->in_flight && !self->pending && !self->check.op)
        close_producer(self);
}

void obx_kafka_stop(void *plugin, outbox_op_t op)
{
    struct obx_kafka *self = plugin;
    self->stop_op = op;
    atomic_store(&self->give_up, true);
    if (self->state == OBX_KAFKA_STARTING || self->state == OBX_KAFKA_CLOSING)
        return; /* its end looks for stop_op */
    if (self->state == OBX_KAFKA_IDLE) {
        self->stop_op = 0;
        self->host->op_done(self->host, op, NULL);
        return;
    }
    self->state = OBX_KAFKA_STOPPING;
    if (self->broken) {
        purge(self, RD_KAFKA_PURGE_F_QUEUE);
        self->host->timer_set(self->grace, GRACE_US);
    }
    obx_kafka_pump(self);
    obx_kafka_quiet(self);
}

void obx_kafka_cancel(void *plugin, outbox_op_t op)
{
    struct obx_kafka *self = plugin;
    atomic_store(&self->give_up, true);
    if (op != self->connect.op && op != self->check.op)
        obx_kafka_purge_all(self);
}

/* Nothing more is sent with this producer; the host comes with stop() and start(). */
void obx_kafka_break(struct obx_kafka *self, const struct outbox_error *error)
{
    if (self->broken || self->state != OBX_KAFKA_RUNNING)
        return;
    self->broken = true;
    self->host->lost(self->host, error);
}
