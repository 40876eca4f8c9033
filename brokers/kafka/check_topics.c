/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check_topics.c - does a topic exist, and do its settings suit the relay's?
 *
 * The metadata has all topics, so that the request creates none. On a worker.
 */
#include "check.h"

#include <outbox/plugin_util.h>

#include <stdlib.h>
#include <string.h>

struct topic_check {
    struct kafka_broker *self;
    struct kafka_findings *findings;
    const struct rd_kafka_metadata_topic *topic;
};

static void check_setting(void *arg, const char *name, const char *value)
{
    const struct topic_check *check = arg;
    struct kafka_broker *self = check->self;
    const char *topic = check->topic->topic;
    if (!strcmp(name, "min.insync.replicas") && check->topic->partitions[0].replica_cnt > 1 &&
        strtol(value, NULL, 10) < 2)
        outbox_find(&check->findings->list, OUTBOX_SEVERITY_WARNING, "set min.insync.replicas=2 on it",
                    "topic '%s' has min.insync.replicas=%s: an event counts as durable with a single copy", topic,
                    value);
    if (!strcmp(name, "max.message.bytes") && strtoull(value, NULL, 10) < self->message_max)
        outbox_find(
            &check->findings->list, OUTBOX_SEVERITY_WARNING, "set options: message.max.bytes and batch.size below that",
            "topic '%s' takes batches of %s bytes, message.max.bytes is %llu: a batch that is refused is sent again "
            "one by one",
            topic, value, (unsigned long long)self->message_max);
    if (!strcmp(name, "cleanup.policy") && strstr(value, "compact") && !self->require_key)
        outbox_find(&check->findings->list, OUTBOX_SEVERITY_WARNING,
                    "set require_key: true: the relay then rejects them before it sends them",
                    "topic '%s' is compacted: events without a key are refused by the broker", topic);
}

static void check_settings(struct kafka_broker *self, struct kafka_findings *findings,
                           const struct rd_kafka_metadata_topic *topic)
{
    struct topic_check check = {self, findings, topic};
    const struct outbox_found *before = findings->list.last;
    bool was_silent = findings->silent;
    rd_kafka_resp_err_t err =
        kafka_check_settings(self, findings, RD_KAFKA_RESOURCE_TOPIC, topic->topic, check_setting, &check);
    if (!err && findings->list.last == before)
        outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL, "the settings of topic '%s' suit the relay",
                    topic->topic);
    else if (err && !was_silent) /* one finding is enough */
        outbox_find(&findings->list, OUTBOX_SEVERITY_OK, "allow DescribeConfigs on it to check them",
                    "the settings of topic '%s' could not be read: %s", topic->topic,
                    err == RD_KAFKA_RESP_ERR__TIMED_OUT ? "no answer within the time of a check"
                                                        : rd_kafka_err2str(err));
}

void kafka_check_present(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata_topic *topic)
{
    if (topic->err || !topic->partition_cnt) {
        outbox_find_code(outbox_find(&findings->list, OUTBOX_SEVERITY_ERROR, NULL, "topic '%s': %s", topic->topic,
                                     rd_kafka_err2str(topic->err)),
                         topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? OUTBOX_E_PERMISSION : 0);
        return;
    }
    int replicas = topic->partitions[0].replica_cnt;
    outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL, "topic '%s' has %d partition%s, %d replica%s", topic->topic,
                topic->partition_cnt, topic->partition_cnt == 1 ? "" : "s", replicas, replicas == 1 ? "" : "s");
    check_settings(self, findings, topic);
}

static void check_one(struct kafka_broker *self, struct kafka_findings *findings,
                      const struct rd_kafka_metadata *metadata, const char *name, bool pending)
{
    struct outbox_error error;
    const struct rd_kafka_metadata_topic *topic = kafka_check_listed(metadata, name);
    outbox_findings_about(&findings->list, "topic %s", name);
    if (kafka_topic_name_validate((struct outbox_bytes){name, strlen(name)}, &error)) {
        outbox_find(&findings->list, OUTBOX_SEVERITY_ERROR,
                    "change route: topic:, or correct the rows that it takes the name from", "%s", error.text);
        return;
    }
    if (topic)
        kafka_check_present(self, findings, topic);
    else
        kafka_check_missing(self, findings, metadata, name, pending);
}

void kafka_check_topics(struct kafka_broker *self, struct kafka_findings *findings,
                        const struct rd_kafka_metadata *metadata)
{
    const char *topic;
    bool pending;
    for (uint32_t i = 0;
         (topic = outbox_check_topic(findings->check, i, &pending)) && !atomic_load(&self->cancel_workers); i++)
        check_one(self, findings, metadata, topic, pending);
}
