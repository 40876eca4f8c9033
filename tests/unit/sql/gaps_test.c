/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/gaps_test.c - the gap tracker, one rule at a time */
#include <criterion/criterion.h>

#include "sql/gaps/gaps.h"
#include "sql_host.h"

static enum obx_sql_accepted see(struct obx_sql_gaps *gaps, const int64_t *ids, uint32_t count, bool truncated,
                                 uint64_t xmin, uint64_t xmax)
{
    uint64_t active[] = {xmin};
    struct obx_sql_seen seen = {.ids = ids,
                                .count = count,
                                .truncated = truncated,
                                .snapshot = {.xmin = xmin, .xmax = xmax, .active = active, .active_count = xmin < xmax},
                                .now_ns = 10};
    return obx_sql_gaps_accept(gaps, &seen);
}

static void expect_hot(const struct obx_sql_gaps *gaps, uint32_t at, int64_t lo, int64_t hi)
{
    cr_assert_lt(at, gaps->hot.count);
    cr_assert_eq(gaps->hot.items[at].lo, lo);
    cr_assert_eq(gaps->hot.items[at].hi, hi);
}

Test(gaps, missing_ids_below_the_highest_claimed_id_are_gaps)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){5, 6, 9}, 3, false, 100, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hi, 9);
    cr_assert_eq(gaps.hot.count, 2);
    expect_hot(&gaps, 0, 1, 4);
    expect_hot(&gaps, 1, 7, 8);
    cr_assert_eq(see(&gaps, (int64_t[]){3, 8, 10}, 3, false, 100, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 3);
    expect_hot(&gaps, 0, 1, 2);
    expect_hot(&gaps, 1, 4, 4);
    expect_hot(&gaps, 2, 7, 7);
    cr_assert_eq(obx_sql_gaps_floor(&gaps), 1);
    gaps.hot.count = 0;
    cr_assert_eq(obx_sql_gaps_floor(&gaps), 11);
    gaps.hot.count = 3;
    gaps.hot.items[0].lo = 3;
    cr_assert_eq(obx_sql_gaps_floor(&gaps), 3);
    obx_sql_gaps_free(&gaps);
    cr_assert_eq(sql_memory.live, 0);
}

Test(gaps, writer_above_xmax_keeps_its_gap_open)
{
    /* 7 was drawn by transaction 101, which goes on; 8 by 100, which ended: xmax is 101. */
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){1, 2, 3, 4, 5, 6, 8}, 7, false, 101, 101), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{1, 101}}, 1));
    cr_assert_eq(see(&gaps, NULL, 0, false, 101, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 1, "retired although its writer goes on");
    cr_assert_eq(see(&gaps, NULL, 0, false, 102, 102), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 0);
    obx_sql_gaps_free(&gaps);
}

Test(gaps, writer_without_transaction_id_is_tracked)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){2}, 1, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{7, 0}}, 1));
    cr_assert_eq(see(&gaps, NULL, 0, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 1);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{7, 105}, {8, 0}}, 2)); /* 8 came later */
    cr_assert_eq(see(&gaps, NULL, 0, false, 105, 107), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 1);
    cr_assert_eq(see(&gaps, NULL, 0, false, 107, 107), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 0);
    obx_sql_gaps_free(&gaps);
}

Test(gaps, transactions_that_never_touched_the_table_keep_no_gap_open)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){2}, 1, false, 50, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{7, 99}}, 1));
    cr_assert_eq(see(&gaps, NULL, 0, false, 50, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 0, "99 has ended; 50 cannot fill it");
    obx_sql_gaps_free(&gaps);
}

Test(gaps, truncated_claim_retires_no_gap_above_its_last_row)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){1, 4, 9}, 3, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&gaps, NULL, 0));
    cr_assert_eq(see(&gaps, (int64_t[]){5}, 1, true, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 1);
    expect_hot(&gaps, 0, 6, 8);
    obx_sql_gaps_free(&gaps);
}

Test(gaps, cold_gap_is_queried_when_its_writers_have_ended)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, 0);
    cr_assert_eq(see(&gaps, (int64_t[]){2}, 1, false, 90, 100), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{7, 90}}, 1));
    cr_assert_eq(see(&gaps, NULL, 0, false, 90, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 0);
    cr_assert_eq(gaps.cold.count, 1);
    cr_assert_eq(see(&gaps, (int64_t[]){3}, 1, false, 90, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(see(&gaps, (int64_t[]){4}, 1, false, 101, 101), OBX_SQL_ASK_AGAIN);
    cr_assert_eq(gaps.hi, 3);
    cr_assert_eq(see(&gaps, (int64_t[]){1, 4}, 2, false, 101, 101), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hi, 4);
    cr_assert_eq(gaps.hot.count + gaps.cold.count, 0);
    obx_sql_gaps_free(&gaps);
    cr_assert_eq(sql_memory.live, 0);
}

Test(gaps, impossible_results_are_refused)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){1, 2, 3}, 3, false, 100, 100), OBX_SQL_ACCEPTED);
    cr_assert_eq(see(&gaps, (int64_t[]){2}, 1, false, 100, 100), OBX_SQL_IMPOSSIBLE);
    cr_assert_eq(see(&gaps, (int64_t[]){5, 4}, 2, false, 100, 100), OBX_SQL_IMPOSSIBLE);
    cr_assert_eq(see(&gaps, (int64_t[]){0}, 1, false, 100, 100), OBX_SQL_IMPOSSIBLE);
    cr_assert_eq(gaps.hi, 3);
    obx_sql_gaps_free(&gaps);
}

