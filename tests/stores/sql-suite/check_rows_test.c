/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/check_rows_test.c - a check of rows only, for `outbox status`: those that stay are named */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static void add_reason(void *arg, const struct outbox_finding *finding)
{
    char *reasons = arg;
    size_t used = strlen(reasons);
    snprintf(reasons + used, 2000 - used, "%u %s\n", finding->severity, finding->reason);
}

static void check_rows(struct sql_fixture *fixture, char reasons[static 2000])
{
    struct outbox_check check = {
        .struct_size = sizeof check, .report = add_reason, .arg = reasons, .flags = OUTBOX_CHECK_ROWS};
    struct loop_fixture_call call = {0};
    reasons[0] = '\0';
    loop_fixture_reset(&call);
    obx_store_check(fixture->store, &call.call, 0, &check);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
}

static void start(struct sql_fixture *fixture)
{
    cr_assert_eq(loop_fixture_store_start(&fixture->base, fixture->store, NULL, 0, &fixture->error), 0, "%s",
                 fixture->error.text);
}

/* A trigger that raises when an audited row is removed. */
static void audit(struct sql_fixture *fixture)
{
    fixture_run(fixture, BY_SERVER("CREATE FUNCTION %s_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
                                   "old.aggregateid = 'audited' THEN RAISE EXCEPTION 'row is audited'; END IF; RETURN "
                                   "old; END $$; CREATE TRIGGER audit BEFORE DELETE ON %s FOR EACH ROW EXECUTE "
                                   "FUNCTION %s_f()",
                                   "CREATE TRIGGER %s_t BEFORE DELETE ON %s FOR EACH ROW BEGIN IF old.aggregateid = "
                                   "'audited' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'row is audited'; END "
                                   "IF; END"));
}

Test(check_rows, nothing_but_rows_is_reported)
{
    struct sql_fixture fixture;
    char reasons[2000];
    fixture_open(&fixture, "only_rows", true, "");
    for (int i = 0; i < 5; i++)
        fixture_insert(&fixture, fixture.sql, i == 3 ? "audited" : "a");
    session_run(fixture.sql, BY_SERVER("SELECT 1", "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"));
    start(&fixture);
    check_rows(&fixture, reasons);
    cr_assert_str_eq(reasons, "");
    fixture_insert_id(&fixture, fixture.sql, 0);
    audit(&fixture);
    check_rows(&fixture, reasons);
    cr_assert(strstr(reasons, " have ids below 1, from 0 to 0; "), "%s", reasons);
    cr_assert(strstr(reasons, "row 4 of table "), "%s", reasons);
    cr_assert_null(strstr(reasons, "trigger "), "%s", reasons);
    cr_assert_null(strstr(reasons, "is locked"), "%s", reasons);
    fixture_close(&fixture);
}

/* As for a monitoring tool that runs `outbox status`. */
Test(check_rows, user_who_may_only_read_gets_no_finding)
{
    struct sql_fixture fixture;
    char reasons[2000];
    fixture_open(&fixture, "only_read", true, "");
    fixture_insert(&fixture, fixture.sql, "a");
    audit(&fixture);
    server_make_user(fixture.sql, BY_SERVER("reader", "'reader'"), "");
    fixture_run(&fixture, BY_SERVER("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
                                    "GRANT SELECT ON outbox.* TO 'reader'@'%'"));
    fixture_reconfigure(&fixture, &(struct server_place){.user = "reader"}, "");
    start(&fixture);
    check_rows(&fixture, reasons);
    cr_assert_str_eq(reasons, "");
    fixture_close(&fixture);
}

/* On Postgres after 5 s, so that no removal of the relay is taken for it. */
Test(check_rows, row_that_another_session_has_locked_is_named)
{
    struct sql_fixture fixture;
    char reasons[2000] = "";
    fixture_open(&fixture, "locked_checked", true, "");
    for (int i = 0; i < 5; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    start(&fixture);
    session_run(fixture.sql, "BEGIN");
    fixture_run(&fixture, "UPDATE %s SET type = 'held' WHERE id = 3");
    int64_t began = fixture_now_ms();
    while (!strstr(reasons, "row 3 of table ") && fixture_now_ms() - began < 30000)
        check_rows(&fixture, reasons);
    cr_assert(strstr(reasons, "row 3 of table ") && strstr(reasons, " is locked by "), "%s", reasons);
    session_run(fixture.sql, "ROLLBACK");
    check_rows(&fixture, reasons);
    cr_assert_str_eq(reasons, "");
    fixture_close(&fixture);
}
