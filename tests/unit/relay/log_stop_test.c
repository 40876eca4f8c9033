/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/log_stop_test.c - rows of a log that are in flight for long, or given up at a stop */
#include <criterion/criterion.h>

#include "fixture.h"

static struct fixture *slow_k0(const char *settings, uint32_t count, uint32_t keys);

static uint64_t k0_latency(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->key.size == 2 && !memcmp(message->key.data, "k0", 2) ? 20000 : 1;
}

static struct fixture *slow_k0(const char *settings, uint32_t count, uint32_t keys)
{
    fixture_log();
    fixture_concurrent();
    struct fixture *fixture = fixture_filled(settings, count, keys);
    fixture->latency_ms = k0_latency;
    return fixture;
}

static bool all_passed(struct fixture *fixture)
{
    return fixture->low == fixture->row_count;
}

static bool passed_and_empty(struct fixture *fixture)
{
    return all_passed(fixture) && fixture_empty(fixture);
}

Test(log_stop, an_event_in_flight_for_three_seconds_holds_others_no_longer)
{
    struct fixture *fixture = slow_k0("claim_rows: 10", 12, 12);
    fixture_start(fixture);
    fixture_run_for(fixture, 2000);
    fixture_fill(fixture, 20, 20);
    fixture->rows[12].key[1] = '9'; /* no second event of k0 */
    fixture_run_for(fixture, 500);
    cr_assert_eq(fixture->low, 0);
    cr_assert_neq(fixture_stats(fixture).held_since_ns, 0);
    cr_assert(fixture_run(fixture, all_passed, 3000));
    cr_assert(fixture->rows[0].spooled);
    cr_assert(!fixture->rows[0].gone);
    cr_assert(fixture_run(fixture, passed_and_empty, 30000));
    cr_assert_eq(fixture->published_count, 32, "%u", fixture->published_count);
    fixture_free(fixture);
}

Test(log_stop, rows_that_wait_for_a_slow_key_go_to_the_spool_with_its_event_in_flight)
{
    struct fixture *fixture = slow_k0("max_in_flight_bytes: 64KiB\nclaim_rows: 20", 300, 2);
    fixture->row_bytes = 400;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, all_passed, 10000));
    cr_assert(fixture->rows[0].spooled);
    fixture->latency_ms = NULL;
    cr_assert(fixture_run(fixture, passed_and_empty, 60000));
    cr_assert_eq(fixture->published_count, 300, "%u", fixture->published_count);
    fixture_free(fixture);
}

/* The event in flight is given up at the stop, before others that are delivered. */
Test(log_stop, given_up_events_do_not_hold_those_that_were_delivered)
{
    struct fixture *fixture = slow_k0("claim_rows: 10", 30, 30);
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->low, 0);
    fixture_stop(fixture, 500);
    cr_assert(fixture_run(fixture, fixture_stopped, 5000));
    cr_assert(all_passed(fixture));
    cr_assert(fixture->rows[0].spooled);
    fixture->latency_ms = NULL;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, passed_and_empty, 5000));
    cr_assert_eq(fixture->published_count, 30, "none is published twice");
    fixture_free(fixture);
}

Test(log_stop, events_at_the_end_are_given_up_and_read_again)
{
    fixture_log();
    struct fixture *fixture = fixture_filled("claim_rows: 10", 400, 4);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    fixture_stop(fixture, 200);
    fixture_run_for(fixture, 10);
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_stopped, 5000));
    cr_assert_eq(fixture_stats(fixture).spooled, 0);
    uint64_t low = fixture->low;
    cr_assert(low > 0 && low < 400);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, passed_and_empty, 5000));
    cr_assert_eq(fixture->published_count, 400);
    fixture_free(fixture);
}

static bool refuses_k1(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
}

static bool halted(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_HALTED;
}

/* What was ready is read again from the position. */
Test(log_stop, a_halted_relay_that_goes_on_reads_the_log_again)
{
    fixture_log();
    struct fixture *fixture = fixture_filled("claim_rows: 10\non_reject: stop", 200, 4);
    fixture->refuse = refuses_k1;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, halted, 5000));
    fixture->refuse = NULL;
    obx_relay_retry(fixture->relay);
    cr_assert(fixture_run(fixture, passed_and_empty, 5000));
    cr_assert_eq(fixture->published_count, 200);
    cr_assert_eq(fixture->rewinds, 2);
    fixture_free(fixture);
}
