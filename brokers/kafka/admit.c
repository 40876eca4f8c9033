/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/admit.c - could this message ever go? Asked before it is sent, so that its key stops in time
 *
 * The size is reckoned as librdkafka does, with every length at its longest, so that what passes here passes there.
 * A topic may allow less than message.max.bytes: what its broker refuses is found out one by one, see topic.c.
 */
#include "broker.h"

/* Record attributes, time and offset differences, and four lengths as varints: librdkafka's worst case. */
#define RECORD_OVERHEAD 36u
#define HEADER_OVERHEAD 10u
#define TOPIC_MAX 249u

static bool topic_character(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static int check_topic(struct outbox_bytes topic, struct outbox_error *error)
{
    const unsigned char *name = topic.data;
    if (!name || !topic.size)
        return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "the topic is empty");
    if (topic.size > TOPIC_MAX)
        return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
                           "topic '%.40s...' has %zu characters, Kafka allows %u", (const char *)topic.data, topic.size,
                           TOPIC_MAX);
    for (size_t i = 0; i < topic.size; i++)
        if (!topic_character(name[i]))
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

static uint64_t size_of(const struct outbox_message *message)
{
    uint64_t size = RECORD_OVERHEAD + (uint64_t)message->key.size + message->value.size;
    for (uint32_t i = 0; i < message->header_count; i++)
        size += HEADER_OVERHEAD + (uint64_t)message->headers[i].name.size + message->headers[i].value.size;
    return size;
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

int kafka_admit(void *plugin, const struct outbox_message *message, struct outbox_error *error)
{
    const struct kafka_broker *self = plugin;
    uint64_t size = size_of(message);
    int rc = check_topic(message->topic, error);
    if (!rc)
        rc = check_headers(message, error);
    if (rc)
        return rc;
    if (self->require_key && !message->key.data)
        return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_INVALID_RECORD,
                           "the event has no key, and require_key is set");
    if (size > self->message_max)
        return kafka_error(error, OUTBOX_E_REJECTED, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                           "the event takes %llu bytes as a Kafka record, message.max.bytes is %llu",
                           (unsigned long long)size, (unsigned long long)self->message_max);
    return OUTBOX_OK;
}
