/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/policies_test.c - row level security, rules, persistence, inheritance and partitions of the
 * outbox table */
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

Test(policies, table_that_inherits_is_reported)
{
    static const char text[] = "inherits from table public.inherited: ids are unique in each of them only";
    struct sql_fixture fixture;
    fixture_open(&fixture, "inherited", true, "");
    fixture_begin(&fixture);
    fixture_run(&fixture, "CREATE TABLE heir () INHERITS (%s)");
    struct fixture_findings finding = fixture_check(&fixture, text);
    cr_assert(finding.count == 1 && finding.severity == OUTBOX_SEVERITY_WARNING);
    fixture_paste(&fixture, finding.command);
    cr_assert_eq(fixture_check(&fixture, text).count, 0);
    fixture_close(&fixture);
}

/* What the server would refuse, or has only for the partitions. */
Test(policies, partitioned_table_gets_no_wrong_advice)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "partitioned", false, "");
    fixture_run(&fixture, "CREATE TABLE %s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid, "
                          "aggregatetype text, aggregateid text, type text, payload text, headers json, created_at "
                          "timestamptz) PARTITION BY RANGE (id)");
    fixture_run(&fixture, "CREATE TABLE partition_1 PARTITION OF %s FOR VALUES FROM (1) TO (3)");
    fixture_run(&fixture, "CREATE TABLE partition_2 PARTITION OF %s FOR VALUES FROM (3) TO (1000)");
    for (int i = 0; i < 4; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    fixture_run(&fixture, "SELECT pg_stat_force_next_flush()");
    cr_assert_eq(fixture_check(&fixture, "is vacuumed like any other").count, 0);
    cr_assert_eq(fixture_check(&fixture, "nothing was ever inserted").count, 0);
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 100, 1 << 20));
    cr_assert_eq(fixture_count_rows(&fixture), 0);
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
