/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_check_test.c - what `outbox check` finds about a captured table */
#include "capture_fixture.h"

#include <stdio.h>
#include <string.h>

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

/* M5: a BLACKHOLE table has no rows to change, and nothing of it is in the log. */
Test(capture_check, update_and_delete_of_the_table_are_no_events)
{
    struct capture capture;
    capture_open(&capture, "unchanged");
    fixture_insert(&capture.base, capture.base.sql, "a");
    fixture_run(&capture.base, "UPDATE %s SET payload = 'y'");
    fixture_run(&capture.base, "DELETE FROM %s");
    fixture_insert(&capture.base, capture.base.sql, "b");
    capture_expect(&capture, "a b");
    capture_close(&capture);
}

static void start_for_verbs(struct capture *capture)
{
    cr_assert_eq(loop_fixture_store_start(&capture->base.base, capture->base.store, NULL, 0, &capture->base.error), 0,
                 "%s", capture->base.error.text);
}

/* M14. MySQL has the engine built in. */
Test(capture_check, server_without_the_engine_is_found)
{
    struct capture capture;
    capture_open(&capture, "no_engine");
    if (server_kind() == MARIADB) {
        fixture_run(&capture.base, "DROP TABLE %s");
        fixture_run(&capture.base, "FLUSH TABLES"); /* of other tests, which keep the engine */
        fixture_run(&capture.base, "UNINSTALL SONAME 'ha_blackhole'");
        capture_forget(&capture);
        fixture_stop(&capture.base);
        start_for_verbs(&capture);
        expect(&capture, "does not exist, and the server has no engine BLACKHOLE", OUTBOX_SEVERITY_ERROR, true);
        cr_assert_eq(fixture_setup(&capture.base, capture.base.store), OUTBOX_E_UNSUPPORTED);
        cr_assert_not_null(strstr(capture.base.error.text, "Unknown storage engine 'BLACKHOLE'"), "%s",
                           capture.base.error.text);
        fixture_run(&capture.base, "INSTALL SONAME 'ha_blackhole'");
        cr_assert_eq(fixture_setup(&capture.base, capture.base.store), 0, "%s", capture.base.error.text);
    }
    capture_close(&capture);
}

/* As its documentation has it. The application inserts and deletes the event in one transaction, so the table is empty.
 */
Test(capture_check, table_of_debezium_is_captured_as_it_is)
{
    struct capture capture;
    static const char yaml[] = "  capture: binlog\n  columns: { id: seq, event_id: id }\n";
    memset(&capture, 0, sizeof capture);
    fixture_open(&capture.base, "debezium", false, yaml);
    fixture_run(&capture.base, "SET GLOBAL binlog_row_metadata = FULL");
    fixture_run(&capture.base,
                "CREATE TABLE %s (id CHAR(36) NOT NULL PRIMARY KEY, aggregatetype VARCHAR(255) NOT NULL, aggregateid "
                "VARCHAR(255) NOT NULL, type VARCHAR(255) NOT NULL, payload JSON) ENGINE = InnoDB CHARSET = utf8mb4");
    start_for_verbs(&capture);
    cr_assert_eq(fixture_setup(&capture.base, capture.base.store), 0, "%s", capture.base.error.text);
    cr_assert_eq(fixture_setup(&capture.base, capture.base.store), 0, "%s", capture.base.error.text); /* again */
    fixture_stop(&capture.base);
    fixture_begin(&capture.base);
    for (int i = 0; i < 3; i++) {
        char sql[300];
        snprintf(sql, sizeof sql,
                 "BEGIN; INSERT INTO %%s VALUES ('%d-1', 't', '%c', 'e', '{\"n\": %d}'); DELETE FROM %%s WHERE id = "
                 "'%d-1'; COMMIT",
                 i, 'a' + i, i, i);
        capture_run(&capture, sql);
    }
    capture_expect(&capture, "a b c");
    cr_assert_eq(fixture_count_rows(&capture.base), 0);
    uint64_t last = capture.last;
    cr_assert_eq(capture_spool(&capture, 1, 1, last - 1), 0, "%s", capture.base.error.text);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_spool WHERE id = '1-1' AND aggregateid = 'b' AND "
                                            "JSON_EXTRACT(payload, '$.n') = 1 AND seq > 1 << 62"),
                 1);
    capture_restart(&capture);
    capture_expect(&capture, "b c");
    cr_assert_eq(capture_settle(&capture, 0, 2, last), 0, "%s", capture.base.error.text);
    capture_restart(&capture);
    capture_expect(&capture, "");
    capture_close(&capture);
}

static void run_line(void *arg, const char *text)
{
    char statement[400];
    if (!strncmp(text, "--", 2) || !*text)
        return;
    snprintf(statement, sizeof statement, "%.*s", (int)strcspn(text, ";"), text);
    session_run(arg, statement);
}

/* A user who has what `outbox init --print-grants` prints, and nothing else. */
Test(capture_check, relay_needs_no_other_right)
{
    struct capture capture;
    struct outbox_dead_row row = {.attempts = 1, .reason = "too bad"};
    capture_open(&capture, "granted_capture");
    fixture_stop(&capture.base);
    server_make_user(capture.base.sql, "granted", "");
    server_make_user(capture.base.sql, "application", "");
    fixture_reconfigure(&capture.base, &(struct server_place){.user = "granted"}, "  capture: binlog\n");
    cr_assert_eq(
        obx_store_print(capture.base.store, OUTBOX_PRINT_GRANTS, run_line, capture.base.sql, &capture.base.error), 0,
        "%s", capture.base.error.text);
    fixture_begin(&capture.base);
    for (int i = 0; i < 3; i++)
        fixture_insert(&capture.base, capture.base.sql, i == 1 ? "b" : "a");
    capture_expect(&capture, "a b a");
    row.position.major = capture.last - 1;
    cr_assert_eq(capture_settle(&capture, 0, 1, capture.last - 2), 0, "%s", capture.base.error.text);
    cr_assert_eq(capture_spool(&capture, 1, 2, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(fixture_dead_letter(&capture.base, &row), 0, "%s", capture.base.error.text);
    cr_assert_eq(capture_settle(&capture, 2, 1, 0), 0, "%s", capture.base.error.text);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_spool"), 0);
    cr_assert_eq(fixture_check(&capture.base, "may not").count, 0);
    capture_close(&capture);
    struct session *session = session_open();
    session_run(session, "DROP USER granted@'%', application@'%'");
    session_close(session);
}
