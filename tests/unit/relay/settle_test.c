/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/settle_test.c - when delivered rows are settled: 20 ms after the settle before, or at once */
#include <criterion/criterion.h>

#include "mem_fault.h"
#include "fixture.h"

#define PAUSE_NS (20 * OBX_MS)
#define SLACK_NS (OBX_MS / 2) /* a settle without a reason to wait is submitted within that */

static uint32_t wanted;

static bool enough_settles(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_SETTLE] >= wanted;
}

static bool enough_delivered(struct fixture *fixture)
{
    return fixture->delivered >= wanted;
}

/* The time of the store's n-th settle. */
static uint64_t settle_time(struct fixture *fixture, uint32_t n)
{
    wanted = n;
    cr_assert(fixture_run(fixture, enough_settles, 200), "%u of %u settles", fixture->calls[FIXTURE_SETTLE], n);
    cr_assert_eq(fixture->calls[FIXTURE_SETTLE], n);
    return fixture->loop.now_ns;
}

static void until_delivered(struct fixture *fixture, uint32_t count)
{
    wanted = count;
    cr_assert(fixture_run(fixture, enough_delivered, 200), "%u of %u delivered", fixture->delivered, count);
    cr_assert_eq(fixture->delivered, count);
}

/* A relay that was idle for a second, has delivered one event since, and settled it just now. */
static struct fixture *just_settled(const char *settings)
{
    struct fixture *fixture = fixture_new(settings);
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    fixture_insert(fixture, "k", "first");
    settle_time(fixture, 1);
    return fixture;
}

static void settled_at_once(struct fixture *fixture, uint32_t n)
{
    uint64_t from = fixture->loop.now_ns;
    cr_assert_lt(settle_time(fixture, n) - from, SLACK_NS);
}

/* The relay has just settled, at `last`. */
static void settled_after_the_pause(struct fixture *fixture, uint32_t n, uint64_t last)
{
    uint64_t waited = settle_time(fixture, n) - last;
    cr_assert(waited >= PAUSE_NS && waited < PAUSE_NS + SLACK_NS, "%llu ns", (unsigned long long)waited);
}

/* ---- the pause --------------------------------------------------------------------------------------------------- */

Test(settle, first_row_after_an_idle_time_is_settled_at_once)
{
    struct fixture *fixture = just_settled("");
    fixture_run_for(fixture, 20); /* no longer than the pause */
    fixture_insert(fixture, "k", "second");
    until_delivered(fixture, 2);
    settled_at_once(fixture, 2);
    fixture_free(fixture);
}

Test(settle, single_events_wait_for_the_pace)
{
    struct fixture *fixture = just_settled("");
    uint64_t last = fixture->loop.now_ns;
    fixture_run_for(fixture, 1);
    fixture_insert(fixture, "k", "second");
    until_delivered(fixture, 2);
    cr_assert_lt(fixture->loop.now_ns - last, 3 * OBX_MS);
    settled_after_the_pause(fixture, 2, last);
    fixture_free(fixture);
}

Test(settle, events_within_the_pace_are_settled_together)
{
    struct fixture *fixture = just_settled("");
    uint64_t last = fixture->loop.now_ns;
    for (uint32_t i = 0; i < 15; i++) {
        fixture_insert(fixture, "k", "more");
        fixture_run_for(fixture, 1);
    }
    settled_after_the_pause(fixture, 2, last);
    fixture_run_for(fixture, 100);
    cr_assert_eq(fixture_stats(fixture).settled, 16);
    cr_assert_eq(fixture->calls[FIXTURE_SETTLE], 2);
    fixture_free(fixture);
}

static bool only_k_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->key.size == 1;
}

/* A halted relay does not poll, and has no other reason to wake up. */
Test(settle, pace_ends_without_further_events)
{
    struct fixture *fixture = just_settled("on_reject: stop\n");
    uint64_t last = fixture->loop.now_ns;
    fixture->admit = only_k_admitted;
    fixture_insert(fixture, "k", "second");
    fixture_insert(fixture, "bad", "third");
    settled_after_the_pause(fixture, 2, last);
    cr_assert_eq(fixture->state, OUTBOX_STATE_HALTED);
    fixture_free(fixture);
}

Test(settle, thousand_rows_do_not_wait)
{
    struct fixture *fixture = just_settled("");
    fixture_fill(fixture, 1000, 7);
    until_delivered(fixture, 1001);
    settled_at_once(fixture, 2);
    uint64_t last = fixture->loop.now_ns;
    fixture_fill(fixture, 999, 7);
    until_delivered(fixture, 2000);
    settled_after_the_pause(fixture, 3, last);
    fixture_free(fixture);
}

/* ---- settles that must not pause --------------------------------------------------------------------------------- */

Test(settle, stop_does_not_wait)
{
    struct fixture *fixture = just_settled("");
    fixture_insert(fixture, "k", "second");
    until_delivered(fixture, 2);
    fixture_stop(fixture, 1000);
    settled_at_once(fixture, 2);
    fixture_free(fixture);
}

