/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/admit.c - can this message ever be written? Checked before sending, so that a bad event blocks its key
 * first
 *
 * The size is computed as librdkafka does, with every length at its maximum: a message that passes here passes there. A
 * topic may have lower limits and other rules: see topic_limits.h.
 */
#include <outbox/text_util.h>

#include "broker.h"

#define TOPIC_MAX 249u

static bool is_topic_character(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

int kafka_topic_name_validate(struct outbox_bytes topic, struct outbox_error *error)
{
    const unsigned char *name = topic.data;
    if (!name || !topic.size)
        return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "the topic is empty");
    if (topic.size > TOPIC_MAX)
        return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
                           "topic '%.*s...' has %zu characters, Kafka allows %u", outbox_cut_bytes(topic, 40),
                           (const char *)topic.data, topic.size, TOPIC_MAX);
    for (size_t i = 0; i < topic.size; i++)
        if (!is_topic_character(name[i]))
            return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
                               "topic '%.*s' has a character (0x%02x at %zu) that Kafka does not allow: "
                               "only letters, digits, '.', '_' and '-'",
                               (int)topic.size, (const char *)topic.data, name[i], i);
    if (name[0] == '.' && (topic.size == 1 || (topic.size == 2 && name[1] == '.')))
        return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
                           "topic '%.*s' is a name that Kafka does not allow", (int)topic.size,
                           (const char *)topic.data);
    return OUTBOX_OK;
}

static int check_headers(const struct outbox_message *message, struct outbox_error *error)
{
    for (uint32_t i = 0; i < message->header_count; i++) {
        struct outbox_bytes name = message->headers[i].name;
        if (!name.data || !name.size)
            return kafka_error(error, OUTBOX_E_REJECTED, 0, "header %u has no name", i + 1);
    }
    return OUTBOX_OK;
}

static int check_size(const struct kafka_broker *self, const struct outbox_message *message, struct outbox_error *error)
{
    uint64_t size = kafka_record_size_max(message);
    if (size <= self->message_max)
        return OUTBOX_OK;
    return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                       "the event takes %llu bytes as a Kafka record, message.max.bytes is %llu",
                       (unsigned long long)size, (unsigned long long)self->message_max);
}

static int check_key(const struct kafka_broker *self, const struct outbox_message *message, struct outbox_error *error)
{
    if (!self->require_key || message->key.data)
        return OUTBOX_OK;
    return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_INVALID_RECORD,
                       "the event has no key, and require_key is set");
}

/* Rejects only what the topic's settings forbid; a suspect is sent. */
static int check_limits(struct kafka_broker *self, const struct outbox_message *message, struct outbox_error *error)
{
    struct outbox_error reason = {0};
    struct kafka_topic *topic = self->refusals_seen ? kafka_topics_find(&self->topics, message->topic) : NULL;
    if (!topic || kafka_admit_to_topic(self, topic, message, &reason) != KAFKA_REFUSED)
        return OUTBOX_OK;
    *error = reason;
    return error->code;
}

/* Positions alone do not name an event: see progress.h. */
static int check_id(const struct kafka_broker *self, const struct outbox_message *message, struct outbox_error *error)
{
    if (!self->exactly_once || (message->id.data && message->id.size))
        return OUTBOX_OK;
    return kafka_error(error, OUTBOX_E_REJECTED, 0, "the event has no id, which delivery: exactly-once needs");
}

int kafka_admit(void *plugin, const struct outbox_message *message, struct outbox_error *error)
{
    struct kafka_broker *self = plugin;
    if (self->exactly_once && kafka_progress_has(&self->transaction.progress, message))
        return OUTBOX_OK; /* it is not sent again */
    int rc = kafka_topic_name_validate(message->topic, error);
    if (!rc)
        rc = check_id(self, message, error);
    if (!rc)
        rc = check_headers(message, error);
    if (!rc)
        rc = check_key(self, message, error);
    if (!rc)
        rc = check_size(self, message, error);
    if (!rc)
        rc = check_limits(self, message, error);
    return rc;
}
