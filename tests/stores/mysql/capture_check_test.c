/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_check_test.c - what `outbox check` finds about a captured table */
#include "capture_fixture.h"

static void expect(struct capture *capture, const char *text, uint32_t severity, bool advised)
{
    struct fixture_findings findings = fixture_check(&capture->base, text);
    cr_assert_eq(findings.count, 1, "%s: %u", text, findings.count);
    cr_assert_eq(findings.severity, severity, "%s", text);
    cr_assert_eq(findings.advised, advised, "%s", text);
}

/* M14 is the engine; sessions that can hide events are of M6. */
Test(capture_check, settings_that_lose_events_are_found)
{
    struct capture capture;
    capture_open(&capture, "checked");
    expect(&capture, "table outbox.checked is BLACKHOLE: events are in the binlog only", OUTBOX_SEVERITY_OK, false);
    expect(&capture, "may set sql_log_bin = 0: events that they insert then are never relayed", OUTBOX_SEVERITY_OK,
           true);
    expect(&capture, "may read the binlog", OUTBOX_SEVERITY_OK, false);
    expect(&capture, "sync_binlog is 0: a crash of the machine forgets transactions", OUTBOX_SEVERITY_WARNING, true);
    fixture_run(&capture.base, "SET GLOBAL binlog_format = MIXED");
    expect(&capture, "binlog_format is MIXED: the log may have statements in place of rows", OUTBOX_SEVERITY_ERROR,
           true);
    fixture_run(&capture.base, "SET GLOBAL binlog_format = ROW");
    fixture_run(&capture.base,
                BY_KIND("", "SET GLOBAL binlog_row_metadata = NO_LOG", "SET GLOBAL binlog_row_metadata = MINIMAL"));
    expect(&capture, "the log has no names of columns", OUTBOX_SEVERITY_WARNING, true);
    fixture_run(&capture.base, "SET GLOBAL binlog_row_metadata = FULL");
    capture_close(&capture);
}

Test(capture_check, innodb_table_that_nothing_empties_is_found)
{
    struct capture capture;
    capture_open(&capture, "kept_rows");
    fixture_run(&capture.base, "ALTER TABLE %s ENGINE = InnoDB");
    capture_restart(&capture);
    expect(&capture, "is InnoDB: the relay removes nothing from it, so something else must", OUTBOX_SEVERITY_WARNING,
           true);
    fixture_run(&capture.base, "SET GLOBAL binlog_row_image = MINIMAL");
    expect(&capture, "binlog_row_image is MINIMAL: columns that an INSERT does not name are not in the log",
           OUTBOX_SEVERITY_ERROR, true);
    fixture_run(&capture.base, "SET GLOBAL binlog_row_image = FULL");
    capture_close(&capture);
}

/* Its rows are in the log as those of a BLACKHOLE table are, and stay in the table. */
Test(capture_check, innodb_table_is_captured_without_removing_rows)
{
    struct capture capture;
    capture_open(&capture, "stays");
    fixture_run(&capture.base, "ALTER TABLE %s ENGINE = InnoDB");
    capture_restart(&capture);
    fixture_insert(&capture.base, capture.base.sql, "a");
    fixture_run(&capture.base, "DELETE FROM %s WHERE aggregateid = 'nobody'");
    fixture_insert(&capture.base, capture.base.sql, "b");
    capture_expect(&capture, "a b");
    capture_settle_all(&capture);
    cr_assert_eq(fixture_count_rows(&capture.base), 2);
    capture_close(&capture);
}
