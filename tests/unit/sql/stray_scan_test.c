/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/stray_scan_test.c - the scan ignores outstanding rows and open gaps, and finds all other rows */
#include <criterion/criterion.h>

#include "sql/gaps/stray_scan.h"
#include "sql_host.h"

#define MS 1000000ull

static struct obx_sql_gaps gaps;
static struct obx_sql_outstanding outstanding = {.host = &sql_host};
static struct obx_sql_stray_scan scan = {.gaps = &gaps, .outstanding = &outstanding, .pause_ms = 10};

/* The state after a claim of the rows 1, 2, 5 and 6. */
static void begin(void)
{
    obx_sql_gaps_init(&gaps, &sql_host, UINT64_MAX);
    obx_sql_outstanding_reset(&outstanding);
    obx_sql_stray_scan_reset(&scan);
    const struct obx_sql_seen seen = {.ids = (int64_t[]){1, 2, 5, 6}, .count = 4};
    cr_assert_eq(obx_sql_outstanding_accept(&outstanding, &gaps, &seen), OBX_SQL_ACCEPTED);
}

static void end(void)
{
    obx_sql_gaps_free(&gaps);
    obx_sql_outstanding_free(&outstanding);
    cr_assert_eq(sql_memory.live, 0);
}

static void retire_gaps(void)
{
    cr_assert(obx_sql_gaps_expire(&gaps, sql_now_ns, NULL, 0));
    cr_assert_eq(gaps.hot.count, 0);
}

static struct obx_sql_found scan_page(const int64_t *ids, uint32_t count)
{
    struct obx_sql_found found;
    obx_sql_stray_scan_begin(&scan);
    cr_assert(obx_sql_stray_scan_page(&scan, ids, count, &found));
    obx_sql_stray_scan_end(&scan, false);
    return found;
}

Test(stray_scan, is_due_a_pause_after_the_first_empty_claim_also_after_a_rewind)
{
    begin();
    sql_now_ns += 1000 * MS;
    cr_assert(!obx_sql_stray_scan_due(&scan));
    sql_now_ns += 9 * MS;
    obx_sql_stray_scan_reset(&scan);
    sql_now_ns += 9 * MS;
    cr_assert(!obx_sql_stray_scan_due(&scan));
    sql_now_ns += 9 * MS;
    cr_assert(!obx_sql_stray_scan_due(&scan));
    sql_now_ns += 1 * MS;
    cr_assert(obx_sql_stray_scan_due(&scan));
    obx_sql_stray_scan_begin(&scan);
    cr_assert(!obx_sql_stray_scan_due(&scan), "one page at a time");
    end();
}

Test(stray_scan, uses_a_small_part_of_the_time_at_any_speed)
{
    begin();
    obx_sql_stray_scan_begin(&scan);
    sql_now_ns += 100 * MS;
    obx_sql_stray_scan_end(&scan, false);
    sql_now_ns += 199 * 100 * MS;
    cr_assert(!obx_sql_stray_scan_due(&scan));
    sql_now_ns += 100 * MS;
    cr_assert(obx_sql_stray_scan_due(&scan));
    end();
}

Test(stray_scan, ignores_outstanding_rows_and_open_gaps)
{
    begin();
    cr_assert_eq(scan_page((int64_t[]){1, 2, 3, 5, 6}, 5).count, 0, "3 is in a gap: a claim returns it");
    end();
}

Test(stray_scan, stray_rows_become_gaps_and_outstanding_rows_do_not)
{
    begin();
    retire_gaps();
    struct obx_sql_found found = scan_page((int64_t[]){-1, 0, 1, 2, 3, 4, 5, 6}, 8);
    cr_assert_eq(found.count, 2);
    cr_assert(found.first == 3 && found.last == 4);
    cr_assert(obx_sql_gaps_contain(&gaps, 3) && obx_sql_gaps_contain(&gaps, 4));
    cr_assert(!obx_sql_gaps_contain(&gaps, 2) && !obx_sql_gaps_contain(&gaps, 5));
    cr_assert(!obx_sql_gaps_contain(&gaps, 0), "0 is no position");
    end();
}

Test(stray_scan, removed_row_is_no_longer_outstanding)
{
    begin();
    obx_sql_outstanding_removing(&outstanding);
    obx_sql_outstanding_remove(&outstanding, 1, 2);
    obx_sql_outstanding_removed(&outstanding);
    obx_sql_outstanding_removing(&outstanding);
    obx_sql_outstanding_remove(&outstanding, 5, 5);
    obx_sql_outstanding_removed(&outstanding);
    struct obx_sql_found found = scan_page((int64_t[]){2, 5, 6}, 3);
    cr_assert_eq(found.count, 2, "they were inserted again");
    cr_assert(found.first == 2 && found.last == 5);
    end();
}

static void expect_discarded(void)
{
    struct obx_sql_found found;
    cr_assert(!obx_sql_stray_scan_page(&scan, (int64_t[]){1, 2, 7}, 3, &found));
    cr_assert_eq(found.count, 0);
    cr_assert_eq(scan.cursor, 0);
    obx_sql_stray_scan_end(&scan, false);
}

