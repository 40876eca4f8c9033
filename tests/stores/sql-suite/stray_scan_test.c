/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/stray_scan_test.c - rows outside all claims are logged and relayed */
#include "fixture.h"

Test(stray_scan, row_inserted_with_a_lower_id_is_found)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "below", true, "  stray_scan_interval: 10ms\n");
    fixture_begin(&fixture);
    fixture_insert_id(&fixture, fixture.sql, 1000);
    fixture_expect_rows(&fixture, IDS(1000)); /* 1 to 999 are a gap until no writer can fill it */
    fixture_expect_no_rows_for(&fixture, 200);
    fixture_insert_id(&fixture, fixture.sql, 500);
    fixture_await_rows(&fixture);
    cr_assert(fixture.count == 1 && fixture.ids[0] == 500, "%u rows", fixture.count);
    fixture_expect_rows(&fixture, 0, NULL);
    fixture_close(&fixture);
}

Test(stray_scan, restarted_id_counter_loses_no_row)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "restarted", true, "  stray_scan_interval: 10ms\n");
    fixture_begin(&fixture);
    for (int i = 0; i < 10; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 100, 1 << 20));
    fixture_run(&fixture, BY_SERVER("TRUNCATE %s RESTART IDENTITY", "TRUNCATE TABLE %s"));
    session_run(fixture.sql, "BEGIN");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_insert(&fixture, fixture.sql, "a");
    session_run(fixture.sql, "COMMIT");
    fixture_await_rows(&fixture);
    cr_assert(fixture.count == 2 && fixture.ids[0] == 1 && fixture.ids[1] == 2, "%u rows", fixture.count);
    fixture_close(&fixture);
}

Test(stray_scan, row_in_flight_is_not_claimed_again)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "in_flight", true, "  stray_scan_interval: 10ms\n");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(1)); /* released, but not settled: a key may wait for long */
    fixture_expect_no_rows_for(&fixture, 200);
    fixture_close(&fixture);
}
