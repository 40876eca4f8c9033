/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/settle_test.c - a settle proves that its rows are gone, whichever session deleted them */

#include "fixture.h"

Test(settle, rows_that_others_deleted_are_settled)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "vanished", true, "");
    for (int i = 0; i < 5; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    fixture_run(&fixture, "DELETE FROM %s WHERE id IN (2, 5)");
    fixture_settle_all(&fixture, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}

/* Another session deletes the row while it is moved: there must be no copy of it. */
Test(settle, row_that_another_session_deletes_is_no_dead_letter)
{
    struct sql_fixture fixture;
    struct loop_fixture_call call = {0};
    const struct outbox_dead_row row = {.position = {1, 0}, .attempts = 1, .reason = "too large"};
    const struct outbox_dead_letter_rows rows = {.struct_size = sizeof rows, .count = 1, .rows = &row};
    fixture_open(&fixture, "raced", true, "");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1));
    session_run(fixture.sql, "BEGIN");
    fixture_run(&fixture, "DELETE FROM %s WHERE id = 1");
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture.store, &call.call, 0, &rows);
    fixture_await_lock_wait(&fixture);
    session_run(fixture.sql, "COMMIT");
    int code = loop_fixture_wait(&fixture.base, &call);
    while (code == OUTBOX_E_AGAIN) /* it has waited for too long */
        code = fixture_dead_letter(&fixture, &row);
    cr_assert_eq(code, 0, "%s", call.error.text);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 0);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}
