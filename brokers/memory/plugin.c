/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/memory/plugin.c - a broker in the memory of the process: the reference for every other broker
 *
 * publish() appends a copy of each event, reports all as delivered, and completes inside the call. With `discard`
 * events are counted and dropped: a bench then measures everything but a broker.
 *
 * Failure modes:
 *   full, or no memory    this event and all later ones are not connected, and the instance reports itself lost. Until
 *                         the host has stopped and started it, it takes nothing: no event overtakes one of its key.
 *   start while full      fails
 *   no topic, or a payload above `max_bytes`    the event is rejected
 */
#include "memory.h"

#include <string.h>

#include <outbox/plugin_util.h>
#include <outbox/version.h>

struct memory_broker {
    const struct outbox_host *host;
    int64_t limit;
    int64_t max_bytes;
    bool discard;
    bool open;
    struct outbox_message **events; /* each one block, with everything it points to */
    uint32_t count, capacity;
    uint64_t delivered;
};

/* ---- copies ------------------------------------------------------------------------------------------------------ */

static size_t message_size(const struct outbox_message *message)
{
    size_t size = sizeof *message + message->topic.size + message->key.size + message->value.size + message->id.size +
                  message->type.size + message->header_count * sizeof *message->headers;
    for (uint32_t i = 0; i < message->header_count; i++)
        size += message->headers[i].name.size + message->headers[i].value.size;
    return size;
}

static struct outbox_bytes copy_bytes(char **at, struct outbox_bytes bytes)
{
    if (!bytes.data)
        return bytes;
    struct outbox_bytes copy = {*at, bytes.size};
    memcpy(*at, bytes.data, bytes.size);
    *at += bytes.size;
    return copy;
}

static void copy_message(struct outbox_message *copy, const struct outbox_message *message)
{
    struct outbox_header *headers = (struct outbox_header *)(copy + 1);
    char *at = (char *)(headers + message->header_count);
    *copy = *message;
    copy->headers = headers;
    copy->topic = copy_bytes(&at, message->topic);
    copy->key = copy_bytes(&at, message->key);
    copy->value = copy_bytes(&at, message->value);
    copy->id = copy_bytes(&at, message->id);
    copy->type = copy_bytes(&at, message->type);
    for (uint32_t i = 0; i < message->header_count; i++) {
        headers[i].name = copy_bytes(&at, message->headers[i].name);
        headers[i].value = copy_bytes(&at, message->headers[i].value);
    }
}

static int grow(struct memory_broker *broker)
{
    if (broker->count < broker->capacity)
        return OUTBOX_OK;
    uint32_t capacity = broker->capacity ? broker->capacity * 2 : 64;
    void *events = broker->host->resize(broker->host, broker->events, capacity * sizeof *broker->events);
    if (!events)
        return OUTBOX_E_NO_MEMORY;
    broker->events = events;
    broker->capacity = capacity;
    return OUTBOX_OK;
}

static int set_full_error(const struct memory_broker *broker, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_FULL,
                            "append to memory: %u events are kept, which is the limit; raise 'limit'", broker->count);
}

/* OUTBOX_OK, or fills error; then nothing was appended. */
static int append(struct memory_broker *broker, const struct outbox_message *message, struct outbox_error *error)
{
    if (broker->discard)
        return OUTBOX_OK;
    if (broker->count >= broker->limit)
        return set_full_error(broker, error);
    struct outbox_message *copy = NULL;
    if (grow(broker) == OUTBOX_OK)
        copy = broker->host->alloc(broker->host, message_size(message));
    if (!copy)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "append to memory: out of memory");
    copy_message(copy, message);
    broker->events[broker->count++] = copy;
    return OUTBOX_OK;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int memory_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    (void)error;
    struct memory_broker *broker = self;
    broker->host = init->host;
    return OUTBOX_OK;
}

static void memory_fini(void *self)
{
    struct memory_broker *broker = self;
    while (broker->count)
        broker->host->release(broker->host, broker->events[--broker->count]);
    if (broker->events)
        broker->host->release(broker->host, broker->events);
}

static void memory_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    (void)start;
    struct memory_broker *broker = self;
    struct outbox_error error = {0};
    if (!broker->discard && broker->count >= broker->limit)
        set_full_error(broker, &error);
    broker->open = !error.code;
    broker->host->op_done(broker->host, op, &error);
}

