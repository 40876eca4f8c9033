/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/healthy_keys_test.c - against a real Apache Kafka: events that only the broker refuses delay no
 * event of another key
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mem_fault.h"
#include "real.h"

#define BAD 300u
#define GOOD 20u
#define ALL (BAD + GOOD)
#define NONE ((struct topic_setting){NULL, NULL})

static struct fixture t;
static struct batch batch;
static char large[3000];

#define END()                                                              \
    do {                                                                   \
        cr_assert_eq(fixture_stop(&t), OUTBOX_OK);                         \
        cr_assert_eq(obx_instance_violations(t.instance).bad_outcomes, 0); \
        cr_assert_eq(fixture_close(&t), 0);                                \
        cr_assert_eq(mem_live(), 0);                                       \
    } while (0)

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* BAD events that make_bad() spoils, then GOOD events for another topic. */
static void fill(const char *bad, const char *good, void (*make_bad)(struct outbox_message *message))
{
    batch_init(&batch, ALL);
    batch_fill(&batch, bad, ALL, 0);
    for (uint32_t i = 0; i < BAD; i++)
        make_bad(&batch.messages[i]);
    for (uint32_t i = BAD; i < ALL; i++)
        batch.messages[i].topic = (struct outbox_bytes){good, strlen(good)};
}

/* Rounds until all events are delivered or rejected. */
static uint32_t relay(void)
{
    memset(batch.outcomes, 0, batch.publish.count * sizeof *batch.outcomes);
    uint32_t rounds = real_relay(&t, &batch, 4);
    cr_assert_eq(fixture_count(&batch, OUTBOX_REJECTED), BAD);
    for (uint32_t i = BAD; i < ALL; i++)
        cr_assert_eq(batch.outcomes[i], OUTBOX_DELIVERED);
    return rounds;
}

/* The first refusal of all costs one producer. Later ones cost nothing: a second load is done in one round. */
static void delays_no_healthy_key(const char *bad, struct topic_setting setting,
                                  void (*make_bad)(struct outbox_message *message))
{
    real_create(bad, 3, setting, NONE);
    real_create("healthy", 3, NONE, NONE);
    real_open(&t, "");
    fill(bad, "healthy", make_bad);
    relay();
    uint32_t lost = t.lost_count;
    cr_assert_leq(lost, 1, "%u producers for %u refused events", lost, BAD);
    cr_assert_eq(relay(), 1);
    cr_assert_eq(t.lost_count, lost);
    batch_free(&batch);
}

static void make_large(struct outbox_message *message)
{
    memset(large, 'x', sizeof large);
    message->value = (struct outbox_bytes){large, sizeof large};
}

static void make_keyless(struct outbox_message *message)
{
    message->key = (struct outbox_bytes){NULL, 0};
}

static void make_future(struct outbox_message *message)
{
    message->timestamp_us = wall_us() + (int64_t)3 * 3600 * 1000000;
}

Test(kafka_healthy_keys, hundreds_of_events_too_large_for_their_topic)
{
    delays_no_healthy_key("small", (struct topic_setting){"max.message.bytes", "1000"}, make_large);
    END();
}

Test(kafka_healthy_keys, hundreds_of_events_without_a_key_for_a_compacted_topic)
{
    delays_no_healthy_key("keyed", (struct topic_setting){"cleanup.policy", "compact"}, make_keyless);
    END();
}

Test(kafka_healthy_keys, hundreds_of_events_with_a_timestamp_out_of_range)
{
    delays_no_healthy_key("punctual", (struct topic_setting){"message.timestamp.after.max.ms", "3600000"}, make_future);
    END();
}

/* The text has the value, the distance from the clock, the setting and, once that was read, its value, the column and
 * the advice. */
Test(kafka_healthy_keys, timestamp_out_of_range_names_value_setting_and_cure)
{
    real_create("explained", 1, (struct topic_setting){"message.timestamp.after.max.ms", "3600000"}, NONE);
    real_open(&t, "");
    bool has_value = false;
    for (int round = 0; !has_value; round++) {
        cr_assert_lt(round, FIXTURE_WAIT_MS / 300, "the setting's value does not come");
        batch_init(&batch, 1);
        batch_fill(&batch, "explained", 1, 0);
        batch.messages[0].timestamp_us = (int64_t)4102444800 * 1000000; /* 2100-01-01 */
        real_relay(&t, &batch, 1);
        cr_assert_eq(batch.outcomes[0], OUTBOX_REJECTED);
        cr_assert(strstr(batch.errors[0].text, "the timestamp 2100-01-01T00:00:00Z is "), "%s", batch.errors[0].text);
        cr_assert(
            strstr(batch.errors[0].text, " ahead of the clock, beyond the topic's message.timestamp.after.max.ms"),
            "%s", batch.errors[0].text);
        cr_assert(strstr(batch.errors[0].text, "route.timestamp"), "%s", batch.errors[0].text);
        cr_assert(strstr(batch.errors[0].text, "timestamp_out_of_range: clamp"), "%s", batch.errors[0].text);
        has_value = strstr(batch.errors[0].text, "message.timestamp.after.max.ms=3600000;");
        batch_free(&batch);
        fixture_run_for(&t, 300);
    }
    END();
}

