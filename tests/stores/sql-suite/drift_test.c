/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/drift_test.c - the table changes while the relay runs: it says what is wrong, and goes on when
 * it is right
 */
#include "bed.h"

static void open_with_one_row(struct bed *bed, const char *table)
{
    bed_open(bed, table, true, "");
    bed_begin(bed);
    bed_insert(bed, bed->sql, "a");
    bed_expect(bed, IDS(1));
}

Test(drift, a_new_column_is_no_matter)
{
    struct bed bed;
    open_with_one_row(&bed, "wider");
    bed_run(&bed, "ALTER TABLE %s ADD COLUMN tenant int NOT NULL DEFAULT 7");
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(2));
    bed_close(&bed);
}

Test(drift, another_type_is_told_and_read_after_a_restart)
{
    struct bed bed;
    open_with_one_row(&bed, "retyped");
    bed_run(&bed, BY_SERVER("ALTER TABLE %s ALTER COLUMN payload TYPE bytea USING convert_to(payload, 'UTF8')",
                            "ALTER TABLE %s MODIFY payload LONGTEXT"));
    bed_insert(&bed, bed.sql, "a");
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_SCHEMA, "%s", bed.error.text);
    cr_assert_str_eq(bed.error.text,
                     BY_SERVER("claim rows: UNION types text and bytea cannot be matched (42804); see 'outbox check'",
                               "claim rows: column \"payload\" of table outbox.retyped has another type than when the "
                               "relay connected; the relay connects again"));
    bed_begin_again(&bed);
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert(batch && batch->rows == 2);
    cr_assert_eq(batch->values[2].type, (uint32_t)BY_SERVER(OUTBOX_BYTES, OUTBOX_TEXT));
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

static void expect_missing(struct bed *bed)
{
    cr_assert_eq(bed_claim(bed, 0, 10), OUTBOX_E_SCHEMA, "%s", bed->error.text);
    cr_assert_str_eq(bed->error.text,
                     BY_KIND("claim rows: column t.payload does not exist (42703); see 'outbox check'",
                             "claim rows: Unknown column 'payload' in 'SELECT' (1054); see 'outbox check'",
                             "claim rows: Unknown column 'payload' in 'field list' (1054); see 'outbox check'"));
}

Test(drift, a_column_that_has_another_name_is_named)
{
    struct bed bed;
    open_with_one_row(&bed, "renamed");
    bed_run(&bed, "ALTER TABLE %s RENAME COLUMN payload TO body");
    expect_missing(&bed);
    bed_run(&bed, "ALTER TABLE %s RENAME COLUMN body TO payload");
    bed_begin_again(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(1, 2));
    bed_close(&bed);
}

Test(drift, a_column_that_went_away_is_named)
{
    struct bed bed;
    open_with_one_row(&bed, "dropped");
    bed_run(&bed, "ALTER TABLE %s DROP COLUMN payload");
    expect_missing(&bed);
    bed_stop(&bed);
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_SCHEMA, "%s", bed.error.text);
    cr_assert_str_eq(
        bed.error.text,
        BY_SERVER("table public.dropped has no column \"payload\"; it has id, event_id, aggregatetype, "
                  "aggregateid, type, headers, created_at; name the right one under columns:, or change the route",
                  "table outbox.dropped has no column \"payload\"; it has id, event_id, aggregatetype, "
                  "aggregateid, type, headers, created_at; name the right one under columns:, or change the route"));
    bed_run(&bed, BY_SERVER("ALTER TABLE %s ADD COLUMN payload json", "ALTER TABLE %s ADD COLUMN payload JSON"));
    bed_begin_again(&bed);
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(drift, a_table_that_went_away_is_missed)
{
    struct bed bed;
    open_with_one_row(&bed, "gone");
    bed_run(&bed, "DROP TABLE %s");
    cr_assert_eq(bed_claim(&bed, 0, 10), OUTBOX_E_NOT_FOUND, "%s", bed.error.text);
    cr_assert_str_eq(bed.error.text,
                     BY_SERVER("claim rows: relation \"public.gone\" does not exist (42P01); run 'outbox init'",
                               "claim rows: Table 'outbox.gone' doesn't exist (1146); run 'outbox init'"));
    bed_close(&bed);
}

Test(drift, a_truncated_table_is_just_empty)
{
    struct bed bed;
    bed_open(&bed, "truncated", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    bed_run(&bed, BY_SERVER("TRUNCATE %s", "DELETE FROM %s")); /* MySQL's TRUNCATE also sets the counter back */
    bed_settle_all(&bed, batch);
    bed_insert(&bed, bed.sql, "a");
    bed_expect(&bed, IDS(2));
    bed_close(&bed);
}
