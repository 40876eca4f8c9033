/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/low_ids_test.c - rows with ids below 1 are never relayed, and are reported */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static void insert_zero(struct sql_fixture *fixture)
{
    session_run(fixture->sql, BY_SERVER("SELECT 1", "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"));
    fixture_insert_id(fixture, fixture->sql, 0);
}

static void capture_error(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    (void)subject;
    if (level == OUTBOX_LOG_ERROR)
        snprintf(arg, 200, "%s", text);
}

Test(low_ids, row_with_id_0_is_logged_at_the_start)
{
    struct sql_fixture fixture;
    char logged[200] = "";
    fixture_open(&fixture, "zero", true, "");
    fixture.base.log.write = capture_error;
    fixture.base.log.arg = logged;
    insert_zero(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    cr_assert_not_null(strstr(logged, BY_SERVER("row 0 of public.zero can not be relayed: ids must be above 0",
                                                "row 0 of outbox.zero can not be relayed: ids must be above 0")),
                       "%s", logged);
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(low_ids, row_that_comes_later_is_logged_by_the_stray_scan)
{
    struct sql_fixture fixture;
    char logged[200] = "";
    fixture_open(&fixture, "zero_later", true, "  stray_scan_interval: 10ms\n");
    fixture.base.log.write = capture_error;
    fixture.base.log.arg = logged;
    fixture_begin(&fixture);
    insert_zero(&fixture);
    fixture_expect_no_rows_for(&fixture, 300);
    cr_assert_not_null(strstr(logged, "can not be relayed: ids must be above 0"), "%s", logged);
    fixture_close(&fixture);
}

Test(low_ids, check_counts_the_rows)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "zero_checked", true, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_check(&fixture, "ids below 1").count, 0);
    insert_zero(&fixture);
    struct fixture_findings findings = fixture_check(&fixture, "1 rows of table ");
    cr_assert_eq(findings.count, 1);
    cr_assert_eq(findings.severity, OUTBOX_SEVERITY_ERROR);
    cr_assert(findings.advised);
    fixture_close(&fixture);
}

/* Without any other row: none must stay below 1, and their order is kept. */
Test(low_ids, command_of_check_raises_negative_ids)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "zero_raised", true, "");
    session_run(fixture.sql, BY_SERVER("SELECT 1", "ALTER TABLE zero_raised MODIFY id BIGINT NOT NULL AUTO_INCREMENT"));
    insert_zero(&fixture);
    fixture_insert_id(&fixture, fixture.sql, -7);
    fixture_insert_id(&fixture, fixture.sql, -2);
    fixture_run(&fixture, "UPDATE %s SET aggregateid = 'first' WHERE id = -7");
    fixture_begin(&fixture);
    struct fixture_findings findings = fixture_check(&fixture, "3 rows of table ");
    cr_assert_eq(findings.count, 1);
    fixture_paste(&fixture, findings.command);
    cr_assert_eq(fixture_check(&fixture, "ids below 1").count, 0);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s WHERE id > 0"), 3);
    cr_assert_eq(fixture_run(&fixture, "SELECT id - (SELECT MIN(id) FROM %s) FROM %s WHERE aggregateid = 'first'"), 0);
    fixture_insert(&fixture, fixture.sql, "later"); /* the counter is behind them */
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s"), 4);
    cr_assert_eq(fixture_run(&fixture, "SELECT id - (SELECT MAX(id) FROM %s) FROM %s WHERE aggregateid = 'later'"), 0);
    fixture_close(&fixture);
}

/* So a drain does not end as if the outbox was empty. */
Test(low_ids, claim_reports_the_rows)
{
    struct sql_fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 10, .max_bytes = 1 << 20};
    fixture_open(&fixture, "zero_claimed", true, "");
    session_run(fixture.sql,
                BY_SERVER("SELECT 1", "ALTER TABLE zero_claimed MODIFY id BIGINT NOT NULL AUTO_INCREMENT"));
    insert_zero(&fixture);
    fixture_insert_id(&fixture, fixture.sql, -3);
    fixture_begin(&fixture);
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert_null(claim.batch);
    cr_assert_eq(claim.unusable, 2);
    fixture_close(&fixture);
}
