/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check_progress.c - `outbox check` with delivery: exactly-once: the progress topic and the time-outs
 *
 * The record is read as a start reads it, without fencing anybody. What cannot be tried without a start is a right on
 * the TransactionalId. On a worker.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

struct expectation {
    struct kafka_broker *self;
    struct kafka_findings *findings;
    int replicas;
};

/* ---- the topic --------------------------------------------------------------------------------------------------- */

static void check_topic_setting(void *arg, const char *name, const char *value)
{
    const struct expectation *expectation = arg;
    struct kafka_broker *self = expectation->self;
    struct kafka_findings *findings = expectation->findings;
    if (!strcmp(name, "cleanup.policy") && strcmp(value, "compact") != 0) {
        struct outbox_found *found =
            outbox_find(&findings->list, OUTBOX_SEVERITY_ERROR, NULL,
                        "topic '%s' has cleanup.policy=%s: a record expires, and events are published again after it",
                        self->progress_topic, value);
        outbox_find_command(found,
                            "kafka-configs.sh --bootstrap-server '%s' --alter --entity-type topics --entity-name '%s' "
                            "--add-config cleanup.policy=compact",
                            self->bootstrap, self->progress_topic);
    }
    if (!strcmp(name, "min.insync.replicas") && expectation->replicas > 1 && strtol(value, NULL, 10) < 2)
        outbox_find(&findings->list, OUTBOX_SEVERITY_WARNING, "set min.insync.replicas=2 on it",
                    "topic '%s' has min.insync.replicas=%s: a record counts as durable with a single copy",
                    self->progress_topic, value);
    if (!strcmp(name, "max.message.bytes") && strtoull(value, NULL, 10) < KAFKA_PROGRESS_BYTES + 1024)
        outbox_find(&findings->list, OUTBOX_SEVERITY_ERROR, "set max.message.bytes=1048588 on it",
                    "topic '%s' takes messages of %s bytes, a progress record has up to %u", self->progress_topic,
                    value, KAFKA_PROGRESS_BYTES);
}

/* topic: NULL: not in the list of all topics; err: why. True: the partition is there. */
static bool check_partition(struct kafka_broker *self, struct kafka_findings *findings,
                            const struct rd_kafka_metadata_topic *topic, rd_kafka_resp_err_t err)
{
    long long partitions = self->progress_partition + 1;
    if (topic && topic->partition_cnt >= partitions)
        return true;
    struct outbox_found *found = outbox_find(
        &findings->list, OUTBOX_SEVERITY_ERROR, NULL, "topic '%s' %s", self->progress_topic,
        topic ? "has too few partitions for progress_partition" : "does not exist, or this user may not describe it");
    outbox_find_code(found, err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? OUTBOX_E_PERMISSION : 0);
    outbox_find_command(found, "kafka-topics.sh --bootstrap-server '%s' %s --topic '%s' --partitions %lld%s",
                        self->bootstrap, topic ? "--alter" : "--create", self->progress_topic, partitions,
                        topic ? "" : " --config cleanup.policy=compact");
    return false;
}

static void check_record(struct kafka_broker *self, struct kafka_findings *findings)
{
    struct outbox_error error = {0};
    if (kafka_progress_read(self, &error))
        outbox_find_code(outbox_find(&findings->list, OUTBOX_SEVERITY_ERROR, NULL, "%s", error.text), error.code);
    else
        outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL, "the progress record in partition %lld can be read",
                    (long long)self->progress_partition);
    kafka_progress_free(&self->transaction.progress);
}

static void check_topic(struct expectation *expectation, const struct rd_kafka_metadata *metadata,
                        const struct rd_kafka_metadata_topic *topic)
{
    struct kafka_broker *self = expectation->self;
    if (expectation->replicas == 1 && metadata->broker_cnt > 1)
        outbox_find(&expectation->findings->list, OUTBOX_SEVERITY_WARNING, "give it three replicas",
                    "topic '%s' has one replica: with it the record is lost, and events are published again",
                    topic->topic);
    kafka_check_settings(self, expectation->findings, RD_KAFKA_RESOURCE_TOPIC, self->progress_topic,
                         check_topic_setting, expectation);
}

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

static void check_broker_setting(void *arg, const char *name, const char *value)
{
    char own[32];
    size_t size = sizeof own;
    const struct expectation *expectation = arg;
    struct kafka_broker *self = expectation->self;
    if (strcmp(name, "transaction.max.timeout.ms") ||
        rd_kafka_conf_get(self->conf, "transaction.timeout.ms", own, &size) ||
        strtoll(own, NULL, 10) <= strtoll(value, NULL, 10))
        return;
    outbox_find(&expectation->findings->list, OUTBOX_SEVERITY_ERROR,
                "set options: transaction.timeout.ms to at most that",
                "the brokers allow transactions of %s ms, transaction.timeout.ms is %s", value, own);
}

static void check_cluster(struct expectation *expectation, const struct rd_kafka_metadata *metadata)
{
    char id[16];
    struct kafka_broker *self = expectation->self;
    const struct rd_kafka_metadata_topic *log = kafka_check_listed(metadata, "__transaction_state");
    if (log && log->partition_cnt && log->partitions[0].replica_cnt == 1 && metadata->broker_cnt > 1)
        outbox_find(&expectation->findings->list, OUTBOX_SEVERITY_WARNING,
                    "set transaction.state.log.replication.factor=3 before the first transaction of the cluster",
                    "__transaction_state has one replica: without that broker no transaction ends");
    if (metadata->broker_cnt) {
        snprintf(id, sizeof id, "%d", metadata->brokers[0].id);
        kafka_check_settings(self, expectation->findings, RD_KAFKA_RESOURCE_BROKER, id, check_broker_setting,
                             expectation);
    }
}

void kafka_check_progress(struct kafka_broker *self, struct kafka_findings *findings,
                          const struct rd_kafka_metadata *metadata)
{
    const struct rd_kafka_metadata_topic *topic = kafka_check_listed(metadata, self->progress_topic);
    const struct rd_kafka_metadata *described =
        topic ? NULL : kafka_check_topic_metadata(self, findings, self->progress_topic);
    struct expectation expectation = {.self = self, .findings = findings};
    rd_kafka_resp_err_t err = described ? described->topics[0].err : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (described && !err)
        topic = described->topics;
    outbox_findings_about(&findings->list, "delivery: exactly-once");
    if (check_partition(self, findings, topic, err)) {
        expectation.replicas = topic->partitions[0].replica_cnt;
        check_topic(&expectation, metadata, topic);
        check_record(self, findings);
    }
    check_cluster(&expectation, metadata);
    outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL,
                "consumers see each event once with isolation.level=read_committed; others see repeated events after a "
                "failure. The rights Write and Describe on TransactionalId '%s' show at the start only",
                self->transactional_id);
    if (described)
        rd_kafka_metadata_destroy(described);
}
