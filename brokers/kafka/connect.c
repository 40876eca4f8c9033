/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/connect.c - making a producer and waiting until a broker answers; on a worker thread
 *
 * librdkafka connects by itself and for ever. To tell what is wrong, this asks for the brokers again and again, and
 * takes the errors that come meanwhile: after a few seconds, or at once when a login or a certificate is refused, it
 * gives up with the last of them. The loop thread touches nothing of this until the work is done, but give_up.
 */
#include <stdio.h>
#include <string.h>

#include "broker.h"

#define CONNECT_NS 4000000000u /* for a broker to answer */
#define SLICE_MS 100           /* how often it looks whether to give up */

static int make(struct kafka_broker *self, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    self->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (self->rk) {
        self->queue = rd_kafka_queue_get_main(self->rk);
        return OUTBOX_OK;
    }
    rd_kafka_conf_destroy(conf);
    return kafka_error(error, OUTBOX_E_CONFIG, rd_kafka_last_error(), "make a producer: %s", text);
}

/* The last error that says why no broker answers; the ones that only say that none does are no news. */
static rd_kafka_resp_err_t take_reason(struct kafka_broker *self, rd_kafka_resp_err_t known)
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

static bool answers(struct kafka_broker *self)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(self->rk, 0, NULL, &metadata, SLICE_MS))
        return false;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* Its event may have been taken for a reason already. */
static int check_fatal(const struct kafka_broker *self, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(self->rk, text, sizeof text);
    if (!err)
        return OUTBOX_OK;
    return kafka_error(error, kafka_connect_code(err), err, "start an idempotent producer at %s: %s", self->bootstrap,
                       text);
}

static bool has_broken_scram(const struct kafka_broker *self)
{
    char mechanism[32];
    size_t size = sizeof mechanism;
    return rd_kafka_version() < KAFKA_SCRAM_VERSION &&
           rd_kafka_conf_get(self->conf, "sasl.mechanism", mechanism, &size) == RD_KAFKA_CONF_OK &&
           !strncmp(mechanism, "SCRAM", 5);
}

static int no_answer(const struct kafka_broker *self, rd_kafka_resp_err_t err, struct outbox_error *error)
{
    const char *hint = "";
    if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION && has_broken_scram(self))
        hint = "; if the password is right: Kafka 4 refuses the SCRAM of librdkafka before 2.6.1";
    return kafka_error(error, kafka_connect_code(err), err, "connect to %s: %s%s", self->bootstrap,
                       self->reason[0] ? self->reason : "no answer; is it a Kafka broker, and reachable?", hint);
}

static int await_broker(struct kafka_broker *self, struct outbox_error *error)
{
    uint64_t begin = self->host->now(self->host);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TRANSPORT;
    while (!answers(self)) {
        err = take_reason(self, err);
        if (atomic_load(&self->give_up))
            return kafka_error(error, OUTBOX_E_CANCELED, 0, "connect to %s: canceled", self->bootstrap);
        if (kafka_connect_code(err) == OUTBOX_E_PERMISSION || self->host->now(self->host) - begin > CONNECT_NS)
            return no_answer(self, err, error);
    }
    return check_fatal(self, error);
}

void kafka_destroy(struct kafka_broker *self)
{
    kafka_scout_destroy(self);
    if (self->queue)
        rd_kafka_queue_destroy(self->queue);
    if (self->rk)
        rd_kafka_destroy(self->rk);
    self->queue = NULL;
    self->rk = NULL;
}

void kafka_connect_work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    int rc = OUTBOX_FAILPOINT_ERROR(self->host, kafka, before_connect, &self->connect.error);
    if (!rc)
        rc = make(self, &self->connect.error);
    if (!rc)
        rc = await_broker(self, &self->connect.error);
    if (rc)
        kafka_destroy(self);
}
