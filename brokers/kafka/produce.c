/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/produce.c - handing messages to librdkafka, in submission order, without ever waiting
 *
 * Publishes stand in line; only the first is handed over, message by message (in groups: group.c), until it is done,
 * librdkafka's queue is full, a topic's gate says wait, or this turn's budget is used up. Reports (reports.c) or a task
 * continue. So nothing of a later publish overtakes an earlier one. Values are not copied: they stay where the store
 * has them until the publish completes (copying small ones was measured, and gains nothing).
 */
#include "broker.h"

#define TURN 4096u           /* messages handed over before other work gets its turn */
#define PATIENCE_US 3000000u /* with a topic that does not report its only message, while others wait behind */
#define OUTAGE_US 2000000u   /* for a connection that was closed to be opened again */
#define FIELDS 7u

enum step { STEP_NEXT, STEP_AGAIN, STEP_WAIT };

static void *opaque_of(const struct kafka_publish *publish, uint32_t index)
{
    return (void *)(((uintptr_t)publish->slot << KAFKA_INDEX_BITS) | index);
}

/* NULL with *failed: no memory. The headers are librdkafka's once the message is. */
static rd_kafka_headers_t *headers_of(const struct outbox_message *message, bool *failed)
{
    rd_kafka_headers_t *headers;
    *failed = false;
    if (!message->header_count)
        return NULL;
    headers = rd_kafka_headers_new(message->header_count);
    for (uint32_t i = 0; i < message->header_count; i++) {
        const struct outbox_header *header = &message->headers[i];
        if (rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.size, header->value.data,
                                (ssize_t)header->value.size))
            *failed = true;
    }
    return headers;
}

static size_t fill(rd_kafka_vu_t *fields, const struct outbox_message *message, rd_kafka_topic_t *rkt,
                   rd_kafka_headers_t *headers, void *opaque)
{
    size_t n = 0;
    fields[n].vtype = RD_KAFKA_VTYPE_RKT;
    fields[n++].u.rkt = rkt;
    fields[n].vtype = RD_KAFKA_VTYPE_VALUE;
    fields[n].u.mem.ptr = (void *)(uintptr_t)message->value.data;
    fields[n++].u.mem.size = message->value.size;
    fields[n].vtype = RD_KAFKA_VTYPE_KEY;
    fields[n].u.mem.ptr = (void *)(uintptr_t)message->key.data;
    fields[n++].u.mem.size = message->key.size;
    fields[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
    fields[n++].u.ptr = opaque;
    if (message->partition >= 0) {
        fields[n].vtype = RD_KAFKA_VTYPE_PARTITION;
        fields[n++].u.i32 = message->partition;
    }
    if (message->timestamp_us != INT64_MIN) {
        fields[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
        fields[n++].u.i64 = message->timestamp_us / 1000;
    }
    if (headers) {
        fields[n].vtype = RD_KAFKA_VTYPE_HEADERS;
        fields[n++].u.headers = headers;
    }
    return n;
}

static rd_kafka_resp_err_t enqueue(struct kafka_broker *self, const struct outbox_message *message,
                                   struct kafka_topic *topic, void *opaque)
{
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt = kafka_handle(self, topic, &rk);
    rd_kafka_vu_t fields[FIELDS];
    rd_kafka_resp_err_t err;
    rd_kafka_error_t *error;
    bool failed;
    rd_kafka_headers_t *headers;
    if (!rkt)
        return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    headers = headers_of(message, &failed);
    if (failed) {
        rd_kafka_headers_destroy(headers);
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    }
    error = rd_kafka_produceva(rk, fields, fill(fields, message, rkt, headers, opaque));
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    err = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers)
        rd_kafka_headers_destroy(headers);
    return err;
}

static void count_in(struct kafka_broker *self, struct kafka_topic *topic)
{
    if (!topic->in_flight++)
        topic->together = 0;
    topic->together++;
    self->in_flight++;
}

/* Without memory for the topic there is no gate to keep order: what follows in its key must not go either. */
static enum step give_up(struct kafka_broker *self)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "publish: out of memory for a topic");
    kafka_break(self, &error);
    return STEP_AGAIN;
}

static void await_report(struct kafka_broker *self, struct kafka_topic *topic)
{
    if (self->awaited == topic)
        return;
    self->awaited = topic;
    self->host->timer_set(self->patience, PATIENCE_US);
}

