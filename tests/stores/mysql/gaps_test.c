/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/gaps_test.c - gaps in a claim: small gaps id by id, large gaps as ranges, many gaps in shared
 * ranges
 *
 * A transaction that inserts first and commits last keeps all gaps open. Its row must be claimed from any kind of gap,
 * alone: rows between gaps that share a range were claimed before, and are still in the table.
 */
#include <stdio.h>

#include "fixture.h"

struct gaps {
    const char *table;
    int count, step;
    int64_t late; /* the id of the row that commits last; it lies in a gap */
};

/* An id after every `step`. */
static void fill(struct sql_fixture *fixture, const struct gaps *gaps)
{
    char sql[300];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO %%s (id, aggregatetype, aggregateid, type) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT "
        "i + 1 FROM n WHERE i < %d) SELECT i * %d, 'o', 'a', 't' FROM n",
        gaps->count, gaps->step);
    fixture_run(fixture, gaps->count > 900 ? BY_KIND("", "SET max_recursive_iterations = 100000",
                                                     "SET cte_max_recursion_depth = 100000")
                                           : "DO 0");
    fixture_run(fixture, sql);
}

static void claim_all(struct sql_fixture *fixture, int count)
{
    for (int left = count; left > 0; left -= (int)fixture->count) {
        cr_assert_eq(fixture_claim(fixture, 0, 1000), 0, "%s", fixture->error.text);
        cr_assert_gt(fixture->count, 0, "%d rows did not come", left);
    }
}

static void expect_late_row(const struct gaps *gaps)
{
    struct sql_fixture fixture;
    struct session *late = session_open();
    fixture_open(&fixture, gaps->table, true, "");
    fixture_begin(&fixture);
    session_run(late, "BEGIN");
    fixture_insert_id(&fixture, late, gaps->late);
    fill(&fixture, gaps);
    claim_all(&fixture, gaps->count);
    fixture_expect_no_rows_for(&fixture, 100); /* several inspections of the locks */
    session_run(late, "COMMIT");
    fixture_expect_rows(&fixture, 1, &gaps->late);
    fixture_expect_rows(&fixture, 0, NULL);
    session_close(late);
    fixture_close(&fixture);
}

Test(gaps, late_row_in_a_small_gap_is_claimed)
{
    expect_late_row(&(struct gaps){"few", 300, 5, 604});
}

Test(gaps, late_row_in_a_large_gap_is_claimed)
{
    expect_late_row(&(struct gaps){"many", 300, 1000, 150001});
}

Test(gaps, late_row_is_claimed_when_small_gaps_exceed_the_id_list)
{
    expect_late_row(
        &(struct gaps){"points", 1200, 10, 11995}); /* 9 ids each: the last hundreds are queried as ranges */
}

Test(gaps, late_row_is_claimed_when_gaps_share_ranges)
{
    expect_late_row(&(struct gaps){"ranges", 2300, 40, 46053});
}
