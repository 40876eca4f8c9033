/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/refused_test.c - rows that stay after their DELETE, by a trigger or a rule of the application
 */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "fixture.h"

static void keep_rows_of_key(struct sql_fixture *fixture, const char *key)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "CREATE FUNCTION %%s_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.aggregateid = '%s' THEN "
             "RETURN NULL; END IF; RETURN OLD; END $$; CREATE TRIGGER keep BEFORE DELETE ON %%s FOR EACH ROW EXECUTE "
             "FUNCTION %%s_keep()",
             key);
    fixture_run(fixture, sql);
}

static void insert_three(struct sql_fixture *fixture)
{
    fixture_insert(fixture, fixture->sql, "a");
    fixture_insert(fixture, fixture->sql, "kept");
    fixture_insert(fixture, fixture->sql, "b");
}

Test(refused, row_kept_by_a_trigger_is_reported_and_not_published_again)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "kept_by_trigger", true, "  stray_scan_interval: 10ms\n");
    keep_rows_of_key(&fixture, "kept");
    insert_three(&fixture);
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 3), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert_str_eq(fixture.error.text,
                     "settle rows of kept_by_trigger: row 2: still there after DELETE, which a trigger or a "
                     "rule of table kept_by_trigger has prevented");
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    fixture_expect_no_rows_for(&fixture, 300);
    fixture_insert(&fixture, fixture.sql, "c");
    fixture_expect_rows(&fixture, IDS(4));
    fixture_close(&fixture);
}

Test(refused, settle_reports_the_rows_to_a_host_that_supports_it)
{
    struct sql_fixture fixture;
    struct outbox_refused refused = {.struct_size = sizeof refused};
    struct loop_fixture_call call = {0};
    fixture_open(&fixture, "kept_by_rule", true, "");
    fixture_run(&fixture, "CREATE RULE keep AS ON DELETE TO %s DO INSTEAD NOTHING");
    insert_three(&fixture);
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    struct outbox_span span = {batch, 0, 3};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span, .refused = &refused};
    loop_fixture_reset(&call);
    obx_store_settle(fixture.store, &call.call, 0, &settle);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    cr_assert_eq(refused.rows, 3);
    cr_assert_str_eq(refused.reason,
                     "row 1, 2, 3: still there after DELETE, which a trigger or a rule of table kept_by_rule "
                     "has prevented");
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

/* The text of the trigger is longer than the room for it at each place that it passes. */
Test(refused, long_reason_ends_with_a_whole_character)
{
    for (int before = 0; before < 3; before++) {
        struct sql_fixture fixture;
        struct outbox_refused refused = {.struct_size = sizeof refused};
        struct loop_fixture_call call = {0};
        char sql[400], table[16];
        snprintf(table, sizeof table, "long_reason%d", before);
        fixture_open(&fixture, table, true, "");
        snprintf(sql, sizeof sql,
                 "CREATE FUNCTION %%s_raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING "
                 "MESSAGE = '%.*s' || "
                 "repeat('\xe2\x82\xac', 90); END $$; CREATE TRIGGER raise BEFORE DELETE ON %%s FOR EACH ROW EXECUTE "
                 "FUNCTION %%s_raise()",
                 before, "abc");
        fixture_run(&fixture, sql);
        fixture_insert(&fixture, fixture.sql, "a");
        fixture_begin(&fixture);
        struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
        struct outbox_span span = {batch, 0, 1};
        struct outbox_settle settle = {
            .struct_size = sizeof settle, .span_count = 1, .spans = &span, .refused = &refused};
        loop_fixture_reset(&call);
        obx_store_settle(fixture.store, &call.call, 0, &settle);
        cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
        cr_assert_gt(strlen(refused.reason), 100, "%s", refused.reason);
        cr_assert(obx_utf8_valid(refused.reason, strlen(refused.reason)), "%s", refused.reason);
        obx_store_release(fixture.store, batch);
        fixture_close(&fixture);
    }
}

Test(refused, row_kept_by_a_trigger_is_no_dead_letter)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "stays_alive", true, "");
    keep_rows_of_key(&fixture, "kept");
    insert_three(&fixture);
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1, 2, 3));
    const struct outbox_dead_row row = {.position = {2, 0}, .attempts = 1, .reason = "too large"};
    cr_assert_eq(fixture_dead_letter(&fixture, &row), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert_str_eq(fixture.error.text,
                     "dead-letter rows of public.stays_alive: the server has deleted row 2 without an error, and it is "
                     "still there; check the triggers and rules on DELETE");
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 0);
    cr_assert_eq(fixture_count_rows(&fixture), 3);
    fixture_close(&fixture);
}
