/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/broker_fixture.c - a broker, numbered messages, and reading them back
 *
 * The subject reads the published events: by a function (collect), or by a shell command that prints NDJSON like the
 * file broker or like kcat -J.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fixture.h"
#include "../oracle/base64.h"

void conf_broker_begin(struct conf_fixture *fixture)
{
    conf_must(fixture, loop_fixture_instance(&fixture->base, OUTBOX_BROKER, "broker", &fixture->broker, error));
    conf_must(fixture, loop_fixture_broker_start(&fixture->base, fixture->broker, error));
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

void conf_event_id(char id[40], uint32_t number)
{
    static uint32_t run[2];
    if (!run[0] && getrandom(run, sizeof run, 0) != (ssize_t)sizeof run)
        run[0] = (uint32_t)getpid();
    run[0] |= 1;
    snprintf(id, 40, "%08" PRIx32 "-%04" PRIx32 "-4%03" PRIx32 "-8000-%012" PRIu32, run[0], run[1] >> 16,
             run[1] & 0xfff, number);
}

static void make_message(struct outbox_message *message, char room[96], uint32_t number, uint32_t keys)
{
    char *id = room, *key = room + 40, *value = room + 60;
    conf_event_id(id, number);
    snprintf(key, 20, "key-%" PRIu32, number % keys);
    snprintf(value, 36, "{\"number\": %" PRIu32 "}", number);
    *message = (struct outbox_message){.topic = text(getenv("OUTBOX_TOPIC")),
                                       .key = text(key),
                                       .value = text(value),
                                       .partition = -1,
                                       .timestamp_us = INT64_MIN,
                                       .id = text(id),
                                       .type = text("placed"),
                                       .created_us = 1700000000000000};
}

struct conf_burst *conf_burst_new(struct conf_fixture *fixture, uint32_t first, uint32_t count, uint32_t keys)
{
    struct conf_burst *burst = calloc(1, sizeof *burst);
    conf_require(fixture, burst && count <= CONF_BURST_MAX, "no memory for a burst of %u", count);
    for (uint32_t i = 0; i < count; i++) {
        make_message(&burst->messages[i], burst->text[i], first + i, keys);
        burst->headers[i][0] = (struct outbox_header){text("id"), burst->messages[i].id};
        burst->headers[i][1] = (struct outbox_header){text("type"), text("placed")};
        burst->messages[i].headers = burst->headers[i];
        burst->messages[i].header_count = 2;
    }
    burst->publish = (struct outbox_publish){.struct_size = sizeof burst->publish,
                                             .count = count,
                                             .messages = burst->messages,
                                             .stride = sizeof burst->messages[0]};
    return burst;
}

void conf_burst_send(struct conf_fixture *fixture, struct conf_burst *burst)
{
    loop_fixture_reset(&burst->call);
    burst->call.outcomes = burst->outcomes;
    burst->call.reports = burst->reports;
    obx_broker_publish(fixture->broker, &burst->call.call, &burst->publish);
}

const char *conf_outcome_name(uint32_t outcome)
{
    static const char *const names[] = {"none",    "DELIVERED",     "RETRY",        "REJECTED",
                                        "UNKNOWN", "NOT_CONNECTED", "RETRY_UNKNOWN"};
    return outcome < sizeof names / sizeof names[0] ? names[outcome] : "unknown";
}

void conf_burst_delivered(struct conf_fixture *fixture, struct conf_burst *burst)
{
    conf_require(fixture, loop_fixture_wait(&fixture->base, &burst->call) == OUTBOX_OK, "publish: %s",
                 burst->call.error.text);
    for (uint32_t i = 0; i < burst->publish.count; i++) {
        conf_require(fixture, burst->reports[i] == 1, "the outcome of message %u was reported %u times", i,
                     burst->reports[i]);
        conf_require(fixture, burst->outcomes[i] == OUTBOX_DELIVERED,
                     "message %u has the outcome %s, not DELIVERED: %s", i, conf_outcome_name(burst->outcomes[i]),
                     burst->call.reason.text[0] ? burst->call.reason.text : "no reason was reported");
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static struct outbox_bytes bytes_of(const json_t *value)
{
    struct outbox_bytes bytes = {json_string_value(value), json_string_length(value)};
    return json_is_string(value) ? bytes : (struct outbox_bytes){NULL, 0};
}

static struct outbox_bytes payload_of(struct conf_fixture *fixture, const json_t *object)
{
    const json_t *encoded = json_object_get(object, "payload_base64");
    if (!encoded)
        return bytes_of(json_object_get(object, "payload"));
    struct obx_buf buf = {0};
    conf_require(fixture, oracle_base64(json_string_value(encoded), json_string_length(encoded), &buf),
                 "payload_base64 is not base64");
    char *bytes = malloc(buf.size + 1);
    conf_require(fixture, bytes, "out of memory");
    memcpy(bytes, obx_buf_text(&buf), buf.size);
    struct outbox_bytes payload = {bytes, buf.size};
    obx_buf_free(&buf); /* counted memory */
    return payload;
}

static char *copy(const json_t *value)
{
    return json_is_string(value) ? strdup(json_string_value(value)) : NULL;
}

static void add_header(struct conf_event *event, const char *name, const json_t *value)
{
    event->headers = realloc(event->headers, (event->header_count + 1) * sizeof *event->headers);
    if (event->headers)
        event->headers[event->header_count++] = (struct conf_header){strdup(name), copy(value)};
}

static void read_headers(struct conf_event *event, json_t *from)
{
    const char *name;
    json_t *value;
    json_object_foreach(from, name, value) add_header(event, name, value);
    for (size_t i = 0; i + 1 < json_array_size(from); i += 2)
        add_header(event, json_string_value(json_array_get(from, i)), json_array_get(from, i + 1));
}

static struct outbox_bytes id_of(const json_t *object, const struct conf_event *event)
{
    if (json_is_string(json_object_get(object, "id")))
        return bytes_of(json_object_get(object, "id"));
    for (uint32_t i = 0; i < event->header_count; i++)
        if (strcmp(event->headers[i].name, "id") == 0 && event->headers[i].value)
            return text(event->headers[i].value);
    return (struct outbox_bytes){NULL, 0};
}

/* The object is not freed: the event points into it, and the process ends soon. */
static void parse_line(struct conf_fixture *fixture, struct conf_events *events, const char *line, size_t size)
{
    json_error_t why;
    json_t *object = json_loadb(line, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    conf_require(fixture, json_is_object(object), "line %u is no JSON object (%s): %.100s", events->count + 1, why.text,
                 line);
    events->items = realloc(events->items, (events->count + 1) * sizeof *events->items);
    conf_require(fixture, events->items, "out of memory");
    struct conf_event *event = &events->items[events->count++];
    *event = (struct conf_event){.topic = bytes_of(json_object_get(object, "topic")),
                                 .key = bytes_of(json_object_get(object, "key")),
                                 .value = payload_of(fixture, object)};
    read_headers(event, json_object_get(object, "headers"));
    event->id = id_of(object, event);
}

struct conf_events conf_read(struct conf_fixture *fixture)
{
    struct conf_events events = {0};
    if (!fixture->subject->read && !fixture->subject->collect)
        conf_skip(fixture, "no command to read what was published is configured");
    if (fixture->subject->collect) {
        fixture->subject->collect(fixture->broker, &events);
        return events;
    }
    FILE *from = popen(fixture->subject->read, "re");
    conf_require(fixture, from, "cannot run the read command");
    char *line = NULL;
    size_t room = 0;
    for (ssize_t size; (size = getline(&line, &room, from)) > 0;)
        parse_line(fixture, &events, line, (size_t)size);
    conf_require(fixture, pclose(from) == 0, "the read command failed: %s", fixture->subject->read);
    free(line);
    return events;
}

const struct conf_event *conf_published_find(const struct conf_events *events, const char *id)
{
    for (uint32_t i = 0; i < events->count; i++)
        if (events->items[i].id.size == strlen(id) && memcmp(events->items[i].id.data, id, strlen(id)) == 0)
            return &events->items[i];
    return NULL;
}

/* ---- checking -----------------------------------------------------------------------------------------------------
 */

static bool same(struct outbox_bytes a, struct outbox_bytes b)
{
    return !a.data == !b.data && a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

uint32_t conf_event_number(struct conf_fixture *fixture, const struct conf_event *event)
{
    uint32_t number = 0;
    char value[64] = "";
    memcpy(value, event->value.data ? event->value.data : "", event->value.size < 63 ? event->value.size : 63);
    conf_require(fixture, sscanf(value, "{\"number\": %" SCNu32, &number) == 1, "an event with the value '%s'", value);
    return number;
}

static void event_is(struct conf_fixture *fixture, const struct conf_event *event, uint32_t number, uint32_t keys)
{
    char room[96];
    struct outbox_message expected;
    make_message(&expected, room, number, keys);
    conf_require(fixture, same(event->topic, expected.topic), "event %u has the topic '%.*s'", number,
                 (int)event->topic.size, (const char *)event->topic.data);
    conf_require(fixture, same(event->key, expected.key), "event %u has the key '%.*s'", number, (int)event->key.size,
                 (const char *)event->key.data);
    conf_require(fixture, same(event->value, expected.value), "event %u has the value '%.*s'", number,
                 (int)event->value.size, (const char *)event->value.data);
    conf_require(fixture, !event->id.data || same(event->id, expected.id), "event %u has the id '%.*s'", number,
                 (int)event->id.size, (const char *)event->id.data);
}

void conf_published_range(struct conf_fixture *fixture, const struct conf_events *events, uint32_t first,
                          uint32_t count, uint32_t keys)
{
    uint32_t *reached = calloc(keys, sizeof *reached);
    conf_require(fixture, reached, "out of memory");
    conf_require(fixture, events->count == count, "%u events can be read, %u were published", events->count, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = conf_event_number(fixture, &events->items[i]);
        conf_require(fixture, number >= first && number < first + count, "event %u was never published", number);
        event_is(fixture, &events->items[i], number, keys);
        conf_require(fixture, number > reached[number % keys] || number == 0,
                     "event %u comes after event %u of the same key, or twice", number, reached[number % keys]);
        reached[number % keys] = number;
    }
    free(reached);
}
