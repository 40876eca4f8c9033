/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/relay_test.c - the pipeline: its flow, its bounds, its refusals, and failing allocations */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "mem_fault.h"
#include "fixture.h"

/* ---- flow -------------------------------------------------------------------------------------------------------- */

Test(relay, every_row_is_published_once_and_settled)
{
    struct fixture *fixture = fixture_filled("", 3000, 7);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 10000));
    cr_assert(fixture_empty(fixture));
    cr_assert_eq(fixture->published_count, 3000);
    struct outbox_stats stats = fixture_stats(fixture);
    cr_assert_eq(stats.delivered, 3000);
    cr_assert_eq(stats.settled, 3000);
    cr_assert_eq(stats.claimed, 3000);
    cr_assert_eq(stats.resent, 0);
    cr_assert_eq(fixture->drained, 1);
    cr_assert_eq(fixture->drained_blocked, 0);
    fixture_free(fixture);
}

Test(relay, later_rows_are_found_by_polling)
{
    struct fixture *fixture = fixture_new("");
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 1000));
    fixture_insert(fixture, "k", "1");
    cr_assert(fixture_run(fixture, fixture_empty, 60));
    fixture_free(fixture);
}

Test(relay, idle_outbox_is_polled_rarely)
{
    struct fixture *fixture = fixture_new("");
    fixture_start(fixture);
    fixture_run_for(fixture, 2000);
    uint32_t before = fixture->calls[FIXTURE_CLAIM];
    fixture_run_for(fixture, 1000);
    cr_assert_leq(fixture->calls[FIXTURE_CLAIM] - before, 41);
    cr_assert_geq(fixture->calls[FIXTURE_CLAIM] - before, 30);
    fixture_free(fixture);
}

Test(relay, claims_that_return_no_row_are_counted)
{
    struct fixture *fixture = fixture_filled("", 10, 1);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 1000));
    fixture_run_for(fixture, 1000);
    struct outbox_stats stats = fixture_stats(fixture);
    cr_assert_eq(fixture->calls[FIXTURE_CLAIM], stats.claims);
    cr_assert_geq(stats.empty_claims, 30);
    cr_assert_eq(stats.empty_claims, stats.claims - 2, "one claim failed, one had the rows");
    fixture_free(fixture);
}

Test(relay, first_claims_are_small_and_the_memory_limit_bounds_all)
{
    struct fixture *fixture = fixture_filled("max_in_flight_bytes: 64KiB\nclaim_rows: 100\n", 2000, 50);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    struct outbox_stats stats = fixture_stats(fixture);
    cr_assert_lt(stats.in_flight_bytes, 2 * 64 * 1024);
    cr_assert_leq(fixture->max_claim_rows, 100);
    cr_assert_lt(stats.in_flight, 400);
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

Test(relay, up_to_twelve_publishes_are_in_flight)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 500, 50);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->most_in_flight, 12);
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

Test(relay, broker_without_order_gets_one_event_of_a_key_at_a_time)
{
    fixture_unordered();
    struct fixture *fixture = fixture_filled("", 20, 2);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    cr_assert_eq(fixture->publishes, 1);
    fixture_release(fixture);
    cr_assert_eq(fixture->published_count, 2);
    fixture->hold = false;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_str_eq(fixture_texts(fixture, "k0"), "0 1 2 3 4 5 6 7 8 9");
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0 1 2 3 4 5 6 7 8 9");
    fixture_free(fixture);
}

Test(relay, impossible_configurations_are_refused)
{
    fixture_refuses("store: {plugin: fixture}\n", "test:1:1: relay 'test' has no broker; add 'broker:' with 'plugin:'");
    fixture_refuses("store: {plugin: bare}\nbroker: {plugin: fixture}\non_reject: park\n",
                    "test:3:1: the store 'bare' has no dead letters; use on_reject: block-key or stop");
    fixture_refuses("broker: {plugin: fixture}\n", "test:1:1: relay 'test' has no store; add 'store:' with 'plugin:'");
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void run_without_memory(size_t n, bool persistent, bool *failed)
{
    struct fixture *fixture = fixture_filled("on_reject: park\nclaim_rows: 20\nretry_max: 200ms\n", 60, 3);
    fixture->k1_failures = 2;
    mem_fail_at(n, persistent);
    fixture_start(fixture);
    fixture_run_for(fixture, 3000);
    *failed = mem_failed();
    mem_fail_at(0, false);
    bool empty = fixture_run(fixture, fixture_empty, 60000);
    cr_assert(empty, "allocation %zu: state %d, %s; %s", n, (int)fixture->state, fixture_stats(fixture).last_error,
              fixture->logged);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19",
                     "allocation %zu: %s", n, fixture->logged);
    cr_assert_str_eq(fixture_texts(fixture, "k0"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19",
                     "allocation %zu: %s", n, fixture->logged);
    fixture_free(fixture);
}

Test(relay, allocation_failures_lose_and_reorder_no_event)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool failed = true;
        for (size_t n = 1; failed; n++)
            run_without_memory(n, persistent, &failed);
    }
}

/* ---- global order ------------------------------------------------------------------------------------------------ */

Test(relay, global_order_over_a_broker_that_orders_keys_has_one_event_in_flight)
{
    fixture_key_ordered();
    struct fixture *fixture = fixture_filled("order: global\n", 30, 3);
    fixture->hold = true;
    fixture_start(fixture);
    for (uint32_t i = 1; i <= 5; i++) {
        fixture_run_for(fixture, 100);
        cr_assert_eq(fixture->publishes, i);
        cr_assert_eq(fixture->most_in_flight, 1);
        fixture_release(fixture);
        cr_assert_eq(fixture->published_count, i);
    }
    cr_assert(strstr(fixture->logged, "order: global: the broker 'fixture' keeps order only within a key"));
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

Test(relay, global_order_over_a_broker_that_keeps_it_is_pipelined)
{
    struct fixture *fixture = fixture_filled("order: global\nclaim_rows: 10\n", 500, 50);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->most_in_flight, 12);
    cr_assert_str_empty(fixture->logged);
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

static bool topic_works, k1_works;

static uint32_t topic_or_k1(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    bool works = topic_works && (k1_works || memcmp(message->key.data, "k1", 2) != 0);
    *error = (struct outbox_error){.code = OUTBOX_E_AGAIN, .text = "not now"};
    return works ? OUTBOX_DELIVERED : OUTBOX_RETRY;
}

/* By position, one claim at a time, the whole outbox would take long. Not while a key fails: it would come again with
 * each rewind. */
Test(relay, many_events_that_waited_are_read_again_when_all_keys_go)
{
    struct fixture *fixture = fixture_filled("retry_max: 100ms\nclaim_rows: 10\n", 600, 3);
    topic_works = k1_works = false;
    fixture->outcome = topic_or_k1;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert_eq(fixture_stats(fixture).blocked_events, 600);
    topic_works = true;
    fixture_run_for(fixture, 300);
    cr_assert_eq(fixture->rewinds, 1, "the first claim");
    k1_works = true;
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    cr_assert_eq(fixture->rewinds, 2);
    cr_assert_eq(fixture->published_count, 600);
    for (uint32_t k = 0; k < 3; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", k);
        cr_assert_eq(strncmp(fixture_texts(fixture, key), "0 1 2 3 4 5 6 7 8 9 10 11", 25), 0);
    }
    fixture_free(fixture);
}
