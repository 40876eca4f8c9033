/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check.c - `outbox check`: will the cluster take the events?
 *
 * A worker queries the cluster and collects findings: the library, encryption, the brokers (check_brokers.c) and the
 * topics that the configuration names (check_topics.c). The findings are reported on the loop thread. Failure mode: the
 * cluster does not list its topics; then the check itself fails.
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "loopback.h"

#define ANSWER_MS 5000
#define FIXED_VERSION 0x020503ff /* 2.5.3 */

/* ---- worker ------------------------------------------------------------------------------------------------------ */

static void check_library(struct kafka_findings *findings)
{
    if (rd_kafka_version() < FIXED_VERSION)
        outbox_find(
            &findings->list, OUTBOX_SEVERITY_WARNING,
            "use 2.5.3 or later: earlier versions may end the producer after a broker's failure; the relay then "
            "makes a new "
            "one and may send duplicates, but loses no event",
            "librdkafka is %s", rd_kafka_version_str());
    else
        outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL, "librdkafka is %s", rd_kafka_version_str());
}

static void check_security(struct kafka_broker *self, struct kafka_findings *findings,
                           const struct rd_kafka_metadata *metadata)
{
    char protocol[32];
    size_t size = sizeof protocol;
    if (rd_kafka_conf_get(rd_kafka_conf(self->clients[KAFKA_MAIN].rk), "security.protocol", protocol, &size) ||
        !strstr(protocol, "plaintext"))
        return;
    for (int i = 0; i < metadata->broker_cnt; i++)
        if (!kafka_is_loopback(metadata->brokers[i].host)) {
            outbox_find(&findings->list, OUTBOX_SEVERITY_WARNING, "set options: security.protocol to ssl or sasl_ssl",
                        "events go to %s without encryption", metadata->brokers[i].host);
            return;
        }
}

/* librdkafka sends the request to one connected broker, and does not repeat it when that broker dies. So the request is
 * repeated here; later tries allow a large cluster more time. */
static rd_kafka_resp_err_t list_topics(struct kafka_broker *self, const struct rd_kafka_metadata **metadata)
{
    static const int tries_ms[] = {500, 1000, 1500, ANSWER_MS};
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (size_t i = 0; i < sizeof tries_ms / sizeof *tries_ms && !atomic_load(&self->cancel_workers); i++) {
        err = rd_kafka_metadata(self->clients[KAFKA_MAIN].rk, 1, NULL, metadata, tries_ms[i]);
        if (err != RD_KAFKA_RESP_ERR__TIMED_OUT && err != RD_KAFKA_RESP_ERR__TRANSPORT)
            break;
    }
    return err;
}

const struct rd_kafka_metadata_topic *kafka_check_listed(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (!strcmp(metadata->topics[i].topic, name))
            return &metadata->topics[i];
    return NULL;
}

static void check_work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_findings *findings = self->check.findings;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err = list_topics(self, &metadata);
    if (err) {
        kafka_error(&self->check.error, kafka_connect_code(err), err, "list the topics of %s: %s", self->bootstrap,
                    rd_kafka_err2str(err));
        return;
    }
    outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL, "connected to %d broker%s", metadata->broker_cnt,
                metadata->broker_cnt == 1 ? "" : "s");
    check_library(findings);
    check_security(self, findings, metadata);
    kafka_check_brokers(self, findings, metadata);
    kafka_check_topics(self, findings, metadata);
    if (self->exactly_once)
        kafka_check_progress(self, findings, metadata);
    if (findings->reader)
        rd_kafka_destroy(findings->reader);
    rd_kafka_metadata_destroy(metadata);
}

/* ---- loop -------------------------------------------------------------------------------------------------------- */

static void check_done(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_findings *findings = self->check.findings;
    outbox_op_t op = self->check.op;
    outbox_findings_report(&findings->list, findings->check);
    self->host->release(self->host, findings);
    self->check.op = 0;
    self->host->op_done(self->host, op, &self->check.error);
    kafka_request_turn(self);
}

void kafka_check(void *plugin, outbox_op_t op, const struct outbox_check *check)
{
    struct kafka_broker *self = plugin;
    struct kafka_findings *findings = self->host->alloc(self->host, sizeof *findings);
    struct outbox_error error;
    if (!findings) {
        kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "check: out of memory");
        self->host->op_done(self->host, op, &error);
        return;
    }
    findings->check = check;
    findings->list.host = self->host;
    outbox_findings_about(&findings->list, "cluster %s", self->bootstrap);
    atomic_store(&self->cancel_workers, false);
    self->check = (struct kafka_job){.op = op, .findings = findings};
    kafka_run_job(self, &self->check, check_work, check_done);
}
