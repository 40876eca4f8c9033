/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/verify.c - delivery: exactly-once: has a topic what a transaction needs, before anything is sent to it
 *
 * A message that fails ends its transaction. A message without a leader holds it up, with the events of all topics.
 * So a worker requests the metadata of a topic before the first message of each producer, and after a failure.
 *
 *     not verified -> metadata: it exists, and each partition has a leader -> verified: its first message goes alone
 *                  -> otherwise: FAILING, without an attempt; requested again with pauses that grow from 0.1 to 10 s
 *     a transaction lasts 3 s with messages in flight -> the same question about each of their topics, in turn
 *
 * Failure modes: no broker answers, which is no fault of the topic: it is requested again, and its first messages wait
 * as all others do. A user who may read the metadata and not write the topic: its first message fails, and costs the
 * producer, once for each pause.
 */
#include "broker.h"

#define ANSWER_NS 2000000000u
#define SLICE_MS 100 /* how often the worker checks cancel_workers */
#define HANGS_NS 3000000000ull

/* ---- the worker -------------------------------------------------------------------------------------------------- */

static rd_kafka_resp_err_t error_in(const struct rd_kafka_metadata_topic *topic)
{
    if (topic->err)
        return topic->err;
    for (int i = 0; i < topic->partition_cnt; i++)
        if (topic->partitions[i].leader < 0)
            return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    return topic->partition_cnt ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static bool request_metadata(struct kafka_broker *self)
{
    const struct rd_kafka_metadata *metadata;
    struct kafka_verify *verify = &self->verify;
    if (rd_kafka_metadata(self->clients[KAFKA_MAIN].rk, 0, verify->handle, &metadata, SLICE_MS))
        return false;
    verify->err = metadata->topic_cnt ? error_in(&metadata->topics[0]) : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static void work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    uint64_t begin = self->host->now(self->host);
    self->verify.answered = false;
    while (!self->verify.answered && !atomic_load(&self->cancel_workers) &&
           self->host->now(self->host) - begin < ANSWER_NS)
        self->verify.answered = request_metadata(self);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* Messages in flight, if there are any, hold up their transaction. */
static void on_trouble(struct kafka_broker *self, struct kafka_topic *topic, rd_kafka_resp_err_t err)
{
    struct outbox_error error;
    struct kafka_verdict verdict = kafka_classify(err, RD_KAFKA_MSG_STATUS_NOT_PERSISTED, false);
    verdict.outcome = OUTBOX_RETRY;
    kafka_topic_trouble(self, topic, err, &verdict);
    if (!topic->in_flight)
        return;
    kafka_error(&error, OUTBOX_E_NOT_CONNECTED, err, "%s; its transaction is not committed, and a new producer is made",
                topic->error.text);
    kafka_replace_producer(self, &error);
}

static void verify_next(struct kafka_broker *self, struct kafka_topic *topic);

static void done(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_verify *verify = &self->verify;
    verify->job.running = false;
    kafka_request_turn(self); /* messages, or stop(), may wait for this */
    if (self->state != KAFKA_RUNNING || !verify->answered || verify->job.error.code)
        return;
    if (verify->err) {
        on_trouble(self, verify->topic, verify->err);
        return;
    }
    verify->topic->verified = true;
    if (verify->all)
        verify_next(self, verify->topic);
}

static void verify(struct kafka_broker *self, struct kafka_topic *topic)
{
    rd_kafka_t *rk;
    if (self->verify.job.running)
        return; /* its end requests a turn */
    self->verify.topic = topic;
    self->verify.all = false;
    self->verify.handle = kafka_topic_handle(self, topic, false, &rk);
    self->verify.job = (struct kafka_job){0};
    if (self->verify.handle)
        kafka_run_job(self, &self->verify.job, work, done);
    else
        topic->verified = true; /* no memory: the message fails for it */
}

/* The topics with messages in flight, one after the other: one that has its leaders hides no other. */
static void verify_next(struct kafka_broker *self, struct kafka_topic *topic)
{
    do
        topic = kafka_topics_next(&self->topics, topic);
    while (topic && !topic->in_flight);
    if (!topic || self->verify.job.running)
        return;
    verify(self, topic);
    self->verify.all = true;
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

enum kafka_gate kafka_verify_gate(struct kafka_broker *self, struct kafka_topic *topic)
{
    if (topic->state == KAFKA_TOPIC_OPEN || topic->in_flight)
        return KAFKA_SEND;
    if (topic->state == KAFKA_TOPIC_FAILING && self->host->now(self->host) < topic->retry_at)
        return KAFKA_REFUSE;
    if (!topic->verified)
        verify(self, topic);
    if (topic->verified)
        return KAFKA_SEND;
    return topic->state == KAFKA_TOPIC_FAILING ? KAFKA_REFUSE : KAFKA_WAIT;
}

void kafka_verify_hanging(struct kafka_broker *self)
{
    uint64_t now = self->host->now(self->host);
    if (!self->exactly_once || !self->in_flight || kafka_outage_lasts(self) ||
        now - self->transaction.began_at < HANGS_NS)
        return;
    verify_next(self, NULL);
}
