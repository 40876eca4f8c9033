/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/sweep_test.c - rows where no claim looks: told of and relayed, never lost in silence */
#include "bed.h"

Test(sweep, a_row_written_below_is_found)
{
    struct bed bed;
    bed_open(&bed, "below", true, "  stray_scan_interval: 10ms\n");
    bed_begin(&bed);
    bed_insert_id(&bed, bed.sql, 1000);
    bed_expect(&bed, IDS(1000)); /* 1 to 999 are a hole, until it is clear that nobody fills it */
    bed_expect_nothing_for(&bed, 200);
    bed_insert_id(&bed, bed.sql, 500);
    bed_claim_some(&bed);
    cr_assert(bed.count == 1 && bed.ids[0] == 500, "%u rows", bed.count);
    bed_expect(&bed, 0, NULL);
    bed_close(&bed);
}

Test(sweep, a_counter_that_was_set_back_loses_nothing)
{
    struct bed bed;
    bed_open(&bed, "restarted", true, "  stray_scan_interval: 10ms\n");
    bed_begin(&bed);
    for (int i = 0; i < 10; i++)
        bed_insert(&bed, bed.sql, "a");
    bed_settle_all(&bed, bed_batch(&bed, 100, 1 << 20));
    bed_run(&bed, BY_SERVER("TRUNCATE %s RESTART IDENTITY", "TRUNCATE TABLE %s"));
    session_run(bed.sql, "BEGIN");
    bed_insert(&bed, bed.sql, "a");
    bed_insert(&bed, bed.sql, "a");
    session_run(bed.sql, "COMMIT");
    bed_claim_some(&bed);
    cr_assert(bed.count == 2 && bed.ids[0] == 1 && bed.ids[1] == 2, "%u rows", bed.count);
    bed_close(&bed);
}

Test(sweep, what_is_in_flight_is_not_given_again)
{
    struct bed bed;
    bed_open(&bed, "flying", true, "  stray_scan_interval: 10ms\n");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1)); /* released, but not settled: a key may wait for long */
    bed_expect_nothing_for(&bed, 200);
    bed_close(&bed);
}
