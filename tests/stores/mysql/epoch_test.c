/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/epoch_test.c - the relay table: who has the lock, but not the epoch, settles nothing */
#include "bed.h"

Test(epoch, another_one_fences_an_owner_who_still_has_the_lock)
{
    struct bed bed;
    bed_open(&bed, "epoch", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    bed_run(&bed, "UPDATE %s_relay SET epoch = epoch + 1");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), OUTBOX_E_FENCED);
    cr_assert_str_eq(bed.error.text, "another relay has become the owner of outbox outbox.epoch");
    cr_assert_eq(bed_rows(&bed), 1);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

Test(epoch, an_owner_whose_row_is_deleted_steps_down)
{
    struct bed bed;
    bed_open(&bed, "rowless", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_insert(&bed, bed.sql, "b");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    bed_run(&bed, "DELETE FROM %s_relay");
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    cr_assert_eq(bed_settle(&bed, batch, 1, 1), OUTBOX_E_FENCED, "%s", bed.error.text);
    cr_assert_eq(bed_rows(&bed), 1);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

Test(epoch, without_its_row_there_is_no_owner)
{
    struct bed bed;
    bed_open(&bed, "norow", true, "");
    bed_run(&bed, "DELETE FROM %s_relay");
    cr_assert_eq(bed_start(&bed, bed.store), 0, "%s", bed.error.text);
    cr_assert_eq(bed_acquire(&bed, bed.store, 10000, NULL), OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(bed.error.text, "own outbox norow: table norow_relay has no row; run 'outbox init'");
    bed_close(&bed);
}
