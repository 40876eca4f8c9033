/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/epoch_test.c - the relay table: an owner with the lock but an old epoch settles nothing */
#include "fixture.h"

Test(epoch, newer_epoch_fences_an_owner_that_still_has_the_lock)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "epoch", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    fixture_run(&fixture, "UPDATE %s_relay SET epoch = epoch + 1");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), OUTBOX_E_FENCED);
    cr_assert_str_eq(fixture.error.text,
                     "another relay has become the owner of outbox outbox.epoch, or its table was replaced");
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

Test(epoch, owner_whose_relay_row_is_deleted_is_fenced)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "rowless", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_insert(&fixture, fixture.sql, "b");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    fixture_run(&fixture, "DELETE FROM %s_relay");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_settle(&fixture, batch, 1, 1), OUTBOX_E_FENCED, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

Test(epoch, missing_relay_row_prevents_ownership)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "norow", true, "");
    fixture_run(&fixture, "DELETE FROM %s_relay");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_acquire(&fixture, fixture.store, 10000, NULL), OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(fixture.error.text, "own outbox norow: table norow_relay has no row; run 'outbox init'");
    fixture_close(&fixture);
}
