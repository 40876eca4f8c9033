/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/gaps_test.c - gaps in a claim: the newest id by id, or as ranges; the others in one range
 *
 * A transaction that inserts first and commits last keeps all gaps open. Its row must be claimed from any kind of gap,
 * alone: rows between gaps that share a range were claimed before, and are still in the table.
 */
#include <stdio.h>
#include <stdlib.h>

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
    expect_late_row(&(struct gaps){"points", 1200, 10, 11995}); /* 9 ids each: the first ones share a range */
}

Test(gaps, late_row_is_claimed_when_gaps_share_a_range)
{
    expect_late_row(&(struct gaps){"ranges", 2300, 40, 46053});
}

/* ---- ids with steps ---------------------------------------------------------------------------------------------- */

static int64_t index_reads(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SHOW GLOBAL STATUS LIKE 'Handler_read_key'");
}

/* Of an empty claim, which may come with an inspection: it looks up as many. The other statements of that time read a
 * few rows, too. One by one there are more than 8,000. */
static void expect_few_index_reads(struct sql_fixture *fixture)
{
    int64_t before = index_reads(fixture);
    fixture_expect_rows(fixture, 0, NULL);
    int64_t reads = index_reads(fixture) - before;
    cr_assert_lt(reads, 3000, "%lld", (long long)reads);
}

/* Two of three ids are gaps: 8,000 of them, while 4,000 rows are in flight and when they are removed. */
Test(gaps, claim_among_ids_with_steps_looks_up_few_of_them)
{
    struct sql_fixture fixture;
    struct session *late = session_open();
    struct outbox_batch *batches[4];
    fixture_open(&fixture, "stepped", true, "");
    fixture_begin(&fixture);
    session_run(late, "BEGIN");
    fixture_insert_id(&fixture, late, 1);
    fill(&fixture, &(struct gaps){.count = 4000, .step = 3});
    for (int i = 0; i < 4; i++)
        cr_assert_eq((batches[i] = fixture_claim_batch(&fixture, 1000, 8 << 20))->rows, 1000);
    expect_few_index_reads(&fixture);
    for (int i = 0; i < 4; i++)
        fixture_settle_all(&fixture, batches[i]);
    expect_few_index_reads(&fixture);
    session_run(late, "COMMIT");
    fixture_expect_rows(&fixture, IDS(1));
    session_close(late);
    fixture_close(&fixture);
}

/* 180 of 20,000 ids are gaps. Few look-ups would be a range over the rows between: removed, and perhaps not purged.
 * (Rows stay in flight, as MySQL reads a table that it takes for empty from end to end.) */
Test(gaps, few_gaps_among_many_ids_are_looked_up_one_by_one)
{
    enum { STEP = 110, GAPS = 180 };
    struct sql_fixture fixture;
    struct session *late = session_open();
    struct outbox_batch *batch;
    fixture_open(&fixture, "sparse", true, "");
    fixture_begin(&fixture);
    session_run(late, "BEGIN");
    fixture_insert_id(&fixture, late, STEP);
    fixture_run(&fixture, BY_KIND("", "SET max_recursive_iterations = 100000", "SET cte_max_recursion_depth = 100000"));
    fixture_run(&fixture,
                "INSERT INTO %s (id, aggregatetype, aggregateid, type) WITH RECURSIVE n (i) AS (SELECT 1 UNION "
                "ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, 'o', 'a', 't' FROM n WHERE i % 110 > 0");
    for (int left = 20000 - 181;; fixture_settle_all(&fixture, batch)) {
        batch = fixture_claim_batch(&fixture, 1000, 8 << 20);
        if ((left -= (int)batch->rows) <= 0)
            break;
    }
    int64_t before = index_reads(&fixture);
    fixture_expect_rows(&fixture, 0, NULL);
    int64_t reads = index_reads(&fixture) - before;
    cr_assert_geq(reads, GAPS, "%lld", (long long)reads);
    fixture_settle_all(&fixture, batch);
    session_run(late, "COMMIT");
    fixture_expect_rows(&fixture, IDS(STEP));
    session_close(late);
    fixture_close(&fixture);
}

/* ---- random ids -------------------------------------------------------------------------------------------------- */

enum { RANDOM_IDS = 3000 };

/* An id is used once: to insert a removed one again may wait for the purge. */
struct drawn {
    char ids[RANDOM_IDS + 1];
    int base;
};

/* 'r': a row; 'l': a row that commits late; ' ': neither. Rows come alone, in tens, and in hundreds. */
static void draw(struct drawn *drawn, unsigned seed)
{
    static const int lengths[] = {1, 1, 1, 10, 100};
    int id = 1;
    srand(seed);
    drawn->base = (int)seed * RANDOM_IDS;
    while (id <= RANDOM_IDS) {
        char kind = "r rl"[rand() % 4];
        for (int left = lengths[rand() % 5]; left && id <= RANDOM_IDS; left--)
            drawn->ids[id++] = kind == 'l' && rand() % 10 ? ' ' : kind;
    }
    drawn->ids[RANDOM_IDS] = 'r'; /* all others are below it */
}

static void insert_drawn(struct sql_fixture *fixture, struct session *session, const struct drawn *drawn, char kind)
{
    static char sql[RANDOM_IDS * 24 + 100];
    int at = sprintf(sql, "INSERT INTO %%s (id, aggregatetype, aggregateid, type) VALUES");
    for (int id = 1, count = 0; id <= RANDOM_IDS; id++)
        if (drawn->ids[id] == kind)
            at += sprintf(sql + at, "%s (%d, 'o', 'a', 't')", count++ ? "," : "", drawn->base + id);
    fixture_run_on(fixture, session, sql);
}

/* Every batch, or every other one, is removed. */
static void claim_drawn(struct sql_fixture *fixture, struct drawn *drawn, char kind, bool settles)
{
    int64_t last = 0;
    for (struct outbox_batch *batch; (batch = fixture_claim_batch(fixture, 300, 8 << 20));) {
        for (uint32_t i = 0; i < batch->rows; i++) {
            int64_t id = (int64_t)batch->positions[i].major - drawn->base;
            cr_assert(id > last && id <= RANDOM_IDS && drawn->ids[id] == kind, "%lld", (long long)id);
            drawn->ids[last = id] = ' ';
        }
        if (settles || rand() % 2)
            fixture_settle_all(fixture, batch);
        else
            obx_store_release(fixture->store, batch);
    }
}

Test(gaps, late_rows_are_claimed_whatever_lies_between)
{
    static struct drawn drawn;
    struct sql_fixture fixture;
    struct session *late = session_open();
    fixture_open(&fixture, "random", true, "");
    for (unsigned seed = 1; seed <= 6; seed++) {
        fixture_run(&fixture, "DELETE FROM %s");
        fixture_begin_again(&fixture);
        draw(&drawn, seed);
        session_run(late, "BEGIN");
        insert_drawn(&fixture, late, &drawn, 'l');
        insert_drawn(&fixture, fixture.sql, &drawn, 'r');
        claim_drawn(&fixture, &drawn, 'r', false);
        session_run(late, "COMMIT");
        claim_drawn(&fixture, &drawn, 'l', true);
        for (int id = 1; id <= RANDOM_IDS; id++)
            cr_assert_eq(drawn.ids[id], ' ', "id %d of seed %u was not claimed", id, seed);
    }
    session_close(late);
    fixture_close(&fixture);
}
