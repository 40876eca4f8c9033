/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/heartbeat.c - checks that a broker still responds while nothing is sent
 *
 * librdkafka notices a dead broker only when it sends something. So every three seconds without a message in flight a
 * worker requests metadata. Two requests in a row without a response end the connection: the host then knows that it is
 * not connected, within ten seconds, and connects again. While messages are in flight the heartbeat pauses, and no
 * message is given up: only librdkafka knows their outcome.
 */
#include "broker.h"

#include <stdio.h>
#include <string.h>

#define INTERVAL_US 3000000u
#define ANSWER_NS 2000000000u
#define SLICE_MS 100 /* how often the worker checks cancel_workers */
#define FAILURES_MAX 2u

static void send_request(struct kafka_broker *self);

static bool is_idle(const struct kafka_broker *self)
{
    return self->state == KAFKA_RUNNING && !self->in_flight && !self->pending;
}

static void work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_heartbeat *heartbeat = &self->heartbeat;
    uint64_t begin = self->host->now(self->host);
    heartbeat->requested_at = begin;
    heartbeat->answered = false;
    while (!heartbeat->answered && !atomic_load(&self->cancel_workers) && heartbeat->requested_at - begin < ANSWER_NS) {
        heartbeat->answered = kafka_broker_answers(self, heartbeat->topic, SLICE_MS);
        if (!heartbeat->answered)
            heartbeat->requested_at = self->host->now(self->host);
    }
}

static void end_connection(struct kafka_broker *self)
{
    struct outbox_error error;
    const char *reason = kafka_outage_reason(self);
    kafka_error(&error, OUTBOX_E_NOT_CONNECTED, RD_KAFKA_RESP_ERR__TRANSPORT, "no broker answers: %s",
                reason[0] ? reason : "check that the brokers are up and reachable");
    kafka_replace_producer(self, &error);
}

/* An address may lead to other brokers than before: to a cluster that was installed anew, or to one of tests. */
void kafka_note_cluster(struct kafka_broker *self)
{
    rd_kafka_t *rk = self->clients[KAFKA_MAIN].rk;
    char *id = rd_kafka_clusterid(rk, 0); /* what the last answer had */
    if (!id)
        return;
    if (self->cluster[0] && strncmp(self->cluster, id, sizeof self->cluster - 1) != 0)
        self->host->log(
            self->host, OUTBOX_LOG_WARN,
            "the brokers at %s are of another cluster: %s, before %s; events that were published before are "
            "in the former cluster; correct bootstrap.servers if this was not intended",
            self->bootstrap, id, self->cluster);
    snprintf(self->cluster, sizeof self->cluster, "%s", id);
    rd_kafka_mem_free(rk, id);
}

static void done(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_heartbeat *heartbeat = &self->heartbeat;
    heartbeat->job.running = false;
    kafka_request_turn(self); /* stop() may wait for this */
    if (!is_idle(self) || heartbeat->answered || heartbeat->job.error.code) {
        heartbeat->failures = 0;
        if (self->state == KAFKA_RUNNING)
            self->host->timer_set(heartbeat->timer, INTERVAL_US);
        if (is_idle(self) && heartbeat->answered) {
            kafka_note_cluster(self);
            if (heartbeat->requested_at > self->outage.suspected_at) /* else the answer may be older than the loss */
                kafka_outage_note_progress(self);
        }
    } else if (++heartbeat->failures < FAILURES_MAX) {
        send_request(self);
    } else {
        end_connection(self);
    }
}

static void send_request(struct kafka_broker *self)
{
    const struct kafka_topic *topic = self->topics.last;
    self->heartbeat.job = (struct kafka_job){0};
    self->heartbeat.topic = topic ? topic->handles[KAFKA_MAIN] : NULL;
    kafka_run_job(self, &self->heartbeat.job, work, done);
}

void kafka_heartbeat_due(void *plugin)
{
    struct kafka_broker *self = plugin;
    kafka_outage_check_progress(self);
    if (self->state == KAFKA_RUNNING)
        kafka_verify_hanging(self);
    if (is_idle(self))
        send_request(self);
    else if (self->state == KAFKA_RUNNING)
        self->host->timer_set(self->heartbeat.timer, INTERVAL_US);
}

void kafka_heartbeat_start(struct kafka_broker *self)
{
    self->heartbeat.failures = 0;
    self->host->timer_set(self->heartbeat.timer, INTERVAL_US);
}

void kafka_heartbeat_stop(struct kafka_broker *self)
{
    self->host->timer_clear(self->heartbeat.timer);
}
