/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/policies_test.c - row level security, rules and the persistence of the outbox table */
#include "fixture.h"

Test(policies, row_level_security_that_hides_rows_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "policies", true, "");
    server_make_user(fixture.sql, "limited", "");
    server_grant(fixture.sql, "SELECT, DELETE", fixture.table, "limited");
    fixture_run(&fixture, "ALTER TABLE %s ENABLE ROW LEVEL SECURITY");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "limited"}, "");
    fixture_expect_start_error(
        &fixture, OUTBOX_E_PERMISSION,
        "inspect table public.policies: row level security hides rows from user limited; run ALTER ROLE limited "
        "BYPASSRLS, or drop the policies");
    fixture_close(&fixture);
}

Test(policies, rule_on_delete_is_reported)
{
    static const char text[] = "rule keep of table public.ruled replaces deletes";
    struct sql_fixture fixture;
    fixture_open(&fixture, "ruled", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, text).count, 0);
    fixture_run(&fixture, "CREATE RULE keep AS ON DELETE TO %s DO INSTEAD NOTHING");
    struct fixture_findings finding = fixture_check(&fixture, text);
    cr_assert(finding.count == 1 && finding.severity == OUTBOX_SEVERITY_ERROR && finding.advised);
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert_eq(fixture_check(&fixture, "a trigger or a rule keeps them, without an error").count, 1);
    fixture_paste(&fixture, finding.command);
    cr_assert_eq(fixture_check(&fixture, text).count, 0);
    fixture_close(&fixture);
}

Test(policies, unlogged_table_is_reported)
{
    static const char text[] = "table public.unlogged is unlogged: a crash of the server empties it";
    struct sql_fixture fixture;
    fixture_open(&fixture, "unlogged", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, text).count, 0);
    fixture_run(&fixture, "ALTER TABLE %s SET UNLOGGED");
    struct fixture_findings finding = fixture_check(&fixture, text);
    cr_assert(finding.count == 1 && finding.severity == OUTBOX_SEVERITY_WARNING);
    fixture_paste(&fixture, finding.command);
    cr_assert_eq(fixture_check(&fixture, text).count, 0);
    fixture_close(&fixture);
}
