/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/publish.c - messages out, and those that wait for an answer
 *
 * The topic is the subject. Headers: Nats-Msg-Id has the event id, by which JetStream drops what is sent twice within
 * the stream's window; Outbox-Key and Outbox-Type; Outbox-Tombstone for a null value; then the route's headers. A
 * header of NATS cannot have a line end, and clients cut blanks at its ends: such a key goes as Outbox-Key-Base64, and
 * an event with a line end in a header is rejected.
 *
 * The reply subject ends with the number of the sending. An answer that comes after the deadline finds no message.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker.h"

enum { NAME_ROOM = 256 };

/* ---- what can be sent -------------------------------------------------------------------------------------------- */

/* Tokens between dots, none empty; no blank, no wildcard. */
static bool is_subject(struct outbox_bytes topic)
{
    const char *at = topic.data;
    bool empty = true;
    for (size_t i = 0; i < topic.size; i++) {
        if ((unsigned char)at[i] <= ' ' || at[i] == 0x7f || at[i] == '*' || at[i] == '>' || (at[i] == '.' && empty))
            return false;
        empty = at[i] == '.';
    }
    return !empty;
}

static bool is_line(struct outbox_bytes text)
{
    const char *at = text.data;
    for (size_t i = 0; i < text.size; i++)
        if (at[i] == '\r' || at[i] == '\n' || !at[i])
            return false;
    return true;
}

static bool keeps_as_header(struct outbox_bytes text)
{
    static const char blanks[] = " \t";
    const char *at = text.data;
    return is_line(text) && (!text.size || (!strchr(blanks, at[0]) && !strchr(blanks, at[text.size - 1])));
}

static bool is_header_name(struct outbox_bytes name)
{
    const char *at = name.data;
    for (size_t i = 0; i < name.size; i++)
        if (at[i] <= ' ' || at[i] > '~' || at[i] == ':')
            return false;
    return name.size && name.size < NAME_ROOM;
}

static size_t size_of(const struct outbox_message *message)
{
    enum { LINE = 4, OWN = 120 }; /* ": ", "\r\n"; our own names */
    size_t size = message->value.size + message->key.size * 4 / 3 + message->id.size + message->type.size + OWN;
    for (uint32_t i = 0; i < message->header_count; i++)
        size += message->headers[i].name.size + message->headers[i].value.size + LINE;
    return size;
}

int nats_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    const struct nats_broker *broker = self;
    if (!is_subject(message->topic))
        return outbox_error_set(error, OUTBOX_E_REJECTED,
                                "the topic is no subject of NATS: no blanks, no * or >, no empty part between dots");
    if (broker->max_payload && size_of(message) > (size_t)broker->max_payload)
        return outbox_error_set(error, OUTBOX_E_REJECTED,
                                "the message has %zu bytes; max_payload of the server is %" PRId64, size_of(message),
                                broker->max_payload);
    for (uint32_t i = 0; i < message->header_count; i++)
        if (!is_header_name(message->headers[i].name) || !is_line(message->headers[i].value))
            return outbox_error_set(error, OUTBOX_E_REJECTED,
                                    "header %u: NATS takes names of printable characters, and values of one line", i);
    if (!keeps_as_header(message->id) || !is_line(message->type)) /* JetStream drops what has a known id */
        return outbox_error_set(error, OUTBOX_E_REJECTED,
                                "the id or type of the event has a line end, or the id begins or ends with a blank");
    return OUTBOX_OK;
}

/* ---- the message ------------------------------------------------------------------------------------------------- */

/* A copy that ends with a zero byte; the caller frees it. */
static char *text_of(struct outbox_bytes bytes)
{
    return bytes.data ? strndup(bytes.data, bytes.size) : NULL;
}

static natsStatus add_header(natsMsg *message, const char *name, struct outbox_bytes value)
{
    if (!value.data)
        return NATS_OK;
    char *text = text_of(value);
    natsStatus status = text ? natsMsgHeader_Add(message, name, text) : NATS_NO_MEMORY;
    free(text);
    return status;
}

static natsStatus add_key(natsMsg *message, struct outbox_bytes key)
{
    if (keeps_as_header(key))
        return add_header(message, "Outbox-Key", key);
    char *text = malloc(OUTBOX_BASE64_SIZE(key.size));
    if (!text)
        return NATS_NO_MEMORY;
    outbox_base64(text, key.data, key.size);
    natsStatus status = natsMsgHeader_Add(message, "Outbox-Key-Base64", text);
    free(text);
    return status;
}

static natsStatus add_headers(natsMsg *message, const struct outbox_message *event)
{
    natsStatus status = add_header(message, "Nats-Msg-Id", event->id);
    if (status == NATS_OK)
        status = add_key(message, event->key);
    if (status == NATS_OK)
        status = add_header(message, "Outbox-Type", event->type);
    if (status == NATS_OK && !event->value.data)
        status = natsMsgHeader_Add(message, "Outbox-Tombstone", "true");
    for (uint32_t i = 0; status == NATS_OK && i < event->header_count; i++) {
        char name[NAME_ROOM];
        snprintf(name, sizeof name, "%.*s", (int)event->headers[i].name.size,
                 (const char *)event->headers[i].name.data);
        status = add_header(message, name, event->headers[i].value);
    }
    return status;
}