Test(gaps, rows_found_below_hi_reopen_a_gap)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){1, 2, 3, 6, 7}, 5, false, 100, 100), OBX_SQL_ACCEPTED);
    struct obx_sql_ranges outstanding = {0};
    cr_assert(obx_sql_ranges_add(&sql_host, &outstanding, 7, 7));
    cr_assert(obx_sql_gaps_reopen(&gaps, 2, 100, 0, &outstanding));
    cr_assert_eq(gaps.hot.count, 3);
    expect_hot(&gaps, 0, 2, 3);
    expect_hot(&gaps, 1, 4, 5);
    expect_hot(&gaps, 2, 6, 6);
    cr_assert(obx_sql_gaps_contain(&gaps, 6) && !obx_sql_gaps_contain(&gaps, 7));
    cr_assert_eq(see(&gaps, (int64_t[]){2, 8}, 2, false, 100, 100), OBX_SQL_ACCEPTED);
    obx_sql_ranges_free(&sql_host, &outstanding);
    obx_sql_gaps_free(&gaps);
    cr_assert_eq(sql_memory.live, 0);
}

Test(gaps, every_failed_allocation_leaves_the_tracker_as_it_was)
{
    int64_t ids[200];
    for (int i = 0; i < 200; i++)
        ids[i] = 2 * (i + 1);
    for (long fail_at = 1;; fail_at++) {
        struct obx_sql_gaps gaps;
        obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
        sql_memory.fail_at = fail_at;
        enum obx_sql_accepted accepted = see(&gaps, ids, 200, false, 99, 100);
        bool failed = sql_memory.fail_at == 0;
        sql_memory.fail_at = 0;
        cr_assert_eq(accepted, failed ? OBX_SQL_NO_MEMORY : OBX_SQL_ACCEPTED);
        if (failed)
            cr_assert(gaps.hi == 0 && gaps.hot.count == 0);
        obx_sql_gaps_free(&gaps);
        cr_assert_eq(sql_memory.live, 0);
        if (!failed)
            break;
    }
}

/* MySQL shows who holds locks, but neither transaction ids nor snapshots. */
Test(gaps, gap_without_transaction_ids_stays_until_its_writers_end)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){2}, 1, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{7, 0}}, 1));
    cr_assert_eq(see(&gaps, NULL, 0, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 1, "retired although its writer goes on");
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{8, 0}}, 1)); /* a later writer */
    cr_assert_eq(gaps.hot.count, 1, "retired before the last claim that includes it");
    cr_assert_eq(see(&gaps, NULL, 0, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert_eq(gaps.hot.count, 0);
    obx_sql_gaps_free(&gaps);
    cr_assert_eq(sql_memory.live, 0);
}

/* MySQL: session 7 prepares its transaction, which then has another name. */
Test(gaps, writer_may_continue_under_another_name_of_its_session)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){2}, 1, false, 0, 0), OBX_SQL_ACCEPTED);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{71, 0, 7}, {81, 0, 8}}, 2));
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{76, 0, 7}, {70, 0, 7}, {73, 0, 7}}, 3));
    cr_assert(gaps.tracked_count == 1 && gaps.tracked[0].name == 73);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{73, 0, 7}}, 1));
    cr_assert(gaps.resolving);
    cr_assert(obx_sql_gaps_resolve(&gaps, (struct obx_sql_writer[]){{76, 0, 7}}, 1)); /* another of its transactions */
    cr_assert_not(gaps.resolving);
    obx_sql_gaps_free(&gaps);
}

Test(gaps, expired_gap_keeps_its_ids_in_flight)
{
    struct obx_sql_gaps gaps;
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    cr_assert_eq(see(&gaps, (int64_t[]){5, 10}, 2, false, 0, 0), OBX_SQL_ACCEPTED); /* at 10: 1 to 4, 6 to 9 */
    cr_assert(obx_sql_gaps_expire(&gaps, 9, NULL, 0));
    cr_assert_eq(gaps.hot.count, 2, "too young to expire");
    cr_assert(obx_sql_gaps_expire(&gaps, 10, (int64_t[]){2, 3, 5, 9}, 4));
    cr_assert_eq(gaps.hot.count, 3);
    expect_hot(&gaps, 0, 2, 2);
    expect_hot(&gaps, 1, 3, 3);
    expect_hot(&gaps, 2, 9, 9);
    cr_assert(obx_sql_gaps_expire(&gaps, 10, NULL, 0));
    cr_assert_eq(gaps.hot.count, 0);
    cr_assert_eq(gaps.hi, 10);
    obx_sql_gaps_free(&gaps);
    cr_assert_eq(sql_memory.live, 0);
}