/* While no broker answers at all, there is nothing to be gained by going on to the next topic. */
void kafka_lose_patience(void *plugin)
{
    struct kafka_broker *self = plugin;
    if (self->suspected) {
        self->host->timer_set(self->patience, PATIENCE_US);
        return;
    }
    if (self->awaited && self->awaited->in_flight && !self->awaited->failing)
        kafka_topic_mute(self, self->awaited);
    self->awaited = NULL;
    kafka_pump(self);
}

static void follow(struct kafka_broker *self, struct kafka_topic *topic, struct kafka_publish *publish, uint32_t index)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_AGAIN, 0, "publish to topic '%s': an earlier event of its key was not taken",
                topic->name);
    kafka_topic_refuse(self, topic, publish, index, OUTBOX_RETRY, &error);
}

/* Hand over the message at the cursor. */
static enum step advance(struct kafka_broker *self, struct kafka_publish *publish)
{
    uint32_t index = self->slots[publish->slot].order[publish->cursor];
    const struct outbox_message *message = outbox_message_at(publish->args, index);
    struct kafka_topic *topic = kafka_topic_get(self, message->topic);
    rd_kafka_resp_err_t err;
    if (!topic)
        return give_up(self);
    switch (kafka_topic_gate(topic, publish->number)) {
    case KAFKA_WAIT:
        await_report(self, topic);
        return STEP_WAIT;
    case KAFKA_REFUSE:
        kafka_topic_refuse(self, topic, publish, index, topic->outcome, &topic->error);
        return STEP_NEXT;
    default:
        break;
    }
    if (kafka_is_held(self, topic, message->key, publish->number)) {
        follow(self, topic, publish, index);
        return STEP_NEXT;
    }
    err = OUTBOX_FAILPOINT_ERROR(self->host, kafka, before_produce, NULL)
              ? RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE
              : enqueue(self, message, topic, opaque_of(publish, index));
    OUTBOX_FAILPOINT(self->host, kafka, produced);
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return STEP_WAIT;
    if (err)
        kafka_topic_report(self, topic, publish, index, err, RD_KAFKA_MSG_STATUS_NOT_PERSISTED, true);
    else
        count_in(self, topic);
    if (self->awaited == topic)
        self->awaited = NULL;
    return STEP_NEXT;
}

static void tell_broken(struct kafka_broker *self, struct kafka_publish *publish)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_NOT_CONNECTED, 0, "publish: the producer is being replaced");
    kafka_tell(self, publish, self->slots[publish->slot].order + publish->cursor,
               publish->args->count - publish->cursor, OUTBOX_NOT_CONNECTED, &error);
    publish->cursor = publish->args->count;
}

static bool sending(const struct kafka_broker *self)
{
    return self->state == KAFKA_RUNNING && !self->broken;
}

static enum step hand_over(struct kafka_broker *self, struct kafka_publish *publish, uint32_t *budget)
{
    while (publish->cursor < publish->args->count) {
        if (!sending(self)) {
            tell_broken(self, publish);
            break;
        }
        if (!*budget) {
            self->host->post(self->host, &self->resume);
            return STEP_WAIT;
        }
        enum step step = advance(self, publish);
        if (step == STEP_WAIT)
            return STEP_WAIT;
        publish->cursor += step == STEP_NEXT;
        --*budget;
    }
    return STEP_NEXT;
}

void kafka_pump(struct kafka_broker *self)
{
    uint32_t budget = TURN;
    struct kafka_publish *publish;
    while ((publish = self->pending) && hand_over(self, publish, &budget) == STEP_NEXT) {
        self->pending = publish->next;
        if (!self->pending)
            self->pending_end = &self->pending;
    }
    kafka_held_forget(self);
    kafka_tell_flush(self);
}

void kafka_produce(void *plugin, outbox_op_t op, const struct outbox_publish *args)
{
    struct kafka_broker *self = plugin;
    struct kafka_publish *publish = self->host->op_scratch(self->host, op);
    struct outbox_error error;
    publish->op = op;
    publish->args = args;
    publish->number = ++self->submitted;
    if (!args->count) {
        self->host->op_done(self->host, op, NULL);
        return;
    }
    if (kafka_open_slot(self, publish)) {
        kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "publish %u events: out of memory", args->count);
        kafka_break(self, &error); /* no later publish may overtake this one */
        self->host->op_done(self->host, op, &error);
        return;
    }
    kafka_group(self, publish);
    *self->pending_end = publish;
    self->pending_end = &publish->next;
    if (self->suspected && !self->down && !self->in_flight)
        self->host->timer_set(self->outage, OUTAGE_US);
    if (self->pending == publish)
        kafka_pump(self);
}