static natsStatus send(struct nats_broker *broker, const struct nats_message *mine)
{
    const struct outbox_message *event = mine->event;
    char reply[INBOX_SIZE + 20];
    char *subject = text_of(event->topic);
    natsMsg *message = NULL;
    snprintf(reply, sizeof reply, "%s%" PRIx64, broker->inbox_subject, mine->sent.number);
    natsStatus status =
        !subject ? NATS_NO_MEMORY : natsMsg_Create(&message, subject, reply, event->value.data, (int)event->value.size);
    if (status == NATS_OK)
        status = add_headers(message, event);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(broker->connection, message);
    natsMsg_Destroy(message);
    free(subject);
    return status;
}

/* ---- messages that wait for an answer ---------------------------------------------------------------------------- */

static struct nats_message *oldest(const struct nats_broker *broker)
{
    return (struct nats_message *)(void *)broker->in_flight.first;
}

static void report(struct nats_broker *broker, outbox_op_t op, uint32_t index, uint32_t outcome,
                   const struct outbox_error *error)
{
    broker->publishes -= outbox_answer(broker->host, op, index, outcome, outcome == OUTBOX_DELIVERED ? NULL : error);
    nats_end_stop(broker);
}

void nats_report(struct nats_message *message, uint32_t outcome, const struct outbox_error *error)
{
    struct nats_broker *broker = message->broker;
    outbox_in_flight_remove(&broker->in_flight, &message->sent);
    report(broker, message->op, message->index, outcome, error);
}

void nats_fail_all(struct nats_broker *broker, const struct outbox_error *error)
{
    while (oldest(broker))
        nats_report(oldest(broker), OUTBOX_UNKNOWN, error);
}

/* "Permissions Violation for Publish to \"SUBJECT\"": no answer will come. */
void nats_refuse_subject(struct nats_broker *broker, const char *reason)
{
    const char *quote = strchr(reason, '"');
    struct nats_message *next;
    struct outbox_error error;
    if (!quote || !strstr(reason, "ermissions"))
        return;
    size_t size = strcspn(++quote, "\"");
    outbox_error_set(&error, OUTBOX_E_PERMISSION, "store in JetStream: %s", reason);
    for (struct nats_message *message = oldest(broker); message; message = next) {
        next = (struct nats_message *)(void *)message->sent.next;
        if (message->event->topic.size == size && !strncasecmp(message->event->topic.data, quote, size))
            nats_report(message, OUTBOX_RETRY, &error);
    }
}

/* The oldest messages may be late. */
void nats_on_timer(void *arg)
{
    struct nats_broker *broker = arg;
    uint64_t limit = (uint64_t)broker->ack_timeout_ms * 1000000, now = broker->host->now(broker->host);
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_TIMEOUT, "store in JetStream: no answer within %" PRId64 " ms",
                     broker->ack_timeout_ms);
    while (oldest(broker) && now - oldest(broker)->sent.sent_ns >= limit)
        nats_report(oldest(broker), OUTBOX_RETRY_UNKNOWN, &error);
    if (oldest(broker))
        broker->host->timer_set(broker->timer, (oldest(broker)->sent.sent_ns + limit - now) / 1000 + 1);
}

/* ---- a publish --------------------------------------------------------------------------------------------------- */

static void enter(struct nats_broker *broker, struct nats_message *mine)
{
    if (!broker->in_flight.count)
        broker->host->timer_set(broker->timer, (uint64_t)broker->ack_timeout_ms * 1000);
    outbox_in_flight_add(&broker->in_flight, &mine->sent, broker->host->now(broker->host));
}

static void send_event(struct nats_broker *broker, struct nats_message *mine)
{
    struct outbox_error error;
    if (nats_admit(broker, mine->event, &error)) {
        report(broker, mine->op, mine->index, OUTBOX_REJECTED, &error);
    } else if (!broker->ready) {
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "send to NATS: not connected");
        report(broker, mine->op, mine->index, OUTBOX_NOT_CONNECTED, &error);
    } else {
        enter(broker, mine);
        natsStatus status = send(broker, mine);
        if (status == NATS_OK)
            return;
        outbox_error_set(&error, status == NATS_NO_MEMORY ? OUTBOX_E_NO_MEMORY : OUTBOX_E_NOT_CONNECTED,
                         "send to NATS: %s", natsStatus_GetText(status));
        nats_report(mine, OUTBOX_NOT_CONNECTED, &error);
    }
}

void nats_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct nats_broker *broker = self;
    struct nats_message *messages = broker->host->op_messages(broker->host, op);
    outbox_answers_begin(broker->host, op, publish->count);
    broker->publishes++;
    for (uint32_t i = 0; i < publish->count; i++) {
        messages[i] =
            (struct nats_message){.broker = broker, .op = op, .index = i, .event = outbox_message_at(publish, i)};
        send_event(broker, &messages[i]);
    }
    broker->publishes -= outbox_answers_end(broker->host, op);
}