/* The rows of a claim without memory are read again from the start; delivered rows must be settled before. */
Test(settle, rewind_does_not_wait)
{
    struct fixture *fixture = just_settled("");
    fixture_insert(fixture, "k", "second");
    until_delivered(fixture, 2);
    mem_fail_at(1, false);
    fixture_fill(fixture, 10, 1);
    uint64_t before = fixture->loop.now_ns;
    cr_assert_lt(settle_time(fixture, 2) - before, OBX_MS + SLACK_NS); /* the next poll is due in a millisecond */
    cr_assert(mem_failed());
    cr_assert(fixture_run(fixture, fixture_empty, 100));
    cr_assert_eq(fixture->delivered, 12);
    fixture_free(fixture);
}

/* Rows after them are claimed only when they are removed. */
Test(settle, retried_events_do_not_wait)
{
    struct fixture *fixture = just_settled("retry_min: 1ms\nretry_max: 1ms\n");
    uint64_t last = fixture->loop.now_ns;
    fixture->k1_failures = 1;
    fixture_fill(fixture, 6, 2);
    cr_assert(fixture_run(fixture, fixture_empty, 200));
    cr_assert_eq(fixture->k1_failures, 0);
    cr_assert_lt(fixture->loop.now_ns - last, 5 * OBX_MS);
    fixture_free(fixture);
}

Test(settle, quarter_of_the_memory_does_not_wait)
{
    struct fixture *fixture = just_settled("max_in_flight_bytes: 1MiB\n");
    uint64_t last = fixture->loop.now_ns;
    fixture->row_bytes = 220 * 1024; /* the batch itself takes 16 KiB */
    fixture_insert(fixture, "k", "second");
    until_delivered(fixture, 2);
    settled_after_the_pause(fixture, 2, last);
    fixture->row_bytes = 256 * 1024;
    fixture_insert(fixture, "k", "third");
    until_delivered(fixture, 3);
    settled_at_once(fixture, 3);
    fixture_free(fixture);
}

/* ---- a store that is busy ---------------------------------------------------------------------------------------- */

/* The pause after a failure protects the store, whatever waits. */
Test(settle, failed_settle_waits_with_any_number_of_rows)
{
    struct fixture *fixture = just_settled("");
    fixture->fail[FIXTURE_SETTLE].count = 1;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_AGAIN;
    fixture_fill(fixture, 1000, 7);
    uint64_t refused = settle_time(fixture, 2);
    cr_assert_geq(settle_time(fixture, 3) - refused, 2 * OBX_MS);
    fixture_free(fixture);
}

static const char *find_warning(const char *logged)
{
    return strstr(logged, "delivered events could not be removed");
}

static void after_settles(struct fixture *fixture, uint32_t n)
{
    wanted = n;
    cr_assert(fixture_run(fixture, enough_settles, 200000), "%u of %u settles", fixture->calls[FIXTURE_SETTLE], n);
}

/* A lock that another session keeps, or a table that allows no delete: a settle that fails for long is logged once. */
Test(settle, settle_that_fails_for_10_s_is_logged)
{
    struct fixture *fixture = just_settled("");
    fixture->fail[FIXTURE_SETTLE].count = 3;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_AGAIN;
    fixture_insert(fixture, "k", "second");
    after_settles(fixture, 5);
    cr_expect_null(find_warning(fixture->logged), "a short failure is not logged");
    fixture->fail[FIXTURE_SETTLE].count = 40;
    fixture_insert(fixture, "k", "third");
    after_settles(fixture, 46);
    const char *first = find_warning(fixture->logged);
    cr_assert_not_null(first);
    cr_expect_null(find_warning(first + 1), "it is logged once");
    fixture_free(fixture);
}

/* The store leaves such a row out of claims; here the cursor of the fixture does. */
Test(settle, row_that_cannot_be_removed_is_no_success_of_a_drain)
{
    struct fixture *fixture = fixture_filled("", 30, 3);
    fixture->unremovable = 7;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 10000));
    cr_assert_eq(fixture->drained_blocked, 1);
    cr_assert_eq(fixture->published_count, 30);
    cr_assert_str_eq(fixture_stats(fixture).last_error,
                     "store: 1 published rows cannot be removed, one is row 7: kept");
    fixture_run_for(fixture, 60000);
    cr_assert_eq(fixture->published_count, 30, "nothing is published again");
    cr_assert_eq(fixture_stats(fixture).store_connects, 1);
    fixture_free(fixture);
}

/* A relay that cannot remove, or claim, is not ready. */
static void is_not_ready_while_it_fails(enum fixture_op op)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 100ms\n", 30, 3);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_relaying, 1000));
    fixture->fail[op].count = UINT32_MAX;
    fixture->fail[op].code = OUTBOX_E_AGAIN;
    fixture_insert(fixture, "k", "more");
    fixture_run_for(fixture, 5000);
    cr_assert(fixture_relaying(fixture), "a lock for some seconds is no trouble");
    fixture_run_for(fixture, 10000);
    cr_assert_eq(fixture->state, OUTBOX_STATE_RECOVERING);
    cr_assert_str_eq(fixture_stats(fixture).last_error, "store: simulated");
    fixture->fail[op].count = 0;
    cr_assert(fixture_run(fixture, fixture_relaying, 5000));
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

Test(settle, relay_that_cannot_remove_is_not_ready)
{
    is_not_ready_while_it_fails(FIXTURE_SETTLE);
}

Test(settle, relay_that_cannot_claim_is_not_ready)
{
    is_not_ready_while_it_fails(FIXTURE_CLAIM);
}
