/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/broker_values.c - null, empty, binary, large; headers; what is refused */
#include <stdlib.h>
#include <string.h>

#include "checks.h"

static bool bytes_are(struct outbox_bytes there, struct outbox_bytes expected)
{
    return !there.data == !expected.data && there.size == expected.size &&
           (there.size == 0 || memcmp(there.data, expected.data, there.size) == 0);
}

/* Publish one event for each value, all with the same kind of key; require each back unchanged. */
static void round_trip(struct conf_fixture *fixture, const struct outbox_bytes *keys, const struct outbox_bytes *values,
                       uint32_t count)
{
    conf_broker_begin(fixture);
    struct conf_burst *burst = conf_burst_new(fixture, 1, count, count);
    for (uint32_t i = 0; i < count; i++) {
        if (keys)
            burst->messages[i].key = keys[i];
        burst->messages[i].value = values[i];
    }
    conf_burst_send(fixture, burst);
    conf_burst_delivered(fixture, burst);
    struct conf_events events = conf_read(fixture);
    for (uint32_t i = 0; i < count; i++) {
        const struct conf_event *event = conf_published_find(&events, burst->messages[i].id.data);
        conf_require(fixture, event, "event %u cannot be read", i);
        conf_require(fixture, bytes_are(event->key, burst->messages[i].key), "event %u: the key has %zu bytes, not %zu",
                     i, event->key.size, burst->messages[i].key.size);
        conf_require(fixture, bytes_are(event->value, values[i]), "event %u: the value of %zu bytes came as %zu", i,
                     values[i].size, event->value.size);
    }
    free(burst);
}

void conf_broker_keeps_null_and_empty(struct conf_fixture *fixture)
{
    static const struct outbox_bytes keys[] = {{NULL, 0}, {"k", 1}, {"", 0}, {NULL, 0}};
    static const struct outbox_bytes values[] = {{"v", 1}, {NULL, 0}, {"v", 1}, {"", 0}};
    round_trip(fixture, keys, values, 4);
}

void conf_broker_keeps_any_bytes(struct conf_fixture *fixture)
{
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    const struct outbox_bytes values[] = {
        {all, fixture->subject->text_only ? 127 : 256},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xae", 15},
        {"\"\\/\b\f\n\r\t\x01\x1f\x7f", 11},
        {"\xed\xa0\x80", fixture->subject->text_only ? 0 : 3}, /* a surrogate: not UTF-8 */
        {"a\0b", 3}};
    round_trip(fixture, NULL, values, 5);
}

#define LARGE (700u << 10)

void conf_broker_keeps_large_payloads(struct conf_fixture *fixture)
{
    char *large = malloc(LARGE);
    conf_require(fixture, large, "out of memory");
    memset(large, 'L', LARGE);
    const struct outbox_bytes values[] = {{large, LARGE}, {"small", 5}, {large, LARGE - 1}};
    round_trip(fixture, NULL, values, 3);
    free(large);
}

static const struct conf_header *find_header(const struct conf_event *event, const char *name)
{
    for (uint32_t i = 0; i < event->header_count; i++)
        if (strcmp(event->headers[i].name, name) == 0)
            return &event->headers[i];
    return NULL;
}

void conf_broker_keeps_headers(struct conf_fixture *fixture)
{
    static const struct outbox_header headers[] = {{{"id", 2}, {"00000000-0000-4000-8000-000000000001", 36}},
                                                   {{"plain", 5}, {"value", 5}},
                                                   {{"empty", 5}, {"", 0}},
                                                   {{"quoted", 6}, {"a \"b\" \\ c", 9}}};
    conf_broker_begin(fixture);
    struct conf_burst *burst = conf_burst_new(fixture, 1, 1, 1);
    burst->messages[0].headers = headers;
    burst->messages[0].header_count = 4;
    conf_burst_send(fixture, burst);
    conf_burst_delivered(fixture, burst);
    struct conf_events events = conf_read(fixture);
    conf_require(fixture, events.count == 1, "%u events of one", events.count);
    for (uint32_t i = 1; i < 4; i++) {
        const struct conf_header *header = find_header(&events.items[0], headers[i].name.data);
        conf_require(fixture, header && header->value, "the header %s is missing", (const char *)headers[i].name.data);
        conf_require(fixture, strcmp(header->value, headers[i].value.data) == 0, "the header %s is '%s'", header->name,
                     header->value);
    }
    free(burst);
}

void conf_broker_admits_and_rejects(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    if (!(obx_instance_caps(fixture->broker) & OUTBOX_CAP_ADMIT))
        conf_skip(fixture, "the broker has no admit");
    struct conf_burst *burst = conf_burst_new(fixture, 1, 2, 1);
    burst->messages[1].topic = (struct outbox_bytes){"", 0};
    for (int i = 0; i < 2; i++) { /* pure: the second answer is the first */
        struct outbox_error refusal = {0};
        conf_must(fixture, obx_broker_admit(fixture->broker, &burst->messages[0], error));
        int result = obx_broker_admit(fixture->broker, &burst->messages[1], &refusal);
        conf_require(fixture, result != OUTBOX_OK,
                     "an event without a topic was admitted; such a one can never go, and publish must reject it, too");
        conf_require(fixture, refusal.code == result && refusal.text[0], "a refusal without a word");
    }
    free(burst);
}

void conf_broker_rejects_one_of_many(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    if (!(obx_instance_caps(fixture->broker) & OUTBOX_CAP_ADMIT))
        conf_skip(fixture, "the broker has no admit");
    struct conf_burst *burst = conf_burst_new(fixture, 1, 9, 9);
    burst->messages[4].topic = (struct outbox_bytes){"", 0};
    conf_burst_send(fixture, burst);
    conf_require(fixture, loop_fixture_wait(&fixture->base, &burst->call) == OUTBOX_OK, "publish: %s",
                 burst->call.error.text);
    for (uint32_t i = 0; i < 9; i++) {
        uint8_t expected = i == 4 ? OUTBOX_REJECTED : OUTBOX_DELIVERED;
        conf_require(fixture, burst->reports[i] == 1, "the outcome of message %u was reported %u times", i,
                     burst->reports[i]);
        conf_require(fixture, burst->outcomes[i] == expected, "message %u has the outcome %s, not %s", i,
                     conf_outcome_name(burst->outcomes[i]), conf_outcome_name(expected));
    }
    struct conf_events events = conf_read(fixture);
    conf_require(fixture, events.count == 8, "%u events can be read, not 8", events.count);
    free(burst);
}