Test(kafka_healthy_keys, timestamps_out_of_range_are_clamped_if_configured)
{
    real_create("clamped", 1, (struct topic_setting){"message.timestamp.after.max.ms", "3600000"}, NONE);
    real_open(&t, "timestamp_out_of_range: clamp");
    batch_init(&batch, 200);
    batch_fill(&batch, "clamped", 20, 0);
    for (uint32_t i = 0; i < 200; i += 2)
        make_future(&batch.messages[i]);
    real_relay(&t, &batch, 2);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 200);
    struct seen seen = real_read("clamped", 200);
    cr_assert_eq(seen.distinct, 200);
    cr_assert_eq(seen.out_of_order, 0);
    batch_free(&batch);
    END();
}

Test(kafka_healthy_keys, many_topics_with_refused_events_cost_one_producer)
{
    enum { TOPICS = 20, EACH = 10 };
    static char names[TOPICS][16];
    real_open(&t, "");
    batch_init(&batch, TOPICS * EACH);
    batch_fill(&batch, "", TOPICS * EACH, 0);
    for (uint32_t i = 0; i < TOPICS; i++) {
        snprintf(names[i], sizeof names[i], "many-%u", i);
        real_create(names[i], 1, (struct topic_setting){"max.message.bytes", "1000"}, NONE);
    }
    for (uint32_t i = 0; i < TOPICS * EACH; i++) {
        batch.messages[i].topic = (struct outbox_bytes){names[i % TOPICS], strlen(names[i % TOPICS])};
        if (i / TOPICS == EACH / 2) /* in the middle, when the topic is open */
            make_large(&batch.messages[i]);
    }
    real_relay(&t, &batch, 4);
    cr_assert_eq(fixture_count(&batch, OUTBOX_REJECTED), TOPICS);
    cr_assert_leq(t.lost_count, 2, "%u producers for %u topics", t.lost_count, (unsigned)TOPICS);
    batch_free(&batch);
    END();
}

/* Batches are larger than the topic takes, and no event is. */
Test(kafka_healthy_keys, small_events_for_a_topic_with_small_batches_are_all_delivered)
{
    real_create("narrow-batches", 3, (struct topic_setting){"max.message.bytes", "2000"}, NONE);
    real_open(&t, "");
    batch_init(&batch, 5000);
    batch_fill(&batch, "narrow-batches", 50, 0);
    real_relay(&t, &batch, 4);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 5000);
    cr_assert_leq(t.lost_count, 2);
    struct seen seen = real_read("narrow-batches", 5000);
    cr_assert_eq(seen.distinct, 5000);
    cr_assert_eq(seen.out_of_order, 0);
    batch_free(&batch);
    END();
}

/* A topic that is deleted and created again while relaying fails the topic, and rejects no event. */
Test(kafka_healthy_keys, recreated_topic_rejects_no_event)
{
    uint64_t first = 0, rejected = 0;
    int64_t end;
    real_create("recreated", 3, NONE, NONE);
    real_open(&t, "");
    for (int round = 0; round < 2; round++) {
        end = wall_us() + 3000000;
        while (wall_us() < end) {
            batch_init(&batch, 100);
            batch_fill(&batch, "recreated", 10, first);
            first += 100;
            fixture_publish(&t, &batch);
            uint32_t lost = t.lost_count;
            while (!batch.completed && t.lost_count == lost)
                fixture_run_for(&t, 2);
            if (t.lost_count != lost) {
                cr_assert_eq(fixture_stop_within(&t, 5000), OUTBOX_OK);
                fixture_must_start(&t);
            }
            cr_assert(fixture_wait(&t, &batch));
            rejected += fixture_count(&batch, OUTBOX_REJECTED);
            for (uint32_t i = 0; i < 100; i++)
                cr_assert_neq(batch.outcomes[i], OUTBOX_REJECTED, "%s", batch.errors[i].text);
            batch_free(&batch);
            fixture_run_for(&t, 5);
        }
        if (!round) {
            real_delete("recreated");
            fixture_run_for(&t, 500);
            real_create("recreated", 1, NONE, NONE); /* fewer partitions, too */
        }
    }
    cr_assert_eq(rejected, 0);
    batch_init(&batch, 100);
    batch_fill(&batch, "recreated", 10, 0);
    real_relay(&t, &batch, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 100);
    batch_free(&batch);
    END();
}

Test(kafka_healthy_keys, check_names_a_topic_whose_name_collides)
{
    static const char *const topics[] = {"colliding.name", NULL};
    char findings[4096];
    real_create("colliding_name", 1, NONE, NONE);
    real_open(&t, "");
    cr_assert_eq(fixture_check(&t, topics, findings, sizeof findings), OUTBOX_OK, "%s", t.error.text);
    cr_assert(strstr(findings,
                     "error topic 'colliding.name' does not exist, and cannot be created while 'colliding_name' "
                     "exists; rename one of them"),
              "%s", findings);
    END();
}