static void memory_stop(void *self, outbox_op_t op)
{
    struct memory_broker *broker = self;
    broker->open = false;
    broker->host->op_done(broker->host, op, NULL);
}

static int memory_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    const struct memory_broker *broker = self;
    if (!message->topic.size)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "append to memory: the event has no topic");
    if (message->value.size > (uint64_t)broker->max_bytes)
        return outbox_error_set(error, OUTBOX_E_REJECTED,
                                "append to memory: the payload has %zu bytes, 'max_bytes' allows %lld",
                                message->value.size, (long long)broker->max_bytes);
    return OUTBOX_OK;
}

static void report_lost(struct memory_broker *broker, const struct outbox_error *error)
{
    broker->open = false;
    broker->host->log(broker->host, OUTBOX_LOG_WARN, "%s", error->text);
    broker->host->lost(broker->host, error);
}

/* Appends in order. Gives the index of the first event that was not appended, or the count. */
static uint32_t append_all(struct memory_broker *broker, outbox_op_t op, const struct outbox_publish *publish,
                           struct outbox_error *error)
{
    uint32_t reported = 0, i = 0;
    for (; i < publish->count; i++) {
        const struct outbox_message *message = outbox_message_at(publish, i);
        if (memory_admit(broker, message, error)) {
            outbox_report_outcomes(broker->host, op, reported, i - reported, OUTBOX_DELIVERED, NULL);
            outbox_report_outcomes(broker->host, op, i, 1, OUTBOX_REJECTED, error);
            reported = i + 1;
        } else if (append(broker, message, error)) {
            break;
        } else {
            broker->delivered++;
        }
    }
    outbox_report_outcomes(broker->host, op, reported, i - reported, OUTBOX_DELIVERED, NULL);
    return i;
}

static void memory_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct memory_broker *broker = self;
    struct outbox_error error;
    uint32_t appended = 0;
    if (!broker->open)
        outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "append to memory: the broker is not started");
    else if ((appended = append_all(broker, op, publish, &error)) < publish->count)
        report_lost(broker, &error);
    outbox_report_outcomes(broker->host, op, appended, publish->count - appended, OUTBOX_NOT_CONNECTED, &error);
    broker->host->op_done(broker->host, op, NULL);
}

/* ---- for tests --------------------------------------------------------------------------------------------------- */

uint32_t outbox_memory_broker_count(const void *self)
{
    return ((const struct memory_broker *)self)->count;
}

const struct outbox_message *outbox_memory_broker_at(const void *self, uint32_t index)
{
    const struct memory_broker *broker = self;
    return index < broker->count ? broker->events[index] : NULL;
}

uint64_t outbox_memory_broker_delivered(const void *self)
{
    return ((const struct memory_broker *)self)->delivered;
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static const struct outbox_option options[] = {
    {.name = "limit",
     .type = OUTBOX_OPT_INT,
     .offset = offsetof(struct memory_broker, limit),
     .default_value = "1000000",
     .min = 1,
     .max = UINT32_MAX / 4,
     .help = "number of events that are kept; then the broker is full"},
    {.name = "max_bytes",
     .type = OUTBOX_OPT_SIZE,
     .offset = offsetof(struct memory_broker, max_bytes),
     .default_value = "1MiB",
     .min = 1,
     .max = INT64_MAX,
     .help = "largest payload; an event with a larger one is rejected"},
    {.name = "discard",
     .type = OUTBOX_OPT_BOOL,
     .offset = offsetof(struct memory_broker, discard),
     .help = "count events and drop them, to measure all but the broker"},
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = memory_init,
    .fini = memory_fini,
    .start = memory_start,
    .stop = memory_stop,
    .publish = memory_publish,
    .admit = memory_admit,
};

OUTBOX_PLUGIN(broker, memory) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ORDERED | OUTBOX_CAP_GLOBAL_ORDER | OUTBOX_CAP_ADMIT,
    .name = "memory",
    .version = OUTBOX_VERSION_STRING,
    .description = "keeps events in the memory of the process, for tests",
    .instance_size = sizeof(struct memory_broker),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
};
