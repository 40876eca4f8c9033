/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/transactional.c - the transactional producer: its settings, its start, the count of its EndTxn requests
 * and of its connections
 *
 * librdkafka repeats an EndTxn that was not answered, and its result does not tell. So an interceptor counts what is
 * sent; it also takes the times that pause.h needs. Another one counts connections, for outage.c. init_transactions
 * ends what an earlier producer of the same transactional.id has left open, and fences it: after that the progress
 * record holds what was committed. On a worker, in slices that a stop can end.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "broker.h"

#define END_TXN 26 /* ApiKey */
#define NAME "outbox"

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Any thread. */
static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *rk, int socket, const char *broker, int32_t broker_id,
                                           int16_t api_key, int16_t api_version, int32_t correlation, size_t size,
                                           void *opaque)
{
    struct kafka_transaction *transaction = opaque;
    (void)rk, (void)socket, (void)broker, (void)broker_id, (void)api_version, (void)correlation, (void)size;
    if (api_key == END_TXN)
        atomic_fetch_add(&transaction->ends, 1);
    else
        kafka_pause_note(&transaction->pause, api_key, now_ns());
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Each broker has a thread of its own, which calls this. The coordinator's second connection has no port. */
static rd_kafka_resp_err_t on_state(rd_kafka_t *rk, int32_t broker_id, const char *protocol, const char *broker,
                                    int port, const char *state, void *opaque)
{
    static _Thread_local bool was_up;
    struct kafka_transaction *transaction = opaque;
    bool is_up = port && (!strcmp(state, "UP") || !strcmp(state, "UPDATE"));
    (void)rk, (void)broker_id, (void)protocol, (void)broker;
    if (is_up && !was_up)
        atomic_fetch_add(&transaction->up, 1);
    else if (was_up && !is_up)
        atomic_fetch_sub(&transaction->up, 1);
    was_up = is_up;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *text, size_t size)
{
    (void)conf, (void)text, (void)size;
    rd_kafka_resp_err_t err = rd_kafka_interceptor_add_on_request_sent(rk, NAME, on_request_sent, opaque);
    return err ? err : rd_kafka_interceptor_add_on_broker_state_change(rk, NAME, on_state, opaque);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* isolation.level: rd_kafka_query_watermark_offsets() of a read_committed client gives the last stable offset instead
 * of the high water. A message must not outlive its transaction. */
rd_kafka_conf_t *kafka_transactional_conf(struct kafka_broker *self, char *text, size_t size)
{
    char timeout[32];
    size_t length = sizeof timeout;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    if (rd_kafka_conf_get(conf, "transaction.timeout.ms", timeout, &length))
        return conf; /* not covered: every librdkafka has it */
    const char *const settings[][2] = {{"transactional.id", self->transactional_id},
                                       {"message.timeout.ms", timeout},
                                       {"enable.gapless.guarantee", "false"},
                                       {"isolation.level", "read_uncommitted"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, size)) {
            rd_kafka_conf_destroy(conf); /* not covered: check_transactions() has refused the value */
            return NULL;
        }
    rd_kafka_conf_interceptor_add_on_new(conf, NAME, on_new, &self->transaction);
    return conf;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* A fatal error of the producer is the cause of what librdkafka returns after it. */
int kafka_transaction_error(struct kafka_broker *self, const char *what, rd_kafka_error_t *cause,
                            struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_resp_err_t err = rd_kafka_error_code(cause);
    snprintf(text, sizeof text, "%s", rd_kafka_error_string(cause));
    rd_kafka_error_destroy(cause);
    if (err == RD_KAFKA_RESP_ERR__FATAL || err == RD_KAFKA_RESP_ERR__STATE) {
        rd_kafka_resp_err_t fatal = kafka_fatal_error(self, text, sizeof text);
        err = fatal ? fatal : err;
    }
    int code = kafka_transaction_code(err);
    return kafka_error(error, code, err, "%s of transactional.id '%s': %s%s", what, self->transactional_id, text,
                       code == OUTBOX_E_PERMISSION ? "; allow this user Write and Describe on the TransactionalId"
                       : code == OUTBOX_E_CONFIG
                           ? "; set options: transaction.timeout.ms to at most the broker's transaction.max.timeout.ms"
                           : "");
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static int init_transactions(struct kafka_broker *self, struct outbox_error *error)
{
    rd_kafka_t *rk = self->clients[KAFKA_MAIN].rk;
    for (rd_kafka_error_t *cause; (cause = rd_kafka_init_transactions(rk, KAFKA_SLICE_MS));) {
        if (!rd_kafka_error_is_retriable(cause))
            return kafka_transaction_error(self, "start the transactions", cause, error);
        rd_kafka_error_destroy(cause);
        if (atomic_load(&self->cancel_workers))
            return kafka_error(error, OUTBOX_E_CANCELED, 0,
                               "start the transactions of transactional.id '%s': no answer in time",
                               self->transactional_id);
    }
    return OUTBOX_OK;
}

int kafka_transaction_begin(struct kafka_broker *self, struct outbox_error *error)
{
    rd_kafka_error_t *cause = rd_kafka_begin_transaction(self->clients[KAFKA_MAIN].rk);
    return cause ? kafka_transaction_error(self, "begin a transaction", cause, error) : OUTBOX_OK;
}

int kafka_transactions_open(struct kafka_broker *self, struct outbox_error *error)
{
    int rc = OUTBOX_FAILPOINT_ERROR(self->host, kafka_transaction, before_init, error);
    if (!rc)
        rc = init_transactions(self, error);
    if (!rc)
        rc = kafka_progress_read(self, error);
    if (!rc)
        rc = kafka_transaction_begin(self, error);
    return rc;
}
