/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/connect.c - makes the main producer and waits until a broker answers; on a worker
 *
 * librdkafka reconnects without end and reports errors as events. This requests metadata in slices and reads the errors
 * in between. It ends with the last of them after four seconds, or at once when a login or a certificate is refused.
 * Until the work is done the loop thread touches nothing of it but cancel_workers.
 */
#include <stdio.h>
#include <string.h>

#include "broker.h"

#define CONNECT_NS 4000000000u         /* for a broker to answer */
#define SLICE_MS 100                   /* how often it checks cancel_workers */
#define KAFKA_SCRAM_VERSION 0x020601ff /* the first librdkafka whose SCRAM newer brokers take */

/* Its event may have been read as a reason already. */
static int check_fatal(const struct kafka_broker *self, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(self->clients[KAFKA_MAIN].rk, text, sizeof text);
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
                       self->outage.reason[0] ? self->outage.reason
                                              : "no answer; is it a Kafka broker, reachable, and its listener one for "
                                                "security.protocol?",
                       hint);
}

static int await_broker(struct kafka_broker *self, struct outbox_error *error)
{
    uint64_t begin = self->host->now(self->host);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TRANSPORT;
    while (!kafka_broker_answers(self, NULL, SLICE_MS)) {
        err = kafka_read_reason(self->clients[KAFKA_MAIN].queue, err, self->outage.reason, sizeof self->outage.reason);
        if (atomic_load(&self->cancel_workers))
            return kafka_error(error, OUTBOX_E_CANCELED, 0, "connect to %s: canceled", self->bootstrap);
        if (kafka_connect_code(err) == OUTBOX_E_PERMISSION || self->host->now(self->host) - begin > CONNECT_NS)
            return no_answer(self, err, error);
    }
    return check_fatal(self, error);
}

void kafka_connect_work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    self->outage.reason[0] = '\0';
    int rc = OUTBOX_FAILPOINT_ERROR(self->host, kafka, before_connect, &self->connect.error);
    if (!rc)
        rc = kafka_open_main(self, &self->connect.error);
    if (!rc)
        rc = await_broker(self, &self->connect.error);
    if (!rc && self->exactly_once && !self->probing)
        rc = kafka_transactions_open(self, &self->connect.error);
    if (rc)
        kafka_destroy_clients(self);
}
