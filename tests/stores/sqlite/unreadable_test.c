/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/unreadable_test.c - rows whose content cannot be read: a virtual column whose expression raises
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

/* The payload is computed from another column. For 'x' that is out of range. */
static void open_with(struct fixture *fixture, const char *rows)
{
    fixture_open(fixture, NULL);
    cr_assert_eq(fixture_setup(fixture), 0, "%s", fixture->error.text);
    fixture_sql(fixture->path,
                "DROP TABLE outbox; CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT, "
                "aggregatetype TEXT, aggregateid TEXT, type TEXT, n INTEGER, headers TEXT, created_at TEXT)");
    for (; *rows; rows++)
        fixture_sql(fixture->path, *rows == 'x' ? "INSERT INTO outbox (event_id, n) VALUES ('e', -9223372036854775808)"
                                                : "INSERT INTO outbox (event_id, n) VALUES ('e', -1)");
    fixture_sql(fixture->path, "ALTER TABLE outbox ADD COLUMN payload TEXT GENERATED ALWAYS AS (abs(n)) VIRTUAL");
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    fixture_own(fixture);
}

static void expect_rows(const char *rows)
{
    struct fixture fixture;
    size_t count = 0;
    open_with(&fixture, rows);
    for (struct outbox_batch *batch; (batch = fixture_claim(&fixture, 0)); fixture_release(&fixture, batch)) {
        for (uint32_t row = 0; row < batch->rows; row++) {
            const char *why = batch->unreadable ? batch->unreadable[row] : NULL;
            const struct outbox_value *values = batch->values + row * batch->columns;
            cr_assert_eq(batch->positions[row].major, count + 1);
            cr_assert_eq(why != NULL, rows[count] == 'x');
            cr_assert(!why || strstr(why, "integer overflow"), "%s", why);
            cr_assert_eq(values[FIXTURE_PAYLOAD].type == OUTBOX_NULL, why != NULL);
            cr_assert_eq(values[FIXTURE_EVENT_ID].type, OUTBOX_TEXT);
            count++;
        }
    }
    cr_assert_eq(count, strlen(rows));
    fixture_close(&fixture);
}

Test(sqlite_unreadable, row_in_the_middle_stops_no_other)
{
    expect_rows("...x....");
}

Test(sqlite_unreadable, first_and_last_rows_stop_no_other)
{
    expect_rows("x.....xx");
}

Test(sqlite_unreadable, all_rows_are_named)
{
    expect_rows("xxxx");
}

Test(sqlite_unreadable, claim_by_position_gives_the_row_and_the_reason)
{
    struct fixture fixture;
    const struct outbox_position positions[] = {{2, 0}, {3, 0}};
    open_with(&fixture, ".x.");
    for (struct outbox_batch *batch; (batch = fixture_claim(&fixture, 0));)
        fixture_release(&fixture, batch);
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .max_rows = 2, .max_bytes = 1 << 20, .positions = positions, .position_count = 2};
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert_not_null(claim.batch);
    cr_assert_eq(claim.batch->rows, 1);
    cr_assert_eq(claim.batch->flags & OUTBOX_BATCH_MORE, OUTBOX_BATCH_MORE);
    cr_assert_not_null(claim.batch->unreadable);
    fixture_release(&fixture, claim.batch);
    fixture_sql(fixture.path, "UPDATE outbox SET n = 2 WHERE id = 2");
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert_eq(claim.batch->rows, 2, "a row that was corrected comes as a whole");
    cr_assert_null(claim.batch->unreadable);
    fixture_release(&fixture, claim.batch);
    fixture_close(&fixture);
}

static void add_reason(void *arg, const struct outbox_finding *finding)
{
    char *reasons = arg;
    size_t used = strlen(reasons);
    if (strstr(finding->reason, "cannot be read"))
        snprintf(reasons + used, 1000 - used, "%s\n", finding->reason);
}

Test(sqlite_unreadable, check_names_each_of_them)
{
    struct fixture fixture;
    char reasons[1000] = "";
    struct outbox_check check = {
        .struct_size = sizeof check, .report = add_reason, .arg = reasons, .flags = OUTBOX_CHECK_ROWS};
    struct loop_fixture_call call = {0};
    open_with(&fixture, "..x.x");
    loop_fixture_reset(&call);
    obx_store_check(fixture.store, &call.call, 0, &check);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    cr_assert_str_eq(reasons, "row 3 of table \"outbox\" cannot be read: integer overflow\n"
                              "row 5 of table \"outbox\" cannot be read: integer overflow\n");
    fixture_close(&fixture);
}
