/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/check_test.c - what `outbox check` finds in a server's settings */
#include "fixture.h"

Test(check_settings, full_row_image_is_reported)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "twice", true, "");
    fixture_begin(&fixture);
    struct fixture_findings full = fixture_check(&fixture, "binlog_row_image is FULL");
    fixture_run(&fixture, "SET GLOBAL binlog_row_image = MINIMAL");
    struct fixture_findings minimal = fixture_check(&fixture, "binlog_row_image");
    fixture_run(&fixture, "SET GLOBAL binlog_row_image = FULL");
    cr_assert_eq(full.count, 1);
    cr_assert_eq(full.severity, OUTBOX_SEVERITY_OK);
    cr_assert(full.advised);
    cr_assert_eq(minimal.count, 0);
    fixture_close(&fixture);
}

Test(check_settings, statement_binlog_is_an_error)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "statements", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "binlog_format").count, 0);
    fixture_run(&fixture, "SET GLOBAL binlog_format = STATEMENT");
    struct fixture_findings statement = fixture_check(&fixture, "binlog_format is STATEMENT");
    fixture_run(&fixture, "SET GLOBAL binlog_format = ROW");
    cr_assert_eq(statement.count, 1);
    cr_assert_eq(statement.severity, OUTBOX_SEVERITY_ERROR);
    fixture_close(&fixture);
}

Test(check_settings, permission_to_read_the_binlog_is_reported)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "binlog_granted", true, "");
    fixture_begin(&fixture);
    struct fixture_findings could = fixture_check(&fixture, "may read the binlog");
    fixture_stop(&fixture);
    server_make_user(fixture.sql, "binlog_denied", "");
    server_grant(fixture.sql, "ALL", "*", "binlog_denied");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "binlog_denied"}, "  wakeup: binlog\n");
    fixture_begin(&fixture);
    struct fixture_findings lacks =
        fixture_check(&fixture, "user binlog_denied@% was not granted what wakeup: binlog needs");
    fixture_run(&fixture, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO binlog_denied@'%'");
    struct fixture_findings works = fixture_check(&fixture, "the binlog can be read: commits wake an idle relay");
    cr_assert(could.count == 1 && could.severity == OUTBOX_SEVERITY_OK && could.advised);
    cr_assert(lacks.count == 1 && lacks.severity == OUTBOX_SEVERITY_WARNING && lacks.advised);
    cr_assert(works.count == 1 && works.severity == OUTBOX_SEVERITY_OK && !works.advised);
    fixture_close(&fixture);
}
