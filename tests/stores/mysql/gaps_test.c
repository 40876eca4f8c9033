/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/gaps_test.c - holes in a claim: small ones id by id, large ones as ranges, very many of them
 * together
 *
 * A transaction that inserts first and commits last keeps all of them open. Its row must come out of whichever of these
 * it lies in, alone: what lies between holes that share a range was given before, and is still in the table.
 */
#include <stdio.h>

#include "fixture.h"

struct holes {
    const char *table;
    int count, step;
    int64_t late; /* the id of the row that commits last; it lies in one of them */
};

/* An id after every `step`. */
static void fill(struct sql_fixture *fixture, const struct holes *holes)
{
    char sql[300];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO %%s (id, aggregatetype, aggregateid, type) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT "
        "i + 1 FROM n WHERE i < %d) SELECT i * %d, 'o', 'a', 't' FROM n",
        holes->count, holes->step);
    fixture_run(fixture, holes->count > 900 ? BY_KIND("", "SET max_recursive_iterations = 100000",
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

static void late_row_among(const struct holes *holes)
{
    struct sql_fixture fixture;
    struct session *late = session_open();
    fixture_open(&fixture, holes->table, true, "");
    fixture_begin(&fixture);
    session_run(late, "BEGIN");
    fixture_insert_id(&fixture, late, holes->late);
    fill(&fixture, holes);
    claim_all(&fixture, holes->count);
    fixture_expect_no_rows_for(&fixture, 100); /* several looks */
    session_run(late, "COMMIT");
    fixture_expect_rows(&fixture, 1, &holes->late);
    fixture_expect_rows(&fixture, 0, NULL);
    session_close(late);
    fixture_close(&fixture);
}

Test(holes, of_a_few_ids)
{
    late_row_among(&(struct holes){"few", 300, 5, 604});
}

Test(holes, of_many_ids)
{
    late_row_among(&(struct holes){"many", 300, 1000, 150001});
}

Test(holes, more_than_are_asked_for_id_by_id)
{
    late_row_among(&(struct holes){"points", 1200, 10, 11995}); /* 9 ids each: the last hundreds go as ranges */
}

Test(holes, more_than_are_asked_for_by_ranges_of_their_own)
{
    late_row_among(&(struct holes){"ranges", 2300, 40, 46053});
}
