/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/redis/publish.c - events as entries of streams
 *
 * The topic is the stream. An entry has the fields id, type, key, value, and one for each header ("header:NAME"). A
 * null has no field; a tombstone has the field "tombstone" instead of a value. hiredis copies a command when it is
 * sent.
 *
 * All commands of a publish go out at once; the answers come in the same order. With `replicas` a WAIT follows, and an
 * event is delivered when so many replicas have it.
 */
#include <inttypes.h>

#include "broker.h"

enum { NAME_MAX_SIZE = FIELD_SIZE - sizeof "header:" };
#define VALUE_MAX (512u << 20) /* proto-max-bulk-len of a server that is not configured otherwise */

/* ---- what can be sent -------------------------------------------------------------------------------------------- */

int redis_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    if (!message->topic.size)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "the topic is empty; a stream needs a name");
    if (message->value.size > VALUE_MAX)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "the value has %zu bytes; Redis takes at most %u",
                                message->value.size, VALUE_MAX);
    if (message->header_count > HEADERS_MAX)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "the event has %u headers; at most %d can be sent",
                                message->header_count, HEADERS_MAX);
    for (uint32_t i = 0; i < message->header_count; i++)
        if (message->headers[i].name.size > NAME_MAX_SIZE)
            return outbox_error_set(error, OUTBOX_E_REJECTED,
                                    "the name of header %u has %zu bytes; at most %d can be sent", i,
                                    message->headers[i].name.size, (int)NAME_MAX_SIZE);
    return OUTBOX_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static void add(struct redis_command *command, const void *data, size_t size)
{
    command->words[command->count] = data ? data : "";
    command->sizes[command->count++] = size;
}

static void add_text(struct redis_command *command, const char *text)
{
    add(command, text, strlen(text));
}

static void add_field(struct redis_command *command, const char *name, struct outbox_bytes value)
{
    if (!value.data)
        return;
    add_text(command, name);
    add(command, value.data, value.size);
}

static void add_headers(struct redis_command *command, const struct outbox_message *message)
{
    for (uint32_t i = 0; i < message->header_count; i++) {
        const struct outbox_header *header = &message->headers[i];
        if (!header->value.data)
            continue;
        char *field = command->fields[i];
        add(command, field,
            (size_t)snprintf(field, FIELD_SIZE, "header:%.*s", (int)header->name.size,
                             (const char *)header->name.data));
        add(command, header->value.data, header->value.size);
    }
}

static void build(struct redis_broker *broker, const struct outbox_message *message, bool proven)
{
    struct redis_command *command = &broker->command;
    command->count = 0;
    add_text(command, "XADD");
    add(command, message->topic.data, message->topic.size);
    if (proven) {
        add_text(command, "IDMP");
        add_text(command, broker->producer);
        add(command, message->id.data, message->id.size);
    }
    if (broker->max_length) {
        snprintf(command->length, sizeof command->length, "%" PRId64, broker->max_length);
        add_text(command, "MAXLEN");
        add_text(command, "~");
        add_text(command, command->length);
    }
    add_text(command, "*");
    add_field(command, "id", message->id);
    add_field(command, "type", message->type);
    add_field(command, "key", message->key);
    if (message->value.data)
        add_field(command, "value", message->value);
    else
        add_field(command, "tombstone", (struct outbox_bytes){"true", 4});
    add_headers(command, message);
}

/* ---- the answers ------------------------------------------------------------------------------------------------- */

static void report(const struct redis_message *message, uint32_t outcome, const struct outbox_error *error)
{
    const struct redis_publish *publish = message->publish;
    outbox_report_outcomes(publish->broker->host, publish->op, message->index, 1, outcome,
                           outcome == OUTBOX_DELIVERED ? NULL : error);
}

static void count_reply(struct redis_publish *publish)
{
    struct redis_broker *broker = publish->broker;
    broker->publishes -= outbox_answers_count(broker->host, publish->op);
    redis_end_stop(broker);
}

