/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/memory_broker_test.c - the reference broker, read from inside */
#define CONF_SUITE conformance_memory_broker
#include "criterion.h"

#include <stdlib.h>
#include <string.h>

#include "../../brokers/memory/memory.h"

static void copy_headers(struct conf_event *event, const struct outbox_message *message)
{
    event->headers = calloc(message->header_count + 1, sizeof *event->headers);
    event->header_count = message->header_count;
    for (uint32_t i = 0; i < message->header_count; i++) {
        const struct outbox_header *from = &message->headers[i];
        event->headers[i].name = strndup(from->name.data, from->name.size);
        event->headers[i].value = from->value.data ? strndup(from->value.data, from->value.size) : NULL;
    }
}

static void collect(struct obx_instance *broker, struct conf_events *events)
{
    const void *self = obx_instance_self(broker);
    events->count = outbox_memory_broker_count(self);
    events->items = calloc(events->count + 1, sizeof *events->items);
    for (uint32_t i = 0; i < events->count; i++) {
        const struct outbox_message *message = outbox_memory_broker_at(self, i);
        events->items[i] = (struct conf_event){
            .topic = message->topic, .key = message->key, .value = message->value, .id = message->id};
        copy_headers(&events->items[i], message);
    }
}

static const struct conf_subject subject = {
    .name = "test.yaml", .yaml = "broker: {plugin: memory}\n", .collect = collect, .live = mem_live};

CONF_BROKER_CHECKS(CONF_BROKER_TEST)
