/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/replaced_table_test.c - the outbox's name is given to another table while a relay owns it */
#include <time.h>

#include "fixture.h"

static void replace_table(struct sql_fixture *fixture)
{
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 200000000}, NULL); /* MySQL records the creation time in
                                                                             * seconds */
    if (server_kind() == POSTGRES) {
        fixture_run(fixture, "BEGIN; ALTER TABLE %s RENAME TO %s_old; CREATE TABLE %s (LIKE %s_old INCLUDING ALL); "
                             "COMMIT");
        return;
    }
    fixture_run(fixture, "CREATE TABLE %s_new LIKE %s");
    fixture_run(fixture, "RENAME TABLE %s TO %s_old, %s_new TO %s");
}

static int renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

Test(replaced_table, owner_loses_the_ownership_and_restarts)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "swapped", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(renew(&fixture), 0, "%s", fixture.error.text);
    replace_table(&fixture);
    cr_assert_eq(renew(&fixture), OUTBOX_E_FENCED, "%s", fixture.error.text);
    cr_assert_eq(fixture_begin_again(&fixture) & OUTBOX_ACQUIRED_SAME, 0, "positions of the other table mean nothing");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 10, 1 << 20));
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}

static struct outbox_acquire own(struct sql_fixture *fixture)
{
    struct outbox_acquire acquire;
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_acquire(fixture, fixture->store, 10000, &acquire), 0, "%s", fixture->error.text);
    return acquire;
}

Test(replaced_table, new_table_has_another_identity)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "swapped_identity", true, "");
    struct outbox_acquire first = own(&fixture);
    fixture_stop(&fixture);
    replace_table(&fixture);
    struct outbox_acquire second = own(&fixture);
    cr_assert_str_neq(first.identity, second.identity);
    cr_assert_gt(second.epoch, first.epoch);
    fixture_close(&fixture);
}

Test(replaced_table, settle_deletes_no_row_of_the_new_table)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "swapped_settle", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "old");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    replace_table(&fixture);
    fixture_insert(&fixture, fixture.sql, "new"); /* has the same id */
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), OUTBOX_E_FENCED, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    fixture_close(&fixture);
}

Test(replaced_table, dead_letter_is_no_row_of_the_new_table)
{
    struct sql_fixture fixture;
    const struct outbox_dead_row row = {.position = {1, 0}, .attempts = 1, .reason = "too large"};
    fixture_open(&fixture, "swapped_dead", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "old");
    fixture_expect_rows(&fixture, IDS(1));
    replace_table(&fixture);
    fixture_insert(&fixture, fixture.sql, "new");
    cr_assert_eq(fixture_dead_letter(&fixture, &row), OUTBOX_E_FENCED, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    fixture_close(&fixture);
}

/* The rows that prove the identity of the table may be gone: then it is proven in another way. */
Test(replaced_table, settle_continues_after_others_deleted_its_last_row)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "last_row_gone", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_insert(&fixture, fixture.sql, "b");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_eq(batch->rows, 2);
    fixture_run(&fixture, "DELETE FROM %s WHERE id = 2");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 2), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}

/* An ALTER that copies the table, or a repair by hand: the same rows, in a table that was made later. */
Test(replaced_table, settle_knows_its_rows_after_they_moved_to_a_new_table)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "same_rows", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    fixture_run(&fixture, "ALTER TABLE %s ADD COLUMN later int");
    int code = fixture_settle(&fixture, batch, 0, 1);
    cr_assert(code == 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}
