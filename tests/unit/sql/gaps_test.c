/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/holes_test.c - the hole tracker, one rule at a time */
#include <criterion/criterion.h>

#include "sql/gaps/gaps.h"
#include "sql_host.h"

static enum obx_sql_accepted see(struct obx_sql_gaps *holes, const int64_t *ids, uint32_t count, bool truncated,
                                 uint64_t xmin, uint64_t xmax)
{
    uint64_t active[] = {xmin};
    struct obx_sql_seen seen = {.ids = ids,
                                .count = count,
                                .truncated = truncated,
                                .snapshot = {.xmin = xmin, .xmax = xmax, .active = active, .active_count = xmin < xmax},
                                .now_ns = 10};
    return obx_sql_gaps_accept(holes, &seen);
}

static void expect_hot(const struct obx_sql_gaps *holes, uint32_t at, int64_t lo, int64_t hi)
{
    cr_assert_lt(at, holes->hot.count);
    cr_assert_eq(holes->hot.items[at].lo, lo);
    cr_assert_eq(holes->hot.items[at].hi, hi);
}

Test(holes, what_lies_between_ids_seen_is_a_hole)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){5, 6, 9}, 3, false, 100, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hi, 9);
    cr_assert_eq(holes.hot.count, 2);
    expect_hot(&holes, 0, 1, 4);
    expect_hot(&holes, 1, 7, 8);
    cr_assert_eq(see(&holes, (int64_t[]){3, 8, 10}, 3, false, 100, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 3);
    expect_hot(&holes, 0, 1, 2);
    expect_hot(&holes, 1, 4, 4);
    expect_hot(&holes, 2, 7, 7);
    obx_sql_gaps_free(&holes);
    cr_assert_eq(sql_memory.live, 0);
}

Test(holes, a_writer_above_xmax_keeps_its_hole_open)
{
    /* 7 was drawn by transaction 101, which goes on; 8 by 100, which ended: xmax is 101. */
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){1, 2, 3, 4, 5, 6, 8}, 7, false, 101, 101), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{1, 101}}, 1));
    cr_assert_eq(see(&holes, NULL, 0, false, 101, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 1, "forgotten though its writer goes on");
    cr_assert_eq(see(&holes, NULL, 0, false, 102, 102), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 0);
    obx_sql_gaps_free(&holes);
}

Test(holes, a_holder_without_transaction_id_is_followed)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){2}, 1, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{7, 0}}, 1));
    cr_assert_eq(see(&holes, NULL, 0, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 1);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{7, 105}, {8, 0}}, 2)); /* 8 came later */
    cr_assert_eq(see(&holes, NULL, 0, false, 105, 107), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 1);
    cr_assert_eq(see(&holes, NULL, 0, false, 107, 107), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 0);
    obx_sql_gaps_free(&holes);
}

Test(holes, transactions_that_never_touched_the_table_hold_nothing_open)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){2}, 1, false, 50, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{7, 99}}, 1));
    cr_assert_eq(see(&holes, NULL, 0, false, 50, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 0, "99 has ended; 50 cannot fill it");
    obx_sql_gaps_free(&holes);
}

Test(holes, a_truncated_claim_tells_nothing_about_what_lies_above)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){1, 4, 9}, 3, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&holes, NULL, 0));
    cr_assert_eq(see(&holes, (int64_t[]){5}, 1, true, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 1);
    expect_hot(&holes, 0, 6, 8);
    obx_sql_gaps_free(&holes);
}

