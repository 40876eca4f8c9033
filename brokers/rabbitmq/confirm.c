/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/rabbitmq/confirm.c - messages without confirmation, and the answers of the server. Thread
 *
 *   basic.ack              delivered; or, after basic.return, no queue is bound: the topic's trouble
 *   basic.return           the message comes back, and basic.ack follows
 *   basic.nack             a queue is full or has failed: later, and no attempt is counted
 *   channel.close          one message was refused, and the server does not say which. Those in flight are suspects:
 *                          each is sent alone the next time, so the cause is known. A missing exchange or right is
 *                          the topic's trouble; else the message is rejected
 *   connection.blocked     nothing is sent until connection.unblocked
 *   nothing                after `confirm_timeout` the message is sent again
 *
 * Tags are counted from 1 by both sides, for each channel.
 */
#include <stdarg.h>

#include "broker.h"

/* ---- messages in flight ------------------------------------------------------------------------------------------ */

/* Events may share a hash: then one more is sent alone. */
uint8_t *rabbit_suspect(struct rabbit_broker *broker, const struct rabbit_message *message)
{
    const unsigned char *id = message->event->id.data;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < message->event->id.size; i++)
        hash = (hash ^ id[i]) * 16777619u;
    return &broker->suspects[hash % SUSPECTS];
}

/* The loop reports it. */
void rabbit_resolve(struct rabbit_broker *broker, struct rabbit_message *message, uint32_t outcome, int code,
                    const char *format, ...)
{
    va_list list;
    if (message->sent.number) {
        outbox_in_flight_remove(&broker->in_flight, &message->sent);
        *rabbit_suspect(broker, message) = 0;
    }
    message->outcome = outcome;
    message->code = code;
    va_start(list, format);
    vsnprintf(message->reason, sizeof message->reason, format, list);
    va_end(list);
    pthread_mutex_lock(&broker->shared.mutex);
    bool is_first = !broker->shared.results.first;
    rabbit_append(&broker->shared.results, message);
    pthread_mutex_unlock(&broker->shared.mutex);
    if (is_first)
        broker->host->post(broker->host, &broker->task);
}

void rabbit_expire(struct rabbit_broker *broker)
{
    uint64_t now = broker->host->now(broker->host), limit = (uint64_t)broker->confirm_timeout_ms * 1000000;
    struct rabbit_message *message;
    while (!broker->is_blocked && (message = rabbit_oldest(broker)) && now - message->sent.sent_ns >= limit) {
        broker->has_expired = true;
        rabbit_resolve(broker, message, OUTBOX_RETRY_UNKNOWN, OUTBOX_E_TIMEOUT,
                       "publish to RabbitMQ: no confirmation within %lld ms", (long long)broker->confirm_timeout_ms);
    }
}

/* ---- confirmations ----------------------------------------------------------------------------------------------- */

static void settle(struct rabbit_broker *broker, struct rabbit_message *message, bool is_ack)
{
    if (!is_ack)
        rabbit_resolve(broker, message, OUTBOX_RETRY_UNKNOWN, OUTBOX_E_AGAIN,
                       "publish to RabbitMQ: the server answered basic.nack: a queue is full, or has failed");
    else if (message->is_returned)
        rabbit_resolve(broker, message, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND,
                       "publish to RabbitMQ: exchange '%.*s' has no queue for this topic; bind one",
                       OUTBOX_CUT(broker->exchange, 80));
    else
        rabbit_resolve(broker, message, OUTBOX_DELIVERED, OUTBOX_OK, "%s", "");
}

static void on_confirm(struct rabbit_broker *broker, uint64_t tag, bool multiple, bool is_ack)
{
    struct rabbit_message *message;
    if (!multiple && (message = (struct rabbit_message *)(void *)outbox_in_flight_find(&broker->in_flight, tag)))
        settle(broker, message, is_ack);
    while (multiple && (message = rabbit_oldest(broker)) && (message->sent.number <= tag || !tag))
        settle(broker, message, is_ack);
}

/* After basic.return the message follows, as a header and bodies. Its id is enough, and the bodies are dropped as they
 * come: amqp_read_message() would allocate whatever size the server states, and wait for all of it. */
static void on_returned(struct rabbit_broker *broker, const amqp_frame_t *frame)
{
    const amqp_basic_properties_t *properties = frame->payload.properties.decoded;
    bool has_id =
        frame->payload.properties.class_id == AMQP_BASIC_CLASS && (properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG);
    amqp_bytes_t id = has_id ? properties->message_id : amqp_empty_bytes;
    struct rabbit_message *message = has_id ? rabbit_oldest(broker) : NULL;
    while (message && (message->is_returned || message->event->id.size != id.len ||
                       (id.len && memcmp(message->event->id.data, id.bytes, id.len) != 0)))
        message = (struct rabbit_message *)(void *)message->sent.next;
    if (message)
        message->is_returned = true;
}

