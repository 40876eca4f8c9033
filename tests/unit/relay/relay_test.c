/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/relay_test.c - the pipeline: its flow, its bounds, what it refuses, and memory that fails */
#include <criterion/criterion.h>

#include "mem_fault.h"
#include "rig.h"

/* ---- flow -------------------------------------------------------------------------------------------------------- */

Test(relay, everything_is_published_once_and_settled)
{
    struct rig *rig = rig_filled("", 3000, 7);
    rig_start(rig);
    cr_assert(rig_run(rig, rig_drained, 10000));
    cr_assert(rig_empty(rig));
    cr_assert_eq(rig->published_count, 3000);
    struct outbox_stats stats = rig_stats(rig);
    cr_assert_eq(stats.delivered, 3000);
    cr_assert_eq(stats.settled, 3000);
    cr_assert_eq(stats.claimed, 3000);
    cr_assert_eq(stats.resent, 0);
    cr_assert_eq(rig->drained, 1);
    cr_assert_eq(rig->drained_blocked, 0);
    rig_free(rig);
}

Test(relay, later_rows_are_found_by_polling)
{
    struct rig *rig = rig_new("");
    rig_start(rig);
    cr_assert(rig_run(rig, rig_drained, 1000));
    rig_insert(rig, "k", "1");
    cr_assert(rig_run(rig, rig_empty, 60));
    rig_free(rig);
}

Test(relay, an_idle_outbox_is_looked_at_seldom)
{
    struct rig *rig = rig_new("");
    rig_start(rig);
    rig_run_for(rig, 2000);
    uint32_t before = rig->calls[RIG_CLAIM];
    rig_run_for(rig, 1000);
    cr_assert_leq(rig->calls[RIG_CLAIM] - before, 41);
    cr_assert_geq(rig->calls[RIG_CLAIM] - before, 30);
    rig_free(rig);
}

Test(relay, the_first_claims_are_small_and_the_budget_bounds_all)
{
    struct rig *rig = rig_filled("max_in_flight_bytes: 64KiB\nclaim_rows: 100\n", 2000, 50);
    rig->hold = true;
    rig_start(rig);
    rig_run_for(rig, 1000);
    struct outbox_stats stats = rig_stats(rig);
    cr_assert_lt(stats.in_flight_bytes, 2 * 64 * 1024);
    cr_assert_leq(rig->max_claim_rows, 100);
    cr_assert_lt(stats.in_flight, 400);
    rig_let_go(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    rig_free(rig);
}

Test(relay, several_publishes_are_in_flight_and_no_more_than_twelve)
{
    struct rig *rig = rig_filled("claim_rows: 10\n", 500, 50);
    rig->hold = true;
    rig_start(rig);
    rig_run_for(rig, 1000);
    cr_assert_eq(rig->most_in_flight, 12);
    rig_let_go(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    rig_free(rig);
}

Test(relay, a_broker_without_order_gets_one_event_of_a_key_at_a_time)
{
    rig_unordered();
    struct rig *rig = rig_filled("", 20, 2);
    rig->hold = true;
    rig_start(rig);
    rig_run_for(rig, 100);
    cr_assert_eq(rig->publishes, 1);
    rig_release(rig);
    cr_assert_eq(rig->published_count, 2);
    rig->hold = false;
    cr_assert(rig_run(rig, rig_empty, 60000));
    cr_assert_str_eq(rig_texts(rig, "k0"), "0 1 2 3 4 5 6 7 8 9");
    cr_assert_str_eq(rig_texts(rig, "k1"), "0 1 2 3 4 5 6 7 8 9");
    rig_free(rig);
}

Test(relay, what_cannot_work_is_refused)
{
    rig_refuses("store: {plugin: rig}\n", "test:1:1: relay 'test' has no broker; add 'broker:' with 'plugin:'");
    rig_refuses("store: {plugin: bare}\nbroker: {plugin: rig}\non_reject: park\n",
                "test:3:1: the store 'bare' has no dead letters; use on_reject: block-key or stop");
    rig_refuses("broker: {plugin: rig}\n", "test:1:1: relay 'test' has no store; add 'store:' with 'plugin:'");
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void run_without_memory(size_t n, bool persistent, bool *failed)
{
    struct rig *rig = rig_filled("on_reject: park\nclaim_rows: 20\nretry_max: 200ms\n", 60, 3);
    rig->k1_failures = 2;
    mem_fail_at(n, persistent);
    rig_start(rig);
    rig_run_for(rig, 3000);
    *failed = mem_failed();
    mem_fail_at(0, false);
    bool empty = rig_run(rig, rig_empty, 60000);
    cr_assert(empty, "allocation %zu: state %d, %s; %s", n, (int)rig->state, rig_stats(rig).last_error, rig->said);
    cr_assert_str_eq(rig_texts(rig, "k1"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", "allocation %zu: %s", n,
                     rig->said);
    cr_assert_str_eq(rig_texts(rig, "k0"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", "allocation %zu: %s", n,
                     rig->said);
    rig_free(rig);
}

Test(relay, no_allocation_failure_loses_or_reorders_anything)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool failed = true;
        for (size_t n = 1; failed; n++)
            run_without_memory(n, persistent, &failed);
    }
}