/* The version promises IDMP, and the server refuses it: another product, or a proxy. From now on without it. */
static void note_refused_proof(struct redis_message *message, const redisReply *reply, struct outbox_error *error)
{
    struct redis_broker *broker = message->publish->broker;
    if (!message->proven || !reply || reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "ERR ", 4) != 0)
        return;
    if (broker->idempotent)
        broker->host->log(broker->host, OUTBOX_LOG_WARN, "%s does not know XADD IDMP, though it reports version %s: %s",
                          broker->name, broker->version, reply->str);
    broker->idempotent = false;
    error->code = OUTBOX_E_AGAIN; /* costs no attempt */
}

static void on_added(redisAsyncContext *connection, void *answer, void *arg)
{
    struct redis_message *message = arg;
    struct outbox_error error;
    uint32_t outcome = redis_outcome(answer, &error);
    (void)connection;
    redis_note_reply(message->publish->broker);
    note_refused_proof(message, answer, &error);
    message->added = outcome == OUTBOX_DELIVERED && message->publish->broker->replicas;
    if (!message->added)
        report(message, outcome, &error);
    count_reply(message->publish);
}

/* ---- replicas ---------------------------------------------------------------------------------------------------- */

static uint32_t wait_outcome(const struct redis_broker *broker, const redisReply *reply, struct outbox_error *error)
{
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        return redis_outcome(reply, error) == OUTBOX_UNKNOWN ? OUTBOX_UNKNOWN : OUTBOX_RETRY_UNKNOWN;
    long long have = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    if (have >= broker->replicas)
        return OUTBOX_DELIVERED;
    outbox_error_set(error, OUTBOX_E_AGAIN, "wait for %" PRId64 " replicas: %lld have the entry", broker->replicas,
                     have);
    return OUTBOX_RETRY_UNKNOWN;
}

static void on_waited(redisAsyncContext *connection, void *answer, void *arg)
{
    struct redis_publish *publish = arg;
    struct redis_broker *broker = publish->broker;
    const struct redis_message *messages = broker->host->op_messages(broker->host, publish->op);
    struct outbox_error error;
    uint32_t outcome = wait_outcome(broker, answer, &error);
    (void)connection;
    redis_note_reply(broker);
    for (uint32_t i = 0; i < publish->count; i++)
        if (messages[i].added)
            report(&messages[i], outcome, &error);
    count_reply(publish);
}

static void send_wait(struct redis_broker *broker, struct redis_publish *publish)
{
    char replicas[24], timeout[24];
    const char *words[] = {"WAIT", replicas, timeout};
    size_t sizes[] = {4, (size_t)snprintf(replicas, sizeof replicas, "%" PRId64, broker->replicas),
                      (size_t)snprintf(timeout, sizeof timeout, "%" PRId64, broker->timeout_ms / 2)};
    redis_send(broker, on_waited, publish, 3, words, sizes);
}

/* ---- a publish --------------------------------------------------------------------------------------------------- */

static void report_unsent(struct redis_message *message, uint32_t outcome, const struct outbox_error *error)
{
    report(message, outcome, error);
    count_reply(message->publish);
}

static void send_message(struct redis_broker *broker, struct redis_message *message, const struct outbox_message *event)
{
    struct outbox_error error;
    if (redis_admit(broker, event, &error)) {
        report_unsent(message, OUTBOX_REJECTED, &error);
    } else if (!broker->ready) {
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "add an entry: %s is not connected", broker->name);
        report_unsent(message, OUTBOX_NOT_CONNECTED, &error);
    } else {
        /* without an id nothing distinguishes the event from the next one */
        message->proven = broker->idempotent && event->id.size;
        build(broker, event, message->proven);
        redis_send(broker, on_added, message, broker->command.count, broker->command.words, broker->command.sizes);
    }
}

void redis_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct redis_broker *broker = self;
    struct redis_publish *mine = broker->host->op_scratch(broker->host, op);
    struct redis_message *messages = broker->host->op_messages(broker->host, op);
    *mine = (struct redis_publish){.broker = broker, .op = op, .count = publish->count};
    outbox_answers_begin(broker->host, op, publish->count + (broker->replicas > 0));
    broker->publishes++;
    for (uint32_t i = 0; i < publish->count; i++) {
        messages[i] = (struct redis_message){.publish = mine, .index = i};
        send_message(broker, &messages[i], outbox_message_at(publish, i));
    }
    if (broker->replicas)
        send_wait(broker, mine);
    count_reply(mine);
}
