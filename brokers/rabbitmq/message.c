/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/rabbitmq/message.c - one event as a message. Thread
 *
 * The topic is the routing key. The properties message-id and type have id and type. Headers: Outbox-Key with the key's
 * bytes, Outbox-Tombstone for a null value, and the route's headers; a null header is void.
 */
#include "broker.h"

enum { OWN_HEADERS = 2, FEW = 32 };

static amqp_field_value_t value_of(struct outbox_bytes bytes)
{
    if (!bytes.data)
        return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_VOID};
    return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = rabbit_bytes(bytes)};
}

static int fill_headers(amqp_table_entry_t *entries, const struct outbox_message *event)
{
    int count = 0;
    for (uint32_t i = 0; i < event->header_count; i++)
        entries[count++] =
            (amqp_table_entry_t){rabbit_bytes(event->headers[i].name), value_of(event->headers[i].value)};
    if (event->key.data)
        entries[count++] = (amqp_table_entry_t){amqp_cstring_bytes("Outbox-Key"), value_of(event->key)};
    if (!event->value.data)
        entries[count++] =
            (amqp_table_entry_t){amqp_cstring_bytes("Outbox-Tombstone"),
                                 (amqp_field_value_t){.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}};
    return count;
}

static int publish(struct rabbit_broker *broker, const struct outbox_message *event, amqp_table_t headers)
{
    enum { PERSISTENT = 2 };
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_HEADERS_FLAG |
                  AMQP_BASIC_MESSAGE_ID_FLAG,
        .content_type = amqp_cstring_bytes(broker->content_type),
        .delivery_mode = PERSISTENT,
        .headers = headers,
        .message_id = rabbit_bytes(event->id),
    };
    if (event->type.data) {
        properties._flags |= AMQP_BASIC_TYPE_FLAG;
        properties.type = rabbit_bytes(event->type);
    }
    if (event->created_us > 0) {
        properties._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
        properties.timestamp = (uint64_t)event->created_us / 1000000;
    }
    return amqp_basic_publish(broker->connection, CHANNEL, amqp_cstring_bytes(broker->exchange),
                              rabbit_bytes(event->topic), broker->mandatory, 0, &properties,
                              rabbit_bytes(event->value));
}

int rabbit_send(struct rabbit_broker *broker, const struct rabbit_message *message)
{
    const struct outbox_message *event = message->event;
    amqp_table_entry_t few[FEW], *entries = few;
    size_t room = event->header_count + OWN_HEADERS;
    if (room > FEW && !(entries = broker->host->alloc(broker->host, room * sizeof *entries)))
        return AMQP_STATUS_NO_MEMORY;
    int status = publish(broker, event, (amqp_table_t){fill_headers(entries, event), entries});
    if (entries != few)
        broker->host->release(broker->host, entries);
    return status;
}
