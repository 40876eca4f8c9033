/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/limits_request.c - requests the settings of topics from the broker, without blocking
 *
 * Requested only after the broker has refused some event: then the settings of every topic in use say which further
 * events it would refuse, and these are rejected before they are sent. The answer comes through the main event queue.
 *
 * Failure modes: the broker does not show the settings (DescribeConfigs is not allowed), or does not answer. Then
 * events like the refused ones are sent alone (topic_limits.h), which costs a round trip each.
 */
#include "broker.h"

#define ANSWER_MS 3000

void kafka_request_limits(struct kafka_broker *self, struct kafka_topic *topic)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_t *rk = self->clients[KAFKA_MAIN].rk;
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic->name);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, text, sizeof text);
    rd_kafka_AdminOptions_set_opaque(options, topic);
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, self->clients[KAFKA_MAIN].queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    topic->limits_due = false;
    if (topic->limits.state != KAFKA_LIMITS_KNOWN)
        topic->limits.state = KAFKA_LIMITS_REQUESTED;
}

void kafka_request_due_limits(struct kafka_broker *self)
{
    if (!self->limits_due || !kafka_is_sending(self))
        return;
    self->limits_due = false;
    for (struct kafka_topic *topic = NULL; (topic = kafka_topics_next(&self->topics, topic));)
        if (topic->limits_due && topic->limits.state != KAFKA_LIMITS_REQUESTED)
            kafka_request_limits(self, topic);
}

static bool read_settings(struct kafka_limits *limits, rd_kafka_event_t *event)
{
    size_t resources = 0, count = 0;
    if (rd_kafka_event_error(event))
        return false;
    const rd_kafka_ConfigResource_t **resource =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);
    if (!resources || rd_kafka_ConfigResource_error(resource[0]))
        return false;
    const rd_kafka_ConfigEntry_t **settings = rd_kafka_ConfigResource_configs(resource[0], &count);
    kafka_limits_begin(limits);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(settings[i]);
        kafka_limits_set(limits, rd_kafka_ConfigEntry_name(settings[i]), value ? value : "");
    }
    return true;
}

void kafka_on_limits(struct kafka_broker *self, rd_kafka_event_t *event)
{
    struct kafka_topic *topic = rd_kafka_event_opaque(event);
    bool first = topic->limits.state != KAFKA_LIMITS_KNOWN;
    if (!read_settings(&topic->limits, event)) {
        topic->limits.state = KAFKA_LIMITS_WITHHELD;
        return;
    }
    kafka_limits_known(&topic->limits, self->host->now(self->host));
    if (first)
        kafka_topic_on(topic, KAFKA_TOPIC_LIMITS_KNOWN);
}
