/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/rabbitmq/publish.c - events to the thread; outcomes to the host; which events can be sent. Loop thread */
#include "broker.h"

int rabbit_admit(void *self, const struct outbox_message *event, struct outbox_error *error)
{
    const struct rabbit_broker *broker = self;
    size_t size = event->key.size;
    if (!event->topic.size || event->topic.size > SHORT_MAX)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "the topic has %zu bytes; a routing key has 1 to %d",
                                event->topic.size, SHORT_MAX);
    if (event->id.size > SHORT_MAX || event->type.size > SHORT_MAX)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "the id or the type has over %d bytes", SHORT_MAX);
    for (uint32_t i = 0; i < event->header_count; i++) {
        enum { OWN = 8 };
        const struct outbox_header *header = &event->headers[i];
        if (!header->name.size || header->name.size > SHORT_MAX)
            return outbox_error_set(error, OUTBOX_E_REJECTED, "header %u: the name has %zu bytes; AMQP takes 1 to %d",
                                    i, header->name.size, SHORT_MAX);
        size += header->name.size + header->value.size + OWN;
    }
    if (size > broker->headers_max)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "key and headers have %zu bytes; %zu fit in a frame", size,
                                broker->headers_max);
    return OUTBOX_OK;
}

static void report(struct rabbit_broker *broker, const struct rabbit_message *message, uint32_t outcome,
                   const struct outbox_error *error)
{
    broker->publishes -= outbox_answer(broker->host, message->op, message->index, outcome, error);
}

void rabbit_report_results(struct rabbit_broker *broker)
{
    pthread_mutex_lock(&broker->shared.mutex);
    struct rabbit_message *message = broker->shared.results.first, *next;
    broker->shared.results = (struct rabbit_list){NULL, NULL};
    pthread_mutex_unlock(&broker->shared.mutex);
    for (; message; message = next) {
        struct outbox_error error;
        next = message->next; /* the op may take the memory away */
        if (message->outcome != OUTBOX_DELIVERED)
            outbox_error_set(&error, message->code, "%s", message->reason);
        report(broker, message, message->outcome, message->outcome == OUTBOX_DELIVERED ? NULL : &error);
    }
}

static bool queue(struct rabbit_broker *broker, struct rabbit_message *message, bool is_open)
{
    struct outbox_error error;
    int code = rabbit_admit(broker, message->event, &error);
    uint32_t outcome = code ? OUTBOX_REJECTED : OUTBOX_NOT_CONNECTED;
    if (!code && !is_open)
        code = outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "publish to RabbitMQ: not connected");
    if (code) {
        report(broker, message, outcome, &error);
        return false;
    }
    rabbit_append(&broker->shared.queue, message);
    return true;
}

/* Once the thread has ended nobody takes the queue: but has_ended is set with it, under the same lock. */
void rabbit_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct rabbit_broker *broker = self;
    struct rabbit_message *messages = broker->host->op_messages(broker->host, op);
    bool any = false;
    outbox_answers_begin(broker->host, op, publish->count);
    broker->publishes++;
    pthread_mutex_lock(&broker->shared.mutex);
    bool is_open = broker->is_ready && !broker->shared.has_ended;
    for (uint32_t i = 0; i < publish->count; i++) {
        messages[i].op = op;
        messages[i].index = i;
        messages[i].event = outbox_message_at(publish, i);
        any = queue(broker, &messages[i], is_open) || any;
    }
    pthread_mutex_unlock(&broker->shared.mutex);
    if (any)
        rabbit_wake(broker);
    broker->publishes -= outbox_answers_end(broker->host, op);
}