/* ---- the channel and the connection ------------------------------------------------------------------------------ */

static void refuse_all(struct rabbit_broker *broker, const amqp_channel_close_t *close)
{
    bool is_known = broker->in_flight.count == 1 && !broker->has_expired;
    int size = outbox_cut_bytes((struct outbox_bytes){close->reply_text.bytes, close->reply_text.len}, 80);
    bool is_topic = close->reply_code == AMQP_NOT_FOUND || close->reply_code == AMQP_ACCESS_REFUSED;
    uint32_t outcome = !is_known ? OUTBOX_RETRY_UNKNOWN : is_topic ? OUTBOX_RETRY : OUTBOX_REJECTED;
    int code = !is_known                                  ? OUTBOX_E_AGAIN
               : close->reply_code == AMQP_NOT_FOUND      ? OUTBOX_E_NOT_FOUND
               : close->reply_code == AMQP_ACCESS_REFUSED ? OUTBOX_E_PERMISSION
                                                          : OUTBOX_E_REJECTED;
    for (struct rabbit_message *message; (message = rabbit_oldest(broker));) {
        uint8_t *suspect = rabbit_suspect(broker, message);
        rabbit_resolve(broker, message, outcome, code, "publish to RabbitMQ: %s%.*s (%u)",
                       !is_known ? "one of several messages was refused: " : "", size,
                       (const char *)close->reply_text.bytes, close->reply_code);
        *suspect = !is_known;
    }
}

static int on_channel_close(struct rabbit_broker *broker, const amqp_channel_close_t *close, struct outbox_error *error)
{
    amqp_channel_close_ok_t ok = {0};
    refuse_all(broker, close);
    amqp_send_method(broker->connection, CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    return rabbit_open_channel(broker, error);
}

static int on_connection_close(struct rabbit_broker *broker, const amqp_connection_close_t *close,
                               struct outbox_error *error)
{
    amqp_connection_close_ok_t ok = {0};
    outbox_error_set(error, OUTBOX_E_NOT_CONNECTED, "%s closed the connection: %.*s (%u)", broker->server,
                     (int)close->reply_text.len, (const char *)close->reply_text.bytes, close->reply_code);
    amqp_send_method(broker->connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
    return error->code;
}

static void on_blocked(struct rabbit_broker *broker, amqp_bytes_t reason)
{
    broker->is_blocked = true;
    broker->host->log(broker->host, OUTBOX_LOG_WARN, "RabbitMQ blocks publishers, events wait: %.*s", (int)reason.len,
                      (const char *)reason.bytes);
}

static void on_unblocked(struct rabbit_broker *broker)
{
    uint64_t now = broker->host->now(broker->host);
    broker->is_blocked = false;
    for (struct outbox_in_flight_item *item = broker->in_flight.first; item; item = item->next)
        item->sent_ns = now; /* the server did not read meanwhile */
    broker->host->log(broker->host, OUTBOX_LOG_INFO, "RabbitMQ accepts messages again");
}

int rabbit_on_frame(struct rabbit_broker *broker, const amqp_frame_t *frame, struct outbox_error *error)
{
    const amqp_basic_ack_t *ack = frame->payload.method.decoded;
    const amqp_basic_nack_t *nack = frame->payload.method.decoded;
    const amqp_connection_blocked_t *blocked = frame->payload.method.decoded;
    if (frame->frame_type == AMQP_FRAME_HEADER)
        on_returned(broker, frame);
    if (frame->frame_type != AMQP_FRAME_METHOD)
        return OUTBOX_OK;
    switch (frame->payload.method.id) {
    case AMQP_BASIC_ACK_METHOD:
        on_confirm(broker, ack->delivery_tag, ack->multiple, true);
        return OUTBOX_OK;
    case AMQP_BASIC_NACK_METHOD:
        on_confirm(broker, nack->delivery_tag, nack->multiple, false);
        return OUTBOX_OK;
    case AMQP_CHANNEL_CLOSE_METHOD:
        return on_channel_close(broker, frame->payload.method.decoded, error);
    case AMQP_CONNECTION_CLOSE_METHOD:
        return on_connection_close(broker, frame->payload.method.decoded, error);
    case AMQP_CONNECTION_BLOCKED_METHOD:
        on_blocked(broker, blocked->reason);
        return OUTBOX_OK;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        on_unblocked(broker);
        return OUTBOX_OK;
    default:
        return OUTBOX_OK;
    }
}
