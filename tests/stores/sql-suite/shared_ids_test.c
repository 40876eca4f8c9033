/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/shared_ids_test.c - rows that share an id: they are named and stay, and stop no other
 *
 * A table without a unique index has them, and on Postgres a table that inherits from the outbox.
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static char logged[1024];
static const char shared[] = "several rows had the same id: 1 rows were removed with others of their id";

static void write_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    (void)arg, (void)subject;
    if (level == OUTBOX_LOG_ERROR)
        snprintf(logged, sizeof logged, "%s", text);
}

static void open_table(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, "");
    fixture_run(fixture, BY_SERVER("ALTER TABLE %s DROP CONSTRAINT %s_pkey",
                                   "ALTER TABLE %s DROP PRIMARY KEY, ADD INDEX not_unique (id)"));
}

static void insert_ids(struct sql_fixture *fixture, const char *ids)
{
    for (; *ids; ids++)
        fixture_insert_id(fixture, fixture->sql, *ids - '0');
}

/* The ids that come, 'x' after one that is rejected; each claim of at most so many rows. */
static void claim_all(struct sql_fixture *fixture, uint32_t at_most, char text[64])
{
    uint32_t used = 0;
    for (struct outbox_batch *batch; (batch = fixture_claim_batch(fixture, at_most, 1 << 20));) {
        for (uint32_t row = 0; row < batch->rows; row++) {
            const char *reason = batch->unreadable ? batch->unreadable[row] : NULL;
            used +=
                (uint32_t)snprintf(text + used, 64 - used, "%d%s", (int)batch->positions[row].major, reason ? "x" : "");
            if (reason)
                cr_assert(strstr(reason, "several rows have the id "), "%s", reason);
        }
        obx_store_release(fixture->store, batch);
    }
    text[used] = '\0';
}

static void expect(const char *table, const char *ids, const char *claimed)
{
    struct sql_fixture fixture;
    char text[64];
    open_table(&fixture, table);
    insert_ids(&fixture, ids);
    fixture_begin(&fixture);
    claim_all(&fixture, 1000, text);
    cr_assert_str_eq(text, claimed);
    fixture_close(&fixture);
}

Test(shared_ids, rows_stop_no_other)
{
    expect("shared_first", "1123", "1x23");
    expect("shared_middle", "12234", "12x34");
    expect("shared_last", "1233", "123x");
    expect("shared_many", "122234455", "12x34x5x");
}

Test(shared_ids, rows_at_the_end_of_a_claim_are_found)
{
    struct sql_fixture fixture;
    char text[64];
    open_table(&fixture, "shared_ends");
    insert_ids(&fixture, "11");
    fixture_begin(&fixture);
    claim_all(&fixture, 3, text);
    insert_ids(&fixture, "2344567788");
    claim_all(&fixture, 3, text);
    cr_assert_str_eq(text, "234x567x8x");
    fixture_close(&fixture);
}

Test(shared_ids, first_rows_that_the_end_of_a_claim_separates_are_found)
{
    struct sql_fixture fixture;
    char text[64];
    open_table(&fixture, "shared_split");
    insert_ids(&fixture, "1223");
    fixture_begin(&fixture);
    claim_all(&fixture, 2, text);
    cr_assert_str_eq(text, "12x3");
    fixture_close(&fixture);
}

/* The second row comes when the first one was claimed. */
Test(shared_ids, row_that_shares_the_id_of_a_claimed_one_is_logged)
{
    struct sql_fixture fixture;
    open_table(&fixture, "shared_late");
    fixture.base.log.write = write_log;
    insert_ids(&fixture, "1");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 1000, 1 << 20);
    insert_ids(&fixture, "1");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), 0, "%s", fixture.error.text);
    cr_assert(strstr(logged, shared), "%s", logged);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

/* It keeps no other row of the settle in the table. */
Test(shared_ids, row_that_shares_the_id_of_one_of_many_is_logged)
{
    struct sql_fixture fixture;
    open_table(&fixture, "shared_among");
    fixture.base.log.write = write_log;
    insert_ids(&fixture, "123456789");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 1000, 1 << 20);
    cr_assert(batch && batch->rows == 9);
    insert_ids(&fixture, "5");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 9), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    cr_assert(strstr(logged, shared), "%s", logged);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

Test(shared_ids, claim_by_position_gives_the_reason_again)
{
    struct sql_fixture fixture;
    static const struct outbox_position positions[] = {{1, 0}, {2, 0}, {3, 0}};
    char text[64];
    uint32_t rejected = 0;
    open_table(&fixture, "shared_position");
    insert_ids(&fixture, "1223");
    fixture_begin(&fixture);
    claim_all(&fixture, 1000, text);
    for (uint32_t at = 0; at < 3;) { /* as a relay does: what has not come is asked for again */
        struct outbox_claim claim = {
            .positions = positions + at, .position_count = 3 - at, .max_rows = 3, .max_bytes = 1000};
        cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s",
                     fixture.error.text);
        for (uint32_t row = 0; row < claim.batch->rows; row++, at++) {
            cr_assert_eq(claim.batch->positions[row].major, positions[at].major);
            rejected += claim.batch->unreadable && claim.batch->unreadable[row];
        }
        cr_assert_eq((claim.batch->flags & OUTBOX_BATCH_MORE) != 0, at < 3, "%u of 3", at);
        obx_store_release(fixture.store, claim.batch);
    }
    cr_assert_eq(rejected, 1);
    fixture_close(&fixture);
}

Test(shared_ids, rows_with_one_id_are_parked_together)
{
    struct sql_fixture fixture;
    char text[64];
    open_table(&fixture, "shared_parked");
    insert_ids(&fixture, "1223");
    fixture_begin(&fixture);
    claim_all(&fixture, 1000, text);
    const struct outbox_dead_row row = {.position = {2, 0}, .attempts = 1, .reason = "several rows"};
    cr_assert_eq(fixture_dead_letter(&fixture, &row), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 2);
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM %s_dead"), 2);
    fixture_close(&fixture);
}

Test(shared_ids, row_that_got_its_own_id_comes)
{
    struct sql_fixture fixture;
    char text[64];
    open_table(&fixture, "shared_mended");
    insert_ids(&fixture, "122");
    fixture_begin(&fixture);
    claim_all(&fixture, 1000, text);
    fixture_run(&fixture, BY_SERVER("DELETE FROM %s WHERE ctid = (SELECT max(ctid) FROM %s WHERE id = 2)",
                                    "DELETE FROM %s WHERE id = 2 LIMIT 1"));
    insert_ids(&fixture, "9");
    claim_all(&fixture, 1000, text);
    cr_assert_str_eq(text, "9");
    fixture_close(&fixture);
}
