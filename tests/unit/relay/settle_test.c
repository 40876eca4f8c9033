/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/settle_test.c - when delivered rows are settled: 20 ms after the settle before, or at once */
#include <criterion/criterion.h>

#include "mem_fault.h"
#include "rig.h"

#define PAUSE_NS (20 * OBX_MS)
#define SLACK_NS (OBX_MS / 2) /* a settle that waits for nothing is asked for within that */

static uint32_t wanted;

static bool enough_settles(struct rig *rig)
{
    return rig->calls[RIG_SETTLE] >= wanted;
}

static bool enough_delivered(struct rig *rig)
{
    return rig->delivered >= wanted;
}

/* When the store was asked for its n-th settle. */
static uint64_t settle_time(struct rig *rig, uint32_t n)
{
    wanted = n;
    cr_assert(rig_run(rig, enough_settles, 200), "%u of %u settles", rig->calls[RIG_SETTLE], n);
    cr_assert_eq(rig->calls[RIG_SETTLE], n);
    return rig->loop.now_ns;
}

static void until_delivered(struct rig *rig, uint32_t count)
{
    wanted = count;
    cr_assert(rig_run(rig, enough_delivered, 200), "%u of %u delivered", rig->delivered, count);
    cr_assert_eq(rig->delivered, count);
}

/* A relay that was idle for a second, has delivered one event since, and settled it just now. */
static struct rig *just_settled(const char *settings)
{
    struct rig *rig = rig_new(settings);
    rig_start(rig);
    rig_run_for(rig, 1000);
    rig_insert(rig, "k", "first");
    settle_time(rig, 1);
    return rig;
}

static void settled_at_once(struct rig *rig, uint32_t n)
{
    uint64_t from = rig->loop.now_ns;
    cr_assert_lt(settle_time(rig, n) - from, SLACK_NS);
}

/* The relay has just settled, at `last`. */
static void settled_after_the_pause(struct rig *rig, uint32_t n, uint64_t last)
{
    uint64_t waited = settle_time(rig, n) - last;
    cr_assert(waited >= PAUSE_NS && waited < PAUSE_NS + SLACK_NS, "%llu ns", (unsigned long long)waited);
}

/* ---- the pause --------------------------------------------------------------------------------------------------- */

Test(settle, the_first_after_quiet_goes_at_once)
{
    struct rig *rig = just_settled("");
    rig_run_for(rig, 20); /* no longer than the pause */
    rig_insert(rig, "k", "second");
    until_delivered(rig, 2);
    settled_at_once(rig, 2);
    rig_free(rig);
}

Test(settle, single_events_wait_for_the_pause)
{
    struct rig *rig = just_settled("");
    uint64_t last = rig->loop.now_ns;
    rig_run_for(rig, 1);
    rig_insert(rig, "k", "second");
    until_delivered(rig, 2);
    cr_assert_lt(rig->loop.now_ns - last, 3 * OBX_MS);
    settled_after_the_pause(rig, 2, last);
    rig_free(rig);
}

Test(settle, what_comes_in_the_pause_goes_together)
{
    struct rig *rig = just_settled("");
    uint64_t last = rig->loop.now_ns;
    for (uint32_t i = 0; i < 15; i++) {
        rig_insert(rig, "k", "more");
        rig_run_for(rig, 1);
    }
    settled_after_the_pause(rig, 2, last);
    rig_run_for(rig, 100);
    cr_assert_eq(rig_stats(rig).settled, 16);
    cr_assert_eq(rig->calls[RIG_SETTLE], 2);
    rig_free(rig);
}

static bool only_k_admitted(struct rig *rig, const struct outbox_message *message)
{
    (void)rig;
    return message->key.size == 1;
}

/* A relay that has halted looks for nothing, and has no other reason to wake up. */
Test(settle, the_pause_ends_by_itself)
{
    struct rig *rig = just_settled("on_reject: stop\n");
    uint64_t last = rig->loop.now_ns;
    rig->admit = only_k_admitted;
    rig_insert(rig, "k", "second");
    rig_insert(rig, "bad", "third");
    settled_after_the_pause(rig, 2, last);
    cr_assert_eq(rig->state, OUTBOX_STATE_HALTED);
    rig_free(rig);
}