Test(stray_scan, page_is_discarded_when_rows_are_removed_meanwhile)
{
    begin();
    obx_sql_stray_scan_begin(&scan);
    obx_sql_outstanding_removing(&outstanding);
    expect_discarded();
    cr_assert(!obx_sql_stray_scan_due(&scan), "not during a settle");
    obx_sql_stray_scan_begin(&scan);
    obx_sql_outstanding_removed(&outstanding);
    expect_discarded();
    obx_sql_stray_scan_begin(&scan);
    obx_sql_stray_scan_reset(&scan);
    expect_discarded();
    end();
}

Test(stray_scan, full_page_continues_at_once_and_failed_page_restarts)
{
    static int64_t ids[OBX_SQL_STRAY_SCAN_PAGE];
    begin();
    for (int64_t i = 0; i < OBX_SQL_STRAY_SCAN_PAGE; i++)
        ids[i] = i + 1;
    scan_page(ids, OBX_SQL_STRAY_SCAN_PAGE);
    cr_assert_eq(scan.cursor, OBX_SQL_STRAY_SCAN_PAGE);
    cr_assert(obx_sql_stray_scan_due(&scan));
    obx_sql_stray_scan_begin(&scan);
    obx_sql_stray_scan_end(&scan, true);
    cr_assert_eq(scan.cursor, 0);
    scan_page(ids, OBX_SQL_STRAY_SCAN_PAGE);
    scan_page(ids, 1);
    cr_assert_eq(scan.cursor, 0, "the end of the table");
    cr_assert(!obx_sql_stray_scan_due(&scan));
    end();
}

Test(stray_scan, is_disabled_while_the_outstanding_set_is_incomplete)
{
    begin();
    sql_memory.fail_at = 1;
    for (int64_t id = 8; !outstanding.incomplete; id += 2) {
        const struct obx_sql_seen seen = {.ids = &id, .count = 1};
        cr_assert_neq(obx_sql_outstanding_accept(&outstanding, &gaps, &seen), OBX_SQL_IMPOSSIBLE);
        sql_memory.fail_at = sql_memory.fail_at ? 1 : 2; /* first the gaps, then the outstanding set */
    }
    cr_assert(!obx_sql_stray_scan_due(&scan));
    sql_now_ns += 60 * 1000 * MS;
    cr_assert(!obx_sql_stray_scan_due(&scan));
    obx_sql_outstanding_reset(&outstanding);
    cr_assert(obx_sql_stray_scan_due(&scan));
    end();
}

static void claim_all(const int64_t *ids, uint32_t count)
{
    const struct obx_sql_seen seen = {.ids = ids, .count = count};
    cr_assert_eq(obx_sql_outstanding_accept(&outstanding, &gaps, &seen), OBX_SQL_ACCEPTED);
}

static void settle_all(void)
{
    obx_sql_outstanding_removing(&outstanding);
    obx_sql_outstanding_remove(&outstanding, 1, 100);
    obx_sql_outstanding_removed(&outstanding);
}

Test(stray_scan, claims_go_on_below_when_the_counter_was_set_back)
{
    begin();
    claim_all((int64_t[]){50}, 1);
    settle_all();
    retire_gaps();
    cr_assert_eq(scan_page((int64_t[]){1, 2}, 2).count, 2);
    cr_assert_eq(gaps.hi, 2);
    claim_all((int64_t[]){1, 2, 3}, 3);
    cr_assert_eq(gaps.hi, 3);
    end();
}

Test(stray_scan, claims_go_on_above_outstanding_rows)
{
    begin();
    claim_all((int64_t[]){50}, 1);
    obx_sql_outstanding_removing(&outstanding);
    obx_sql_outstanding_remove(&outstanding, 1, 6);
    obx_sql_outstanding_removed(&outstanding);
    claim_all((int64_t[]){60}, 1);
    obx_sql_outstanding_removing(&outstanding);
    obx_sql_outstanding_remove(&outstanding, 60, 60);
    obx_sql_outstanding_removed(&outstanding);
    retire_gaps();
    cr_assert_eq(scan_page((int64_t[]){1, 50}, 2).count, 1);
    cr_assert_eq(gaps.hi, 50);
    end();
}

Test(stray_scan, full_page_says_nothing_about_what_is_above)
{
    static int64_t ids[OBX_SQL_STRAY_SCAN_PAGE];
    begin();
    claim_all((int64_t[]){5000}, 1);
    settle_all();
    obx_sql_outstanding_removing(&outstanding);
    obx_sql_outstanding_remove(&outstanding, 5000, 5000);
    obx_sql_outstanding_removed(&outstanding);
    retire_gaps();
    for (int64_t i = 0; i < OBX_SQL_STRAY_SCAN_PAGE; i++)
        ids[i] = i + 1;
    scan_page(ids, OBX_SQL_STRAY_SCAN_PAGE);
    cr_assert_eq(gaps.hi, 5000);
    end();
}

Test(stray_scan, finds_come_soon_after_a_find)
{
    begin();
    scan.pause_ms = 10000;
    retire_gaps();
    scan_page((int64_t[]){3}, 1);
    sql_now_ns += 100 * MS;
    cr_assert(obx_sql_stray_scan_due(&scan));
    sql_now_ns += 61 * 1000 * MS;
    scan_page((int64_t[]){5}, 1);
    sql_now_ns += 100 * MS;
    cr_assert(!obx_sql_stray_scan_due(&scan));
    scan.pause_ms = 10;
    end();
}
