/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/broker_publish.c - life, delivery and order */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

/* Publish events first .. first + count - 1 and see them delivered. */
static void deliver(struct conf_bed *bed, uint32_t first, uint32_t count, uint32_t keys)
{
    struct conf_burst *burst = conf_burst_new(bed, first, count, keys);
    conf_burst_send(bed, burst);
    conf_burst_delivered(bed, burst);
    free(burst);
}

void conf_broker_starts_and_stops_again(struct conf_bed *bed)
{
    conf_broker_begin(bed);
    for (int i = 0; i < 3; i++) {
        conf_must(bed, harness_stop(&bed->harness, bed->broker, error));
        conf_must(bed, harness_broker_start(&bed->harness, bed->broker, error));
    }
}

/* Read at once after the outcome: what is DELIVERED must be there for others. */
void conf_broker_publishes_one(struct conf_bed *bed)
{
    conf_broker_begin(bed);
    for (uint32_t i = 1; i <= 3; i++) {
        deliver(bed, i, 1, 1);
        struct conf_events events = conf_read(bed);
        conf_published_range(bed, &events, 1, i, 1);
    }
}

void conf_broker_publishes_many(struct conf_bed *bed)
{
    conf_broker_begin(bed);
    deliver(bed, 1, 2000, 13);
    struct conf_events events = conf_read(bed);
    conf_published_range(bed, &events, 1, 2000, 13);
}

#define BURSTS 8

void conf_broker_keeps_order_over_publishes_in_flight(struct conf_bed *bed)
{
    conf_broker_begin(bed);
    if (!(obx_instance_caps(bed->broker) & OUTBOX_CAP_ORDERED))
        conf_skip(bed, "the broker keeps no order over several publishes");
    struct conf_burst *bursts[BURSTS];
    for (uint32_t i = 0; i < BURSTS; i++) {
        bursts[i] = conf_burst_new(bed, 1 + i * 100, 100, 7);
        conf_burst_send(bed, bursts[i]);
    }
    for (uint32_t i = 0; i < BURSTS; i++) {
        conf_burst_delivered(bed, bursts[i]);
        free(bursts[i]);
    }
    struct conf_events events = conf_read(bed);
    conf_published_range(bed, &events, 1, BURSTS * 100, 7);
}

/* Stop finishes or gives up what is in flight, but completes it first; never is DELIVERED told of what is not there. */
void conf_broker_stop_completes_publishes(struct conf_bed *bed)
{
    conf_broker_begin(bed);
    struct conf_burst *bursts[BURSTS];
    for (uint32_t i = 0; i < BURSTS; i++) {
        bursts[i] = conf_burst_new(bed, 1 + i * 100, 100, 7);
        conf_burst_send(bed, bursts[i]);
    }
    conf_must(bed, harness_stop(&bed->harness, bed->broker, error));
    struct conf_events events = conf_read(bed);
    for (uint32_t i = 0; i < BURSTS; i++) {
        conf_require(bed, bursts[i]->call.done, "stop completed before publish %u that was in flight", i);
        for (uint32_t k = 0; k < 100; k++) {
            char id[40];
            memcpy(id, bursts[i]->messages[k].id.data, bursts[i]->messages[k].id.size + 1);
            conf_require(bed, bursts[i]->told[k] <= 1, "an outcome told %u times", bursts[i]->told[k]);
            conf_require(bed, bursts[i]->outcomes[k] != OUTBOX_DELIVERED || conf_published_find(&events, id),
                         "event %s was told DELIVERED and cannot be read", id);
        }
        free(bursts[i]);
    }
}

void conf_broker_goes_on_after_a_restart(struct conf_bed *bed)
{
    conf_broker_begin(bed);
    for (uint32_t i = 0; i < 3; i++) {
        deliver(bed, 1 + i * 10, 10, 3);
        conf_must(bed, harness_stop(&bed->harness, bed->broker, error));
        conf_must(bed, harness_broker_start(&bed->harness, bed->broker, error));
    }
    struct conf_events events = conf_read(bed);
    conf_published_range(bed, &events, 1, 30, 3);
}

#define TOPICS 5

void conf_broker_publishes_to_many_topics(struct conf_bed *bed)
{
    char topics[TOPICS][120];
    conf_broker_begin(bed);
    struct conf_burst *burst = conf_burst_new(bed, 1, TOPICS, TOPICS);
    for (uint32_t i = 0; i < TOPICS; i++) {
        snprintf(topics[i], sizeof topics[i], "%s.%u", getenv("OUTBOX_TOPIC"), i);
        burst->messages[i].topic = (struct outbox_bytes){topics[i], strlen(topics[i])};
    }
    conf_burst_send(bed, burst);
    conf_burst_delivered(bed, burst);
    struct conf_events events = conf_read(bed);
    for (uint32_t i = 0; i < TOPICS; i++) {
        const struct conf_event *event = conf_published_find(&events, burst->messages[i].id.data);
        conf_require(bed, event, "the event of topic %s cannot be read", topics[i]);
        conf_require(
            bed, event->topic.size == strlen(topics[i]) && !memcmp(event->topic.data, topics[i], event->topic.size),
            "the event of topic %s is in '%.*s'", topics[i], (int)event->topic.size, (const char *)event->topic.data);
    }
    free(burst);
}