Test(settle, a_thousand_rows_do_not_wait)
{
    struct rig *rig = just_settled("");
    rig_fill(rig, 1000, 7);
    until_delivered(rig, 1001);
    settled_at_once(rig, 2);
    uint64_t last = rig->loop.now_ns;
    rig_fill(rig, 999, 7);
    until_delivered(rig, 2000);
    settled_after_the_pause(rig, 3, last);
    rig_free(rig);
}

/* ---- what does not bear it --------------------------------------------------------------------------------------- */

Test(settle, a_stop_does_not_wait)
{
    struct rig *rig = just_settled("");
    rig_insert(rig, "k", "second");
    until_delivered(rig, 2);
    rig_stop(rig, 1000);
    settled_at_once(rig, 2);
    rig_free(rig);
}

/* The rows of a claim that finds no memory are read again from the start, which what was delivered must not be. */
Test(settle, a_rewind_does_not_wait)
{
    struct rig *rig = just_settled("");
    rig_insert(rig, "k", "second");
    until_delivered(rig, 2);
    mem_fail_at(1, false);
    rig_fill(rig, 10, 1);
    uint64_t before = rig->loop.now_ns;
    cr_assert_lt(settle_time(rig, 2) - before, OBX_MS + SLACK_NS); /* the next look is due in a millisecond */
    cr_assert(mem_failed());
    cr_assert(rig_run(rig, rig_empty, 100));
    cr_assert_eq(rig->delivered, 12);
    rig_free(rig);
}

/* As what is behind them is claimed only when they are gone. */
Test(settle, retried_events_do_not_wait)
{
    struct rig *rig = just_settled("retry_min: 1ms\nretry_max: 1ms\n");
    uint64_t last = rig->loop.now_ns;
    rig->k1_failures = 1;
    rig_fill(rig, 6, 2);
    cr_assert(rig_run(rig, rig_empty, 200));
    cr_assert_eq(rig->k1_failures, 0);
    cr_assert_lt(rig->loop.now_ns - last, 5 * OBX_MS);
    rig_free(rig);
}

Test(settle, a_quarter_of_the_memory_does_not_wait)
{
    struct rig *rig = just_settled("max_in_flight_bytes: 1MiB\n");
    uint64_t last = rig->loop.now_ns;
    rig->row_bytes = 220 * 1024; /* the batch itself takes 16 KiB */
    rig_insert(rig, "k", "second");
    until_delivered(rig, 2);
    settled_after_the_pause(rig, 2, last);
    rig->row_bytes = 256 * 1024;
    rig_insert(rig, "k", "third");
    until_delivered(rig, 3);
    settled_at_once(rig, 3);
    rig_free(rig);
}

/* ---- a store that is busy ---------------------------------------------------------------------------------------- */

/* Its own pause is meant for the store, whatever waits. */
Test(settle, a_refused_settle_waits_however_much_there_is)
{
    struct rig *rig = just_settled("");
    rig->fail[RIG_SETTLE].count = 1;
    rig->fail[RIG_SETTLE].code = OUTBOX_E_AGAIN;
    rig_fill(rig, 1000, 7);
    uint64_t refused = settle_time(rig, 2);
    cr_assert_geq(settle_time(rig, 3) - refused, 2 * OBX_MS);
    rig_free(rig);
}

static const char *told(const char *said)
{
    return strstr(said, "delivered events could not be removed");
}

static void after_settles(struct rig *rig, uint32_t n)
{
    wanted = n;
    cr_assert(rig_run(rig, enough_settles, 200000), "%u of %u settles", rig->calls[RIG_SETTLE], n);
}

/* A lock that somebody else keeps, a table that allows no delete: what is tried again for long is told, once. */
Test(settle, one_that_is_refused_for_long_is_told)
{
    struct rig *rig = just_settled("");
    rig->fail[RIG_SETTLE].count = 3;
    rig->fail[RIG_SETTLE].code = OUTBOX_E_AGAIN;
    rig_insert(rig, "k", "second");
    after_settles(rig, 5);
    cr_expect_null(told(rig->said), "what passes is no news");
    rig->fail[RIG_SETTLE].count = 40;
    rig_insert(rig, "k", "third");
    after_settles(rig, 46);
    const char *first = told(rig->said);
    cr_assert_not_null(first);
    cr_expect_null(told(first + 1), "once is enough");
    rig_free(rig);
}
