/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/stray_scan_test.c - rows outside all claims are logged and relayed */
#include <time.h>

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

/* ---- counters that are set back while a relay relays --------------------------------------------------------------
 */

enum { NOTICED_MS = 30000 };

/* Claims every millisecond until there is a row. How many claims; -1: never. */
static int await_row(struct sql_fixture *fixture)
{
    int64_t began = fixture_now_ms();
    for (int claims = 1; fixture_now_ms() - began < NOTICED_MS; claims++) {
        cr_assert_eq(fixture_claim(fixture, 0, 100), 0, "%s", fixture->error.text);
        if (fixture->count)
            return claims;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return -1;
}

static void relay_some(struct sql_fixture *fixture, int rows)
{
    for (int i = 0; i < rows; i++)
        fixture_insert(fixture, fixture->sql, "a");
    fixture_settle_all(fixture, fixture_claim_batch(fixture, 100, 1 << 20));
}

static void expect_noticed(struct sql_fixture *fixture)
{
    fixture_insert(fixture, fixture->sql, "first");
    cr_assert_geq(await_row(fixture), 0, "the first event is not noticed within %d ms", NOTICED_MS);
    for (int i = 0; i < 20; i++) {
        fixture_insert(fixture, fixture->sql, "later");
        int claims = await_row(fixture);
        cr_assert(claims == 1 || claims == 2, "event %d came with claim %d after its insert", i, claims);
    }
}

Test(stray_scan, counter_that_is_set_back_delays_no_event_but_the_first)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "set_back", true, "");
    fixture_begin(&fixture);
    relay_some(&fixture, 50);
    fixture_run(&fixture,
                BY_SERVER("ALTER TABLE %s ALTER COLUMN id RESTART WITH 1", "ALTER TABLE %s AUTO_INCREMENT = 1"));
    expect_noticed(&fixture);
    fixture_close(&fixture);
}

Test(stray_scan, truncated_table_delays_no_event_but_the_first)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "truncated_ids", true, "");
    fixture_begin(&fixture);
    relay_some(&fixture, 50);
    fixture_run(&fixture, BY_SERVER("TRUNCATE %s RESTART IDENTITY", "TRUNCATE TABLE %s"));
    expect_noticed(&fixture);
    fixture_close(&fixture);
}

/* Events of a blocked key keep their high ids, so the counter goes on below them. */
Test(stray_scan, events_below_an_outstanding_one_are_found_soon)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "below_blocked", true, "");
    fixture_begin(&fixture);
    fixture_insert_id(&fixture, fixture.sql, 1000);
    fixture_expect_rows(&fixture, IDS(1000)); /* and it is not settled */
    fixture_expect_no_rows_for(&fixture, 300);
    if (server_kind() == POSTGRES)
        fixture_run(&fixture, "ALTER TABLE %s ALTER COLUMN id RESTART WITH 100");
    for (int i = 0; i < 5; i++) {
        fixture_insert_id(&fixture, fixture.sql, 100 + i);
        cr_assert_geq(await_row(&fixture), 0, "event %d", i);
        cr_assert(fixture.count == 1 && fixture.ids[0] == 100 + i);
    }
    fixture_close(&fixture);
}
