/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check_topics.c - does a topic exist, and do its settings suit the relay's?
 *
 * The metadata has all topics, so that asking creates none. The settings are asked for by DescribeConfigs. On a worker.
 */
#include "check.h"

#include <outbox/plugin_util.h>

#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 5000

static const struct rd_kafka_metadata_topic *topic_of(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (!strcmp(metadata->topics[i].topic, name))
            return &metadata->topics[i];
    return NULL;
}

static void check_setting(struct kafka_broker *self, struct kafka_findings *findings, const char *topic, int replicas,
                          const char *name, const char *value)
{
    if (!strcmp(name, "min.insync.replicas") && replicas > 1 && strtol(value, NULL, 10) < 2)
        kafka_find(self, findings, OUTBOX_SEVERITY_WARNING, "set min.insync.replicas=2 on it",
                   "topic '%s' has min.insync.replicas=%s: an event counts as durable with a single copy", topic,
                   value);
    if (!strcmp(name, "max.message.bytes") && strtoull(value, NULL, 10) < self->message_max)
        kafka_find(
            self, findings, OUTBOX_SEVERITY_WARNING, "set options: message.max.bytes and batch.size below that",
            "topic '%s' takes batches of %s bytes, message.max.bytes is %llu: a batch that is refused is sent again "
            "one by one",
            topic, value, (unsigned long long)self->message_max);
    if (!strcmp(name, "cleanup.policy") && strstr(value, "compact") && !self->require_key)
        kafka_find(self, findings, OUTBOX_SEVERITY_WARNING,
                   "set require_key: true: the relay then rejects them before it sends them",
                   "topic '%s' is compacted: events without a key are refused by the broker", topic);
}

static void report_unread(struct kafka_broker *self, struct kafka_findings *findings, const char *topic,
                          const char *reason)
{
    kafka_find(self, findings, OUTBOX_SEVERITY_OK, "allow DescribeConfigs on it to check them",
               "the settings of topic '%s' could not be read: %s", topic, reason);
}

static void check_settings(struct kafka_broker *self, struct kafka_findings *findings, const char *topic, int replicas,
                           rd_kafka_event_t *event)
{
    const struct kafka_finding *before = findings->last;
    size_t resources = 0, settings = 0;
    const rd_kafka_ConfigResource_t **resource =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);
    const rd_kafka_ConfigEntry_t **setting;
    if (!resources || rd_kafka_ConfigResource_error(resource[0])) {
        report_unread(self, findings, topic,
                      resources ? rd_kafka_err2str(rd_kafka_ConfigResource_error(resource[0])) : "no answer");
        return;
    }
    setting = rd_kafka_ConfigResource_configs(resource[0], &settings);
    for (size_t i = 0; i < settings; i++) {
        const char *value = rd_kafka_ConfigEntry_value(setting[i]);
        check_setting(self, findings, topic, replicas, rd_kafka_ConfigEntry_name(setting[i]), value ? value : "");
    }
    if (findings->last == before)
        kafka_find(self, findings, OUTBOX_SEVERITY_OK, NULL, "the settings of topic '%s' suit the relay", topic);
}

static void request_settings(struct kafka_broker *self, struct kafka_findings *findings, const char *topic,
                             int replicas)
{
    rd_kafka_queue_t *answers = rd_kafka_queue_new(self->clients[KAFKA_MAIN].rk);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_event_t *event;
    rd_kafka_DescribeConfigs(self->clients[KAFKA_MAIN].rk, &resource, 1, NULL, answers);
    event = rd_kafka_queue_poll(answers, ANSWER_MS);
    findings->silent = !event;
    if (event && !rd_kafka_event_error(event))
        check_settings(self, findings, topic, replicas, event);
    else
        report_unread(self, findings, topic,
                      event ? rd_kafka_event_error_string(event) : "no answer within the time of a check");
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(answers);
}

static void check_one(struct kafka_broker *self, struct kafka_findings *findings,
                      const struct rd_kafka_metadata *metadata, const char *name, bool pending)
{
    struct outbox_error error;
    const struct rd_kafka_metadata_topic *topic = topic_of(metadata, name);
    kafka_find_about(findings, "topic %s", name);
    if (kafka_topic_name_validate((struct outbox_bytes){name, strlen(name)}, &error)) {
        kafka_find(self, findings, OUTBOX_SEVERITY_ERROR,
                   "change route: topic:, or correct the rows that it takes the name from", "%s", error.text);
        return;
    }
    if (!topic) {
        kafka_check_missing(self, findings, metadata, name, pending);
        return;
    }
    if (topic->err || !topic->partition_cnt) {
        kafka_find(self, findings, OUTBOX_SEVERITY_ERROR, NULL, "topic '%s': %s", name, rd_kafka_err2str(topic->err));
        return;
    }
    int replicas = topic->partitions[0].replica_cnt;
    kafka_find(self, findings, OUTBOX_SEVERITY_OK, NULL, "topic '%s' has %d partition%s, %d replica%s", name,
               topic->partition_cnt, topic->partition_cnt == 1 ? "" : "s", replicas, replicas == 1 ? "" : "s");
    if (!findings->silent) /* one answer that does not come is enough */
        request_settings(self, findings, name, replicas);
}

void kafka_check_topics(struct kafka_broker *self, struct kafka_findings *findings,
                        const struct rd_kafka_metadata *metadata)
{
    const char *topic;
    bool pending;
    for (uint32_t i = 0;
         (topic = outbox_check_topic(findings->check, i, &pending)) && !atomic_load(&self->cancel_workers); i++)
        check_one(self, findings, metadata, topic, pending);
    if (findings->reader)
        rd_kafka_destroy(findings->reader);
    findings->reader = NULL;
}
