/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/drift_test.c - the table changes while the relay runs: the error names the cause, and the
 * store recovers once the table is right
 */
#include "fixture.h"

static void open_with_one_row(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, "");
    fixture_begin(fixture);
    fixture_insert(fixture, fixture->sql, "a");
    fixture_expect_rows(fixture, IDS(1));
}

Test(drift, new_column_changes_nothing)
{
    struct sql_fixture fixture;
    open_with_one_row(&fixture, "wider");
    fixture_run(&fixture, "ALTER TABLE %s ADD COLUMN tenant int NOT NULL DEFAULT 7");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(2));
    fixture_close(&fixture);
}

Test(drift, changed_type_is_an_error_until_the_relay_reconnects)
{
    struct sql_fixture fixture;
    open_with_one_row(&fixture, "retyped");
    fixture_run(&fixture, BY_SERVER("ALTER TABLE %s ALTER COLUMN payload TYPE bytea USING convert_to(payload, 'UTF8')",
                                    "ALTER TABLE %s MODIFY payload LONGTEXT"));
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert_eq(fixture_claim(&fixture, 0, 10), OUTBOX_E_SCHEMA, "%s", fixture.error.text);
    cr_assert_str_eq(fixture.error.text,
                     BY_SERVER("claim rows: UNION types text and bytea cannot be matched (42804); see 'outbox check'",
                               "claim rows: column \"payload\" of table outbox.retyped has another type than when the "
                               "relay connected; the relay connects again"));
    fixture_begin_again(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert(batch && batch->rows == 2);
    cr_assert_eq(batch->values[2].type, (uint32_t)BY_SERVER(OUTBOX_BYTES, OUTBOX_TEXT));
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

static void expect_missing(struct sql_fixture *fixture)
{
    cr_assert_eq(fixture_claim(fixture, 0, 10), OUTBOX_E_SCHEMA, "%s", fixture->error.text);
    cr_assert_str_eq(fixture->error.text,
                     BY_KIND("claim rows: column t.payload does not exist (42703); see 'outbox check'",
                             "claim rows: Unknown column 'payload' in 'SELECT' (1054); see 'outbox check'",
                             "claim rows: Unknown column 'payload' in 'field list' (1054); see 'outbox check'"));
}

Test(drift, renamed_column_is_named_in_the_error)
{
    struct sql_fixture fixture;
    open_with_one_row(&fixture, "renamed");
    fixture_run(&fixture, "ALTER TABLE %s RENAME COLUMN payload TO body");
    expect_missing(&fixture);
    fixture_run(&fixture, "ALTER TABLE %s RENAME COLUMN body TO payload");
    fixture_begin_again(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(1, 2));
    fixture_close(&fixture);
}

Test(drift, dropped_column_is_named_in_the_error)
{
    struct sql_fixture fixture;
    open_with_one_row(&fixture, "dropped");
    fixture_run(&fixture, "ALTER TABLE %s DROP COLUMN payload");
    expect_missing(&fixture);
    fixture_stop(&fixture);
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_SCHEMA, "%s", fixture.error.text);
    cr_assert_str_eq(
        fixture.error.text,
        BY_SERVER("table public.dropped has no column \"payload\"; it has id, event_id, aggregatetype, "
                  "aggregateid, type, headers, created_at; name the right one under columns:, or change the route",
                  "table outbox.dropped has no column \"payload\"; it has id, event_id, aggregatetype, "
                  "aggregateid, type, headers, created_at; name the right one under columns:, or change the route"));
    fixture_run(&fixture,
                BY_SERVER("ALTER TABLE %s ADD COLUMN payload json", "ALTER TABLE %s ADD COLUMN payload JSON"));
    fixture_begin_again(&fixture);
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(drift, dropped_table_is_not_found)
{
    struct sql_fixture fixture;
    open_with_one_row(&fixture, "gone");
    fixture_run(&fixture, "DROP TABLE %s");
    cr_assert_eq(fixture_claim(&fixture, 0, 10), OUTBOX_E_NOT_FOUND, "%s", fixture.error.text);
    cr_assert_str_eq(fixture.error.text,
                     BY_SERVER("claim rows: relation \"public.gone\" does not exist (42P01); run 'outbox init'",
                               "claim rows: Table 'outbox.gone' doesn't exist (1146); run 'outbox init'"));
    fixture_close(&fixture);
}

Test(drift, truncated_table_is_empty)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "truncated", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    fixture_run(&fixture, BY_SERVER("TRUNCATE %s", "DELETE FROM %s")); /* MySQL's TRUNCATE also sets the counter back */
    fixture_settle_all(&fixture, batch);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(2));
    fixture_close(&fixture);
}
