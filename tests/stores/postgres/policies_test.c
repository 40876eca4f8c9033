/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/policies_test.c - what an administrator has put on the table: row level security, rules */
#include "fixture.h"

Test(policies, rows_hidden_by_them)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "policies", true, "");
    server_make_user(fixture.sql, "limited", "");
    server_grant(fixture.sql, "SELECT, DELETE", fixture.table, "limited");
    fixture_run(&fixture, "ALTER TABLE %s ENABLE ROW LEVEL SECURITY");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "limited"}, "");
    fixture_expect_start_error(
        &fixture, OUTBOX_E_PERMISSION,
        "look at table public.policies: row level security hides rows from user limited; run ALTER ROLE limited "
        "BYPASSRLS, or drop the policies");
    fixture_close(&fixture);
}

Test(policies, what_acts_on_a_delete_is_told)
{
    static const char sought[] = "triggers or rules on delete";
    struct sql_fixture fixture;
    fixture_open(&fixture, "ruled", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, sought).count, 0);
    fixture_run(&fixture, "CREATE RULE keep AS ON DELETE TO %s DO INSTEAD NOTHING");
    struct fixture_findings told = fixture_check(&fixture, sought);
    cr_assert(told.count == 1 && told.level == OUTBOX_LOG_WARN && told.advised);
    fixture_close(&fixture);
}
