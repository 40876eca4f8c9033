/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/payload.c - generates the content of an event, and recognises the event in a message
 *
 * A payload is the number of the event, then filler bytes that differ for each event. An event with a null or empty
 * payload is recognised by its id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "sim.h"

#define NUMBER_SIZE 10u
#define FILLING_SIZE (64u * 1024)

static const char *filling(uint32_t number)
{
    static char bytes[FILLING_SIZE + 256];
    if (!bytes[1]) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)(i * 7 + (i >> 8) * 13 + 1);
    }
    return bytes + number % 251;
}

size_t sim_payload_size(const struct sim_event *event)
{
    return event->value == SIM_BYTES ? NUMBER_SIZE + event->size : 0;
}

void sim_payload_write(const struct sim_event *event, char *to)
{
    char number[NUMBER_SIZE + 1];
    if (event->value != SIM_BYTES)
        return;
    snprintf(number, sizeof number, "%09u:", event->number % 1000000000u);
    memcpy(to, number, NUMBER_SIZE);
    memcpy(to + NUMBER_SIZE, filling(event->number), event->size);
}

static bool is_text(struct outbox_bytes bytes, const char *text)
{
    if (!text || !bytes.data)
        return !text && !bytes.data;
    return bytes.size == strlen(text) && !memcmp(bytes.data, text, bytes.size);
}

static bool has_payload(const struct outbox_message *message, const struct sim_event *event)
{
    const char *bytes = message->value.data;
    if (event->value != SIM_BYTES)
        return !message->value.size && !bytes == (event->value == SIM_NULL);
    return bytes && message->value.size == sim_payload_size(event) &&
           !memcmp(bytes + NUMBER_SIZE, filling(event->number), event->size);
}

struct sim_event *sim_message_find(const struct outbox_message *message)
{
    char number[NUMBER_SIZE + 1] = "";
    const struct outbox_bytes *from = message->value.size ? &message->value : &message->id;
    size_t skip = message->value.size ? 0 : strlen("e-");
    if (from->size < skip || (message->value.size && from->size < NUMBER_SIZE))
        sim_fail("a message without the payload of an event is published");
    memcpy(number, (const char *)from->data + skip, OBX_MIN(from->size - skip, (size_t)NUMBER_SIZE - 1));
    unsigned long n = strtoul(number, NULL, 10);
    if (n >= sim->db->count)
        sim_fail("event %s is published, and there is none", number);
    return sim_event((uint32_t)n);
}

static bool is_transformed(const struct outbox_message *message, const char *id)
{
    const struct outbox_header *added = &message->headers[1];
    return message->header_count == 2 && is_text(added->name, SIM_TRANSFORMED) && is_text(added->value, id);
}

/* Compares every byte, header, key and topic. */
struct sim_event *sim_message_event(const struct outbox_message *message)
{
    struct sim_event *event = sim_message_find(message);
    char id[24], topic[32];
    snprintf(id, sizeof id, "e-%u", event->number);
    snprintf(topic, sizeof topic, "outbox.event.%s", sim_topic_text(event));
    if (!has_payload(message, event))
        sim_fail("event %u is published with a changed payload", event->number);
    if (sim->plan.transforms ? !is_transformed(message, id) : message->header_count != 1u + sim->plan.position)
        sim_fail("event %u is published with other headers", event->number);
    if (!is_text(message->id, id) || !is_text(message->headers[0].value, id) ||
        !is_text(message->headers[0].name, "id"))
        sim_fail("event %u is published with another id", event->number);
    if (!is_text(message->key, sim_key_text(event->key)))
        sim_fail("event %u is published with another key", event->number);
    if (!is_text(message->topic, topic))
        sim_fail("event %u is published to another topic", event->number);
    if (message->created_us != (int64_t)event->number || message->timestamp_us != (int64_t)event->number)
        sim_fail("event %u is published with another time", event->number);
    return event;
}

const char *sim_topic_text(const struct sim_event *event)
{
    return event->key == SIM_NO_KEY || event->key % 2 ? "odd" : "even";
}
