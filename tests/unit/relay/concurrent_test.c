/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/concurrent_test.c - concurrent brokers: what is in flight, and slow keys */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static bool has_key(const struct outbox_message *message, const char *key)
{
    return message->key.size == strlen(key) && !memcmp(message->key.data, key, message->key.size);
}

static uint32_t published_of(const struct fixture *fixture, const char *key, bool others)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fixture->published_count; i++)
        count += (strcmp(fixture->published[i].key, key) == 0) != others;
    return count;
}

/* The fixture checks that no key has two events in flight. */
Test(concurrent, one_event_of_each_key_is_in_flight)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("", 400, 40);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_assert_eq(fixture->most_events_in_flight, 40);
    cr_assert_eq(fixture->published_count, 400);
    for (uint32_t k = 0; k < 40; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", k);
        cr_assert_str_eq(fixture_texts(fixture, key), "0 1 2 3 4 5 6 7 8 9");
    }
    fixture_free(fixture);
}

Test(concurrent, events_without_order_are_all_in_flight)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_new("order: none\n");
    for (int i = 0; i < 300; i++)
        fixture_insert(fixture, "", "x"); /* a null key: the fixture allows any number in flight */
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_assert_geq(fixture->most_events_in_flight, 200);
    fixture_free(fixture);
}

Test(concurrent, global_order_has_one_event_in_flight)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("order: global\n", 60, 6);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    cr_assert_eq(fixture->most_events_in_flight, 1);
    for (uint32_t i = 0; i < 60; i++) {
        char key[8], text[8];
        snprintf(key, sizeof key, "k%u", i % 6);
        snprintf(text, sizeof text, "%u", i / 6);
        cr_assert_str_eq(fixture->published[i].key, key);
        cr_assert_str_eq(fixture->published[i].text, text);
    }
    cr_assert(strstr(fixture->logged, "order: global: the broker 'fixture' keeps order only within a key"));
    fixture_free(fixture);
}

static uint32_t refused_by_topic(struct fixture *fixture, const struct outbox_message *message,
                                 struct outbox_error *error)
{
    (void)fixture, (void)message;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_FOUND, .text = "no such stream"};
    return OUTBOX_RETRY;
}

static uint32_t lines_with(const char *text, const char *part)
{
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

/* All keys fail in one turn. */
Test(concurrent, missing_topic_of_many_keys_is_logged_once_a_minute)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("", 40, 40);
    fixture->outcome = refused_by_topic;
    fixture_start(fixture);
    fixture_run_for(fixture, 30000);
    cr_assert_eq(lines_with(fixture->logged, "no such stream"), 1, "%s", fixture->logged);
    fixture->outcome = NULL;
    cr_assert(fixture_run(fixture, fixture_empty, 120000));
    fixture_free(fixture);
}

/* ---- slow keys --------------------------------------------------------------------------------------------------- */

static uint64_t slow_ms; /* of the key k0; the other keys take 1 ms */

static uint64_t latency(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return has_key(message, "k0") ? slow_ms : 1;
}

static uint32_t healthy_events;

static bool healthy_done(struct fixture *fixture)
{
    return published_of(fixture, "k0", true) == healthy_events;
}

/* Virtual milliseconds until all events of the other keys are published. */
static uint64_t time_of_others(const char *settings, uint64_t row_bytes, uint64_t slow)
{
    struct fixture *fixture = fixture_filled(settings, 4000, 40);
    fixture->latency_ms = latency;
    fixture->row_bytes = row_bytes;
    slow_ms = slow;
    healthy_events = 4000 / 40 * 39;
    uint64_t begin = fixture->loop.now_ns;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, healthy_done, 600000));
    uint64_t end = fixture->loop.now_ns;
    uint32_t slow_events = published_of(fixture, "k0", false);
    cr_assert(slow == 1 || slow_events < 3, "%u events of the slow key went in that time", slow_events);
    slow_ms = 1;
    cr_assert(fixture_run(fixture, fixture_empty, 600000));
    cr_assert_eq(fixture->published_count, 4000, "%u", fixture->published_count);
    cr_assert_eq(strncmp(fixture_texts(fixture, "k0"), "0 1 2 3 4 5 6 7 8 9 10 11 12", 28), 0);
    cr_assert_eq(fixture_stats(fixture).retried, 0);
    fixture_free(fixture);
    return (end - begin) / OBX_MS;
}

Test(concurrent, key_with_a_slow_endpoint_takes_less_than_a_twentieth_of_the_rate_of_the_others)
{
    fixture_concurrent();
    uint64_t all_healthy = time_of_others("", 100, 1), one_slow = time_of_others("", 100, 1000);
    cr_assert(one_slow * 100 <= all_healthy * 105, "%llu ms, %llu ms with a slow key", (unsigned long long)all_healthy,
              (unsigned long long)one_slow);
}

/* 4000 rows of 2 kB are eight times the memory: the events of the slow key would fill it. */
Test(concurrent, slow_key_does_not_fill_the_memory)
{
    static const char settings[] = "max_in_flight_bytes: 1MiB\n";
    fixture_concurrent();
    uint64_t all_healthy = time_of_others(settings, 2000, 1), one_slow = time_of_others(settings, 2000, 100000);
    cr_assert(one_slow < all_healthy * 2 + 500, "%llu ms, %llu ms with a slow key", (unsigned long long)all_healthy,
              (unsigned long long)one_slow);
}

static uint64_t mixed_latency(struct fixture *fixture, const struct outbox_message *message)
{
    uint32_t key = 0;
    (void)fixture;
    sscanf(message->key.data, "k%u", &key);
    return key % 4 ? 1 : 300;
}

/* Ten slow keys are relieved over and over; none of their events is lost or overtakes another one. */
Test(concurrent, relieved_keys_keep_their_order)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("max_in_flight_bytes: 512KiB\nclaim_rows: 50\n", 1200, 40);
    fixture->latency_ms = mixed_latency;
    fixture->row_bytes = 2000;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 120000));
    cr_assert_eq(fixture->published_count, 1200);
    for (uint32_t k = 0; k < 40; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", k);
        cr_assert_str_eq(fixture_texts(fixture, key),
                         "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 "
                         "25 26 27 28 29");
    }
    fixture_free(fixture);
}
