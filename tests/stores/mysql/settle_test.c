/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/settle_test.c - a settle of many bytes goes as several transactions; all rows go */
#include "bed.h"

static int64_t commits(struct bed *bed)
{
    return bed_run(bed, "SHOW GLOBAL STATUS LIKE 'Com_commit'");
}

/* Claim all there is, settle it, and give how many transactions that took. */
static int64_t settle_all(struct bed *bed, uint32_t rows)
{
    struct outbox_batch *batch = bed_batch(bed, rows, 64 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->rows, rows);
    int64_t before = commits(bed);
    bed_settle_all(bed, batch);
    return commits(bed) - before;
}

Test(settle, large_rows_go_a_few_at_a_time)
{
    struct bed bed;
    bed_open(&bed, "large_pieces", true, "");
    bed_insert_large(&bed, 120, 100);
    bed_run(&bed, "DELETE FROM %s WHERE id IN (5, 17)"); /* so there are runs that fit whole, and one that does not */
    bed_begin(&bed);
    int64_t transactions = settle_all(&bed, 118);
    cr_assert(transactions >= 3 && transactions <= 4, "%lld transactions", (long long)transactions);
    cr_assert_eq(bed_rows(&bed), 0);
    bed_close(&bed);
}
