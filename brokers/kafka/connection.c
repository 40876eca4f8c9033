/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/connection.c - the state of the connection, and requests for a new producer
 *
 * The table names every move that may happen. A move that it lacks is a bug: it is logged, and made all the same.
 */
#include "broker.h"

#define TO(state) (1u << KAFKA_##state)
static const uint8_t legal_moves[KAFKA_STATES] = {
    [KAFKA_IDLE] = TO(STARTING),
    [KAFKA_STARTING] = TO(RUNNING) | TO(CLOSING),
    [KAFKA_RUNNING] = TO(BROKEN) | TO(STOPPING) | TO(CLOSING),
    [KAFKA_BROKEN] = TO(STOPPING),
    [KAFKA_STOPPING] = TO(CLOSING),
    [KAFKA_CLOSING] = TO(IDLE),
};

void kafka_move(struct kafka_broker *self, enum kafka_state state)
{
    if (!(legal_moves[self->state] & 1u << state))
        self->host->log(self->host, OUTBOX_LOG_ERROR, /* not covered: it would be a bug */
                        "bug: the connection moves from state %d to %d", (int)self->state, (int)state);
    self->state = state;
}

bool kafka_is_sending(const struct kafka_broker *self)
{
    return self->state == KAFKA_RUNNING;
}

bool kafka_has_clients(const struct kafka_broker *self)
{
    return self->state == KAFKA_RUNNING || self->state == KAFKA_BROKEN || self->state == KAFKA_STOPPING;
}

uint64_t kafka_oldest_pending(const struct kafka_broker *self)
{
    return self->pending ? self->pending->number : UINT64_MAX;
}

enum kafka_admission kafka_admit_to_topic(struct kafka_broker *self, struct kafka_topic *topic,
                                          const struct outbox_message *message, struct outbox_error *error)
{
    uint64_t now = self->host->now(self->host);
    enum kafka_admission admission = kafka_limits_admit(&topic->limits, message, self->compressed, now, error);
    bool clamps = error->native == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && self->out_of_range == KAFKA_CLAMP_TIMESTAMP;
    if (admission == KAFKA_ADMITTED || clamps)
        return KAFKA_ADMITTED;
    if (kafka_limits_stale(&topic->limits, now) && !topic->limits_due) {
        topic->limits_due = self->limits_due = true;
        kafka_request_turn(self);
    }
    return admission;
}

/* A takeover fails messages before its fatal error comes as an event, and only the first error reaches the host. It
 * must be FENCED then: with any other the host starts again without proof that it owns the outbox. */
static bool is_fenced(const struct kafka_broker *self, const struct outbox_error *cause, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    if (!self->exactly_once || cause->code == OUTBOX_E_FENCED)
        return false;
    rd_kafka_resp_err_t err = kafka_fatal_error(self, text, sizeof text);
    if (!err)
        err = (rd_kafka_resp_err_t)cause->native;
    if (kafka_transaction_code(err) != OUTBOX_E_FENCED)
        return false;
    kafka_error(error, OUTBOX_E_FENCED, err, "the producer of transactional.id '%s' is fenced: %s: %s",
                self->transactional_id, rd_kafka_err2name(err), cause->text);
    return true;
}

void kafka_replace_producer(struct kafka_broker *self, const struct outbox_error *error)
{
    struct outbox_error fence;
    kafka_transaction_break(self);
    if (self->state != KAFKA_RUNNING)
        return;
    kafka_move(self, KAFKA_BROKEN);
    self->host->lost(self->host, is_fenced(self, error, &fence) ? &fence : error);
}

void kafka_request_turn(struct kafka_broker *self)
{
    self->host->post(self->host, &self->turn);
}

void kafka_run_job(struct kafka_broker *self, struct kafka_job *job, void (*work)(struct outbox_work *),
                   void (*done)(struct outbox_work *))
{
    job->work = (struct outbox_work){.work = work, .done = done, .arg = self};
    job->running = true;
    if (!self->host->offload(self->host, &job->work))
        return;
    kafka_error(&job->error, OUTBOX_E_NO_MEMORY, 0, "start a worker: out of memory");
    done(&job->work);
}
