/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/sweep_test.c - what was given is known to the sweep; what else is in the table is found */
#include <criterion/criterion.h>

#include "sql/gaps/stray_scan.h"
#include "sql_host.h"

#define MS 1000000ull

static struct obx_sql_gaps holes;
static struct obx_sql_outstanding given = {.host = &sql_host};
static struct obx_sql_stray_scan sweep = {.gaps = &holes, .outstanding = &given, .pause_ms = 10};

/* As a store is after a claim that gave 1, 2, 5 and 6. */
static void begin(void)
{
    obx_sql_gaps_init(&holes, &sql_host, UINT64_MAX);
    obx_sql_outstanding_reset(&given);
    obx_sql_stray_scan_reset(&sweep);
    const struct obx_sql_seen seen = {.ids = (int64_t[]){1, 2, 5, 6}, .count = 4};
    cr_assert_eq(obx_sql_outstanding_accept(&given, &holes, &seen), OBX_SQL_ACCEPTED);
}

static void end(void)
{
    obx_sql_gaps_free(&holes);
    obx_sql_outstanding_free(&given);
    cr_assert_eq(sql_memory.live, 0);
}

static void forget_holes(void)
{
    cr_assert(obx_sql_gaps_expire(&holes, sql_now_ns, NULL, 0));
    cr_assert_eq(holes.hot.count, 0);
}

static struct obx_sql_found look(const int64_t *ids, uint32_t count)
{
    struct obx_sql_found found;
    obx_sql_stray_scan_begin(&sweep);
    cr_assert(obx_sql_stray_scan_page(&sweep, ids, count, &found));
    obx_sql_stray_scan_end(&sweep, false);
    return found;
}

Test(sweep, is_due_after_a_pause_that_a_rewind_begins_anew)
{
    begin();
    cr_assert(!obx_sql_stray_scan_due(&sweep));
    sql_now_ns += 9 * MS;
    obx_sql_stray_scan_reset(&sweep);
    sql_now_ns += 9 * MS;
    cr_assert(!obx_sql_stray_scan_due(&sweep));
    sql_now_ns += 1 * MS;
    cr_assert(obx_sql_stray_scan_due(&sweep));
    obx_sql_stray_scan_begin(&sweep);
    cr_assert(!obx_sql_stray_scan_due(&sweep), "one page at a time");
    end();
}

Test(sweep, takes_a_small_part_of_the_time_however_slow_it_is)
{
    begin();
    obx_sql_stray_scan_begin(&sweep);
    sql_now_ns += 100 * MS;
    obx_sql_stray_scan_end(&sweep, false);
    sql_now_ns += 199 * 100 * MS;
    cr_assert(!obx_sql_stray_scan_due(&sweep));
    sql_now_ns += 100 * MS;
    cr_assert(obx_sql_stray_scan_due(&sweep));
    end();
}

Test(sweep, knows_what_was_given_and_what_may_still_come)
{
    begin();
    cr_assert_eq(look((int64_t[]){1, 2, 3, 5, 6}, 5).count, 0, "3 is in a hole: a claim gives it");
    end();
}

Test(sweep, what_it_finds_is_given_by_the_next_claims_and_what_was_given_is_not)
{
    begin();
    forget_holes();
    struct obx_sql_found found = look((int64_t[]){-1, 0, 1, 2, 3, 4, 5, 6}, 8);
    cr_assert_eq(found.count, 2);
    cr_assert(found.first == 3 && found.last == 4);
    cr_assert(obx_sql_gaps_contain(&holes, 3) && obx_sql_gaps_contain(&holes, 4));
    cr_assert(!obx_sql_gaps_contain(&holes, 2) && !obx_sql_gaps_contain(&holes, 5));
    cr_assert(!obx_sql_gaps_contain(&holes, 0), "no position");
    end();
}

Test(sweep, a_row_that_was_settled_is_no_longer_known)
{
    begin();
    obx_sql_outstanding_removing(&given);
    obx_sql_outstanding_remove(&given, 1, 2);
    obx_sql_outstanding_removed(&given);
    const struct outbox_dead_row row = {.position = {.major = 5}};
    obx_sql_outstanding_removing(&given);
    obx_sql_outstanding_remove_dead_lettered(&given, &(struct outbox_dead_letter_rows){.rows = &row, .count = 1});
    obx_sql_outstanding_removed(&given);
    struct obx_sql_found found = look((int64_t[]){2, 5, 6}, 3);
    cr_assert_eq(found.count, 2, "somebody wrote them anew");
    cr_assert(found.first == 2 && found.last == 5);
    end();
}

static void expect_worthless(void)
{
    struct obx_sql_found found;
    cr_assert(!obx_sql_stray_scan_page(&sweep, (int64_t[]){1, 2, 7}, 3, &found));
    cr_assert_eq(found.count, 0);
    cr_assert_eq(sweep.cursor, 0);
    obx_sql_stray_scan_end(&sweep, false);
}

Test(sweep, a_page_is_worthless_when_rows_go_meanwhile)
{
    begin();
    obx_sql_stray_scan_begin(&sweep);
    obx_sql_outstanding_removing(&given);
    expect_worthless();
    cr_assert(!obx_sql_stray_scan_due(&sweep), "not beside a settle");
    obx_sql_stray_scan_begin(&sweep);
    obx_sql_outstanding_removed(&given);
    expect_worthless();
    obx_sql_stray_scan_begin(&sweep);
    obx_sql_stray_scan_reset(&sweep);
    expect_worthless();
    end();
}

Test(sweep, a_full_page_is_followed_by_the_next_at_once_and_a_failed_one_by_the_first)
{
    static int64_t ids[OBX_SQL_STRAY_SCAN_PAGE];
    begin();
    for (int64_t i = 0; i < OBX_SQL_STRAY_SCAN_PAGE; i++)
        ids[i] = i + 1;
    look(ids, OBX_SQL_STRAY_SCAN_PAGE);
    cr_assert_eq(sweep.cursor, OBX_SQL_STRAY_SCAN_PAGE);
    cr_assert(obx_sql_stray_scan_due(&sweep));
    obx_sql_stray_scan_begin(&sweep);
    obx_sql_stray_scan_end(&sweep, true);
    cr_assert_eq(sweep.cursor, 0);
    look(ids, OBX_SQL_STRAY_SCAN_PAGE);
    look(ids, 1);
    cr_assert_eq(sweep.cursor, 0, "the end of the table");
    cr_assert(!obx_sql_stray_scan_due(&sweep));
    end();
}

Test(sweep, does_not_look_without_memory_for_what_was_given_until_a_rewind)
{
    begin();
    sql_memory.fail_at = 1;
    for (int64_t id = 8; !given.incomplete; id += 2) {
        const struct obx_sql_seen seen = {.ids = &id, .count = 1};
        cr_assert_neq(obx_sql_outstanding_accept(&given, &holes, &seen), OBX_SQL_IMPOSSIBLE);
        sql_memory.fail_at = sql_memory.fail_at ? 1 : 2; /* that of the holes fails, then that of what was given */
    }
    sql_now_ns += 60 * 1000 * MS;
    cr_assert(!obx_sql_stray_scan_due(&sweep));
    obx_sql_outstanding_reset(&given);
    cr_assert(obx_sql_stray_scan_due(&sweep));
    end();
}