Test(holes, a_cold_hole_is_looked_at_when_who_could_fill_it_has_ended)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, 0);
    cr_assert_eq(see(&holes, (int64_t[]){2}, 1, false, 90, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{7, 90}}, 1));
    cr_assert_eq(see(&holes, NULL, 0, false, 90, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 0);
    cr_assert_eq(holes.cold.count, 1);
    cr_assert_eq(see(&holes, (int64_t[]){3}, 1, false, 90, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(see(&holes, (int64_t[]){4}, 1, false, 101, 101), OBX_SQL_ASK_AGAIN);
    cr_assert_eq(holes.hi, 3);
    cr_assert_eq(see(&holes, (int64_t[]){1, 4}, 2, false, 101, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hi, 4);
    cr_assert_eq(holes.hot.count + holes.cold.count, 0);
    obx_sql_gaps_free(&holes);
    cr_assert_eq(sql_memory.live, 0);
}

Test(holes, impossible_results_are_refused)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){1, 2, 3}, 3, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(see(&holes, (int64_t[]){2}, 1, false, 100, 100), OBX_SQL_IMPOSSIBLE);
    cr_assert_eq(see(&holes, (int64_t[]){5, 4}, 2, false, 100, 100), OBX_SQL_IMPOSSIBLE);
    cr_assert_eq(see(&holes, (int64_t[]){0}, 1, false, 100, 100), OBX_SQL_IMPOSSIBLE);
    cr_assert_eq(holes.hi, 3);
    obx_sql_gaps_free(&holes);
}

Test(holes, rows_found_below_hi_make_a_hole_again)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){1, 2, 3, 6, 7}, 5, false, 100, 100), OBX_SQL_ACCEPTED);
    struct obx_sql_ranges given = {0};
    cr_assert(obx_sql_ranges_add(&sql_host, &given, 7, 7));
    cr_assert(obx_sql_gaps_reopen(&holes, 2, 100, 0, &given));
    cr_assert_eq(holes.hot.count, 3);
    expect_hot(&holes, 0, 2, 3);
    expect_hot(&holes, 1, 4, 5);
    expect_hot(&holes, 2, 6, 6);
    cr_assert(obx_sql_gaps_contain(&holes, 6) && !obx_sql_gaps_contain(&holes, 7));
    cr_assert_eq(see(&holes, (int64_t[]){2, 8}, 2, false, 100, 100), OBX_SQL_ACCEPTED);
    obx_sql_ranges_free(&sql_host, &given);
    obx_sql_gaps_free(&holes);
    cr_assert_eq(sql_memory.live, 0);
}

Test(holes, every_failed_allocation_leaves_the_tracker_as_it_was)
{
    int64_t ids[200];
    for (int i = 0; i < 200; i++)
        ids[i] = 2 * (i + 1);
    for (long fail_at = 1;; fail_at++) {
        struct obx_sql_gaps holes;
        obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
        sql_memory.fail_at = fail_at;
        enum obx_sql_accepted accepted = see(&holes, ids, 200, false, 99, 100);
        bool failed = sql_memory.fail_at == 0;
        sql_memory.fail_at = 0;
        cr_assert_eq(accepted, failed ? OBX_SQL_NO_MEMORY : OBX_SQL_ACCEPTED);
        if (failed)
            cr_assert(holes.hi == 0 && holes.hot.count == 0);
        obx_sql_gaps_free(&holes);
        cr_assert_eq(sql_memory.live, 0);
        if (!failed)
            break;
    }
}

/* MySQL: holders of locks are seen, transaction ids and snapshots are not. */
Test(holes, without_transaction_ids_the_holders_themselves_are_waited_for)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){2}, 1, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{7, 0}}, 1));
    cr_assert_eq(see(&holes, NULL, 0, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 1, "forgotten though its writer goes on");
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{8, 0}}, 1)); /* another, that came later */
    cr_assert_eq(holes.hot.count, 1, "forgotten before a claim has looked for the last time");
    cr_assert_eq(see(&holes, NULL, 0, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert_eq(holes.hot.count, 0);
    obx_sql_gaps_free(&holes);
    cr_assert_eq(sql_memory.live, 0);
}

/* MySQL again: session 7 prepares, and goes on under another name. */
Test(holes, a_holder_may_go_on_under_one_other_name_of_its_session)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){2}, 1, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{71, 0, 7}, {81, 0, 8}}, 2));
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{76, 0, 7}, {70, 0, 7}, {73, 0, 7}}, 3));
    cr_assert(holes.tracked_count == 1 && holes.tracked[0].name == 73);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{73, 0, 7}}, 1));
    cr_assert(holes.resolving);
    cr_assert(obx_sql_gaps_resolve(&holes, (struct obx_sql_writer[]){{76, 0, 7}}, 1)); /* another of its transactions */
    cr_assert_not(holes.resolving);
    obx_sql_gaps_free(&holes);
}

Test(holes, of_an_expired_hole_the_ids_in_flight_are_kept)
{
    struct obx_sql_gaps holes;
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&holes, (int64_t[]){5, 10}, 2, false, 0, 0), OBX_SQL_ACCEPTED); /* at 10: 1 to 4, 6 to 9 */
    cr_assert(obx_sql_gaps_expire(&holes, 9, NULL, 0));
    cr_assert_eq(holes.hot.count, 2, "too young to expire");
    cr_assert(obx_sql_gaps_expire(&holes, 10, (int64_t[]){2, 3, 5, 9}, 4));
    cr_assert_eq(holes.hot.count, 3);
    expect_hot(&holes, 0, 2, 2);
    expect_hot(&holes, 1, 3, 3);
    expect_hot(&holes, 2, 9, 9);
    cr_assert(obx_sql_gaps_expire(&holes, 10, NULL, 0));
    cr_assert_eq(holes.hot.count, 0);
    cr_assert_eq(holes.hi, 10);
    obx_sql_gaps_free(&holes);
    cr_assert_eq(sql_memory.live, 0);
}
