/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check_brokers.c - is every broker reachable at the address that it advertises?
 *
 * bootstrap.servers may work while an advertised address does not: then the events of the partitions that this broker
 * leads wait without end. So each address gets a client of its own, with the options of the relay, that requests
 * metadata. Eight at a time connect in parallel. On a worker; ends early when workers are canceled.
 */
#include "check.h"

#include <stdio.h>

#define PARALLEL 8
#define DEADLINE_NS 4000000000u
#define SLICE_MS 100

struct attempt {
    const struct rd_kafka_metadata_broker *broker;
    rd_kafka_t *rk; /* NULL: it could not be made */
    char reason[KAFKA_ERRSTR];
    bool answered;
};

static void open_attempt(struct kafka_broker *self, struct attempt *attempt)
{
    char address[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    snprintf(address, sizeof address, "%s:%d", attempt->broker->host, attempt->broker->port);
    rd_kafka_conf_set(conf, "bootstrap.servers", address, attempt->reason, sizeof attempt->reason);
    rd_kafka_conf_set(conf, "enable.gapless.guarantee", "false", attempt->reason, sizeof attempt->reason);
    rd_kafka_conf_set(conf, "enable.idempotence", "false", attempt->reason, sizeof attempt->reason);
    attempt->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, attempt->reason, sizeof attempt->reason);
    if (!attempt->rk)
        rd_kafka_conf_destroy(conf);
    else
        attempt->reason[0] = '\0';
}

static void query_broker(struct kafka_broker *self, struct attempt *attempt, uint64_t deadline)
{
    const struct rd_kafka_metadata *metadata;
    while (!attempt->answered && !atomic_load(&self->cancel_workers)) {
        attempt->answered = !rd_kafka_metadata(attempt->rk, 0, NULL, &metadata, SLICE_MS);
        if (attempt->answered)
            rd_kafka_metadata_destroy(metadata);
        else if (self->host->now(self->host) > deadline)
            return;
    }
}

static void close_attempt(struct attempt *attempt)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(attempt->rk);
    kafka_read_reason(queue, RD_KAFKA_RESP_ERR_NO_ERROR, attempt->reason, sizeof attempt->reason);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(attempt->rk);
}

static void find_silent(struct kafka_findings *findings, const struct attempt *attempt)
{
    struct outbox_found *found = outbox_find(
        &findings->list, OUTBOX_SEVERITY_ERROR,
        "make the address reachable from here, or correct the broker's advertised.listeners: events of the partitions "
        "that it leads wait",
        "broker %d does not answer at its advertised address %s:%d: %.*s", attempt->broker->id, attempt->broker->host,
        attempt->broker->port, OUTBOX_CUT(attempt->reason[0] ? attempt->reason : "no answer within 4 s", 160));
    outbox_find_code(found, OUTBOX_E_NOT_CONNECTED);
}

/* How many answered. */
static int check_some(struct kafka_broker *self, struct kafka_findings *findings,
                      const struct rd_kafka_metadata_broker *brokers, int count)
{
    int answered = 0;
    struct attempt attempts[PARALLEL] = {{0}};
    uint64_t deadline = self->host->now(self->host) + DEADLINE_NS;
    for (int i = 0; i < count; i++) {
        attempts[i].broker = &brokers[i];
        open_attempt(self, &attempts[i]);
    }
    for (int i = 0; i < count; i++) {
        struct attempt *attempt = &attempts[i];
        if (attempt->rk) {
            query_broker(self, attempt, deadline);
            close_attempt(attempt);
        }
        answered += attempt->answered;
        if (!attempt->answered && !atomic_load(&self->cancel_workers))
            find_silent(findings, attempt);
    }
    return answered;
}

void kafka_check_brokers(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata)
{
    int answered = 0;
    for (int i = 0; i < metadata->broker_cnt && !atomic_load(&self->cancel_workers); i += PARALLEL) {
        int left = metadata->broker_cnt - i;
        answered += check_some(self, findings, &metadata->brokers[i], left < PARALLEL ? left : PARALLEL);
    }
    if (answered && answered == metadata->broker_cnt)
        outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL, "%s at the address that it advertises",
                    answered == 1 ? "the broker answers" : "each broker answers");
}
