/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/broker_publish.c - life, delivery and order */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

static bool has_cap(const struct conf_fixture *fixture, uint64_t cap)
{
    return obx_instance_caps(fixture->broker) & cap;
}

/* Publishes events first .. first + count - 1 and requires their delivery. */
static void deliver_at_once(struct conf_fixture *fixture, uint32_t first, uint32_t count, uint32_t keys)
{
    struct conf_burst *burst = conf_burst_new(fixture, first, count, keys);
    conf_burst_send(fixture, burst);
    conf_burst_delivered(fixture, burst);
    free(burst);
}

#define PARTS 4u

/* One event of each key, in several publishes at a time. */
static void deliver_concurrently(struct conf_fixture *fixture, uint32_t first, uint32_t count, uint32_t keys)
{
    struct conf_burst *bursts[PARTS];
    uint32_t each = (count + PARTS - 1) / PARTS, sent = 0, parts = 0;
    for (; sent < count; parts++, sent += each) {
        bursts[parts] = conf_burst_new(fixture, first + sent, count - sent < each ? count - sent : each, keys);
        conf_burst_send(fixture, bursts[parts]);
    }
    for (uint32_t i = 0; i < parts; i++) {
        conf_burst_delivered(fixture, bursts[i]);
        free(bursts[i]);
    }
}

/* As the relay does it: only a broker with ORDERED has two events of one key in flight. Consecutive events have
 * consecutive keys. */
static void deliver(struct conf_fixture *fixture, uint32_t first, uint32_t count, uint32_t keys)
{
    if (has_cap(fixture, OUTBOX_CAP_ORDERED)) {
        deliver_at_once(fixture, first, count, keys);
        return;
    }
    for (uint32_t sent = 0; sent < count; sent += keys) {
        uint32_t part = count - sent < keys ? count - sent : keys;
        if (has_cap(fixture, OUTBOX_CAP_CONCURRENT))
            deliver_concurrently(fixture, first + sent, part, keys);
        else
            deliver_at_once(fixture, first + sent, part, keys);
    }
}

void conf_broker_starts_and_stops_again(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    for (int i = 0; i < 3; i++) {
        conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->broker, error));
        conf_must(fixture, loop_fixture_broker_start(&fixture->base, fixture->broker, error));
    }
}

/* Reads right after the outcome: others must be able to read a DELIVERED event. */
void conf_broker_publishes_one(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    for (uint32_t i = 1; i <= 3; i++) {
        deliver(fixture, i, 1, 1);
        struct conf_events events = conf_read(fixture);
        conf_published_range(fixture, &events, 1, i, 1);
    }
}

void conf_broker_publishes_many(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    deliver(fixture, 1, 2000, 13);
    struct conf_events events = conf_read(fixture);
    conf_published_range(fixture, &events, 1, 2000, 13);
}

#define BURSTS 8

void conf_broker_keeps_order_over_publishes_in_flight(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    if (!has_cap(fixture, OUTBOX_CAP_ORDERED))
        conf_skip(fixture, "the broker keeps no order over several publishes");
    struct conf_burst *bursts[BURSTS];
    for (uint32_t i = 0; i < BURSTS; i++) {
        bursts[i] = conf_burst_new(fixture, 1 + i * 100, 100, 7);
        conf_burst_send(fixture, bursts[i]);
    }
    for (uint32_t i = 0; i < BURSTS; i++) {
        conf_burst_delivered(fixture, bursts[i]);
        free(bursts[i]);
    }
    struct conf_events events = conf_read(fixture);
    conf_published_range(fixture, &events, 1, BURSTS * 100, 7);
}

/* Stop completes every publish first, delivered or not. An event that is reported as DELIVERED can be read. */
void conf_broker_stop_completes_publishes(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    bool ordered = has_cap(fixture, OUTBOX_CAP_ORDERED);
    uint32_t count = ordered || has_cap(fixture, OUTBOX_CAP_CONCURRENT) ? BURSTS : 1;
    struct conf_burst *bursts[BURSTS];
    for (uint32_t i = 0; i < count; i++) {
        bursts[i] = conf_burst_new(fixture, 1 + i * 100, 100, ordered ? 7 : BURSTS * 100);
        conf_burst_send(fixture, bursts[i]);
    }
    conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->broker, error));
    struct conf_events events = conf_read(fixture);
    for (uint32_t i = 0; i < count; i++) {
        conf_require(fixture, bursts[i]->call.done, "stop completed before publish %u that was in flight", i);
        for (uint32_t k = 0; k < 100; k++) {
            char id[40];
            memcpy(id, bursts[i]->messages[k].id.data, bursts[i]->messages[k].id.size + 1);
            conf_require(fixture, bursts[i]->reports[k] <= 1, "an outcome was reported %u times",
                         bursts[i]->reports[k]);
            conf_require(fixture, bursts[i]->outcomes[k] != OUTBOX_DELIVERED || conf_published_find(&events, id),
                         "event %s was reported as DELIVERED and cannot be read", id);
        }
        free(bursts[i]);
    }
}

void conf_broker_continues_after_a_restart(struct conf_fixture *fixture)
{
    conf_broker_begin(fixture);
    for (uint32_t i = 0; i < 3; i++) {
        deliver(fixture, 1 + i * 10, 10, 3);
        conf_must(fixture, loop_fixture_stop(&fixture->base, fixture->broker, error));
        conf_must(fixture, loop_fixture_broker_start(&fixture->base, fixture->broker, error));
    }
    struct conf_events events = conf_read(fixture);
    conf_published_range(fixture, &events, 1, 30, 3);
}

#define TOPICS 5

void conf_broker_publishes_to_many_topics(struct conf_fixture *fixture)
{
    char topics[TOPICS][120];
    conf_broker_begin(fixture);
    struct conf_burst *burst = conf_burst_new(fixture, 1, TOPICS, TOPICS);
    for (uint32_t i = 0; i < TOPICS; i++) {
        snprintf(topics[i], sizeof topics[i], "%s.%u", getenv("OUTBOX_TOPIC"), i);
        burst->messages[i].topic = (struct outbox_bytes){topics[i], strlen(topics[i])};
    }
    conf_burst_send(fixture, burst);
    conf_burst_delivered(fixture, burst);
    struct conf_events events = conf_read(fixture);
    for (uint32_t i = 0; i < TOPICS; i++) {
        const struct conf_event *event = conf_published_find(&events, burst->messages[i].id.data);
        conf_require(fixture, event, "the event of topic %s cannot be read", topics[i]);
        conf_require(
            fixture, event->topic.size == strlen(topics[i]) && !memcmp(event->topic.data, topics[i], event->topic.size),
            "the event of topic %s is in '%.*s'", topics[i], (int)event->topic.size, (const char *)event->topic.data);
    }
    free(burst);
}
