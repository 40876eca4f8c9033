/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/refused_rows_test.c - rows that the server refuses to delete: one of them stops no other
 *
 * Foreign keys from other tables, triggers that raise, triggers that cannot run at all.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fixture.h"

/* ---- the fixture's part ------------------------------------------------------------------------------------------ */

static void pause_100_ms(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

static int renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

static int settle_asking(struct sql_fixture *fixture, const struct outbox_batch *batch, struct outbox_refused *refused)
{
    struct outbox_span span = {batch, 0, batch->rows};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span, .refused = refused};
    struct loop_fixture_call call = {0};
    *refused = (struct outbox_refused){.struct_size = sizeof *refused};
    loop_fixture_reset(&call);
    obx_store_settle(fixture->store, &call.call, 0, &settle);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

static void insert_rows(struct sql_fixture *fixture, int count)
{
    for (int i = 0; i < count; i++)
        fixture_insert(fixture, fixture->sql, "a");
}

/* Another table refers to these rows. */
static void refer_to(struct sql_fixture *fixture, const char *ids)
{
    char sql[200];
    fixture_run(fixture, BY_SERVER("CREATE TABLE %s_ref (row_id BIGINT, FOREIGN KEY (row_id) REFERENCES %s (id))",
                                   "CREATE TABLE %s_ref (row_id BIGINT UNSIGNED, FOREIGN KEY (row_id) REFERENCES %s "
                                   "(id))"));
    snprintf(sql, sizeof sql, "INSERT INTO %%s_ref SELECT id FROM %%s WHERE id IN (%s)", ids);
    fixture_run(fixture, sql);
}

/* A trigger that runs this for the row with the id 2: in PL/pgSQL, or in MySQL's language. */
static void make_trigger(struct sql_fixture *fixture, const char *postgres, const char *mysql)
{
    char sql[600];
    if (server_kind() == POSTGRES)
        snprintf(sql, sizeof sql,
                 "CREATE FUNCTION %%s_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 2 THEN %s END IF; "
                 "RETURN OLD; END $$; CREATE TRIGGER no BEFORE DELETE ON %%s FOR EACH ROW EXECUTE FUNCTION %%s_no()",
                 postgres);
    else
        snprintf(sql, sizeof sql,
                 "CREATE TRIGGER %%s_no BEFORE DELETE ON %%s FOR EACH ROW BEGIN IF OLD.id = 2 THEN %s END IF; END",
                 mysql);
    fixture_run(fixture, sql);
}

/* All rows are published. Row 2 stays, the others go, and neither the connection nor the ownership ends. */
static void expect_row_2_stays(struct sql_fixture *fixture, const char *reason)
{
    struct outbox_refused refused;
    struct outbox_batch *batch = fixture_claim_batch(fixture, 1000, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(settle_asking(fixture, batch, &refused), 0, "%s", fixture->error.text);
    obx_store_release(fixture->store, batch);
    cr_assert_eq(refused.rows, 1);
    cr_assert_eq(refused.position_count, 1);
    cr_assert_eq(refused.positions[0].major, 2);
    cr_assert_eq(strncmp(refused.reason, "row 2: ", 7), 0, "%s", refused.reason);
    cr_assert_not_null(strstr(refused.reason, reason), "%s", refused.reason);
    cr_assert_eq(fixture_count_rows(fixture), 1);
    cr_assert_eq(renew(fixture), 0, "%s", fixture->error.text);
    fixture_insert(fixture, fixture->sql, "later");
    batch = fixture_claim_batch(fixture, 1000, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->rows, 1, "the row that stays is not claimed again");
    cr_assert_eq(settle_asking(fixture, batch, &refused), 0, "%s", fixture->error.text);
    cr_assert_eq(refused.rows, 1, "it is reported until it is gone");
    cr_assert_eq(refused.position_count, 1);
    cr_assert_eq(refused.positions[0].major, 2);
    obx_store_release(fixture->store, batch);
    cr_assert_eq(fixture_count_rows(fixture), 1);
    cr_assert_eq(fixture->base.losses, 0);
}

/* ---- one row ----------------------------------------------------------------------------------------------------- */

Test(refused_rows, foreign_key_keeps_its_row_and_no_other, .timeout = 300)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "referred", true, "  stray_scan_interval: 10ms\n");
    insert_rows(&fixture, 5);
    refer_to(&fixture, "2");
    fixture_begin(&fixture);
    expect_row_2_stays(&fixture, "referred_ref");
    fixture_expect_no_rows_for(&fixture, 200);
    fixture_run(&fixture, "DELETE FROM %s_ref");
    for (int i = 0; i < 150 && fixture_count_rows(&fixture); i++, pause_100_ms())
        cr_assert_eq(renew(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0, "it is removed later, without a settle");
    fixture_close(&fixture);
}

Test(refused_rows, trigger_that_raises_keeps_its_row_and_no_other)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "raises", true, "");
    insert_rows(&fixture, 5);
    make_trigger(&fixture, "RAISE EXCEPTION 'not this one';",
                 "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one';");
    fixture_begin(&fixture);
    expect_row_2_stays(&fixture, "not this one");
    fixture_close(&fixture);
}

/* The fence of the ownership fails with the same state or number. */
Test(refused_rows, failure_that_looks_like_the_fence_does_not_end_the_ownership)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "looks_fenced", true, "");
    insert_rows(&fixture, 5);
    fixture_run(&fixture, "CREATE TABLE %s_audit (note TEXT NOT NULL)");
    make_trigger(&fixture, "RAISE EXCEPTION 'limit of the application' USING ERRCODE = '54000';",
                 "INSERT INTO looks_fenced_audit (note) SELECT NULL;");
    fixture_begin(&fixture);
    expect_row_2_stays(&fixture, BY_SERVER("limit of the application", "cannot be null"));
    fixture_close(&fixture);
}

Test(refused_rows, table_that_a_trigger_lacks_is_not_taken_for_the_outbox)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "audited", true, "");
    insert_rows(&fixture, 5);
    if (server_kind() != POSTGRES)
        fixture_run(&fixture, "CREATE TABLE %s_gone (note TEXT)");
    make_trigger(&fixture, "INSERT INTO public.audited_gone VALUES ('x');", "INSERT INTO audited_gone VALUES ('x');");
    if (server_kind() != POSTGRES)
        fixture_run(&fixture, "RENAME TABLE %s_gone TO %s_elsewhere");
    fixture_begin(&fixture);
    expect_row_2_stays(&fixture, "audited_gone");
    fixture_close(&fixture);
}

Test(refused_rows, constraint_that_is_checked_at_commit_keeps_its_row_and_no_other)
{
    struct sql_fixture fixture;
    if (server_kind() != POSTGRES)
        return; /* MySQL has none */
    fixture_open(&fixture, "deferred", true, "");
    insert_rows(&fixture, 5);
    refer_to(&fixture, "2");
    fixture_run(&fixture, "ALTER TABLE %s_ref ALTER CONSTRAINT %s_ref_row_id_fkey DEFERRABLE INITIALLY DEFERRED");
    fixture_begin(&fixture);
    expect_row_2_stays(&fixture, "deferred_ref");
    fixture_close(&fixture);
}

/* Which rows remain is asked by another statement, which may fail by itself. */
Test(refused_rows, failed_look_up_costs_neither_connection_nor_ownership)
{
    struct sql_fixture fixture;
    struct outbox_refused refused;
    if (server_kind() != POSTGRES)
        return; /* in MySQL no trigger keeps its row without an error */
    fixture_open(&fixture, "blinded", true, "");
    insert_rows(&fixture, 5);
    fixture_run(&fixture, "CREATE ROLE blinded_role");
    make_trigger(&fixture, "PERFORM set_config('role', 'blinded_role', false); RETURN NULL;", "");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 1000, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(settle_asking(&fixture, batch, &refused), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert_eq(renew(&fixture), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture.base.losses, 0);
    fixture_close(&fixture);
}

/* ---- many rows --------------------------------------------------------------------------------------------------- */

static void insert_many(struct sql_fixture *fixture, int doublings)
{
    fixture_insert(fixture, fixture->sql, "a");
    for (int i = 0; i < doublings; i++)
        fixture_run(fixture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) SELECT aggregatetype, "
                             "aggregateid, type, payload FROM %s");
}

Test(refused_rows, few_among_thousands_stay_alone, .timeout = 300)
{
    struct sql_fixture fixture;
    struct outbox_refused refused;
    fixture_open(&fixture, "few_stay", true, "");
    insert_many(&fixture, 11);
    refer_to(&fixture, "SELECT MIN(id) FROM few_stay UNION SELECT id FROM few_stay WHERE id IN (700, 701, 1500) UNION "
                       "SELECT MAX(id) FROM few_stay");
    int64_t stay = fixture_run(&fixture, "SELECT COUNT(*) FROM %s_ref");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 4000, 64 << 20);
    cr_assert_eq(batch->rows, 2048);
    cr_assert_eq(settle_asking(&fixture, batch, &refused), 0, "%s", fixture.error.text);
    cr_assert_eq((int64_t)refused.rows, stay);
    cr_assert_eq((int64_t)refused.position_count, stay);
    for (int64_t i = 1; i < stay; i++)
        cr_assert_lt(refused.positions[i - 1].major, refused.positions[i].major);
    cr_assert_eq(fixture_count_rows(&fixture), stay);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture.base.losses, 0);
    fixture_close(&fixture);
}

/* A trigger that cannot run refuses each row. The relay must keep its connection, and the settle must end. */
Test(refused_rows, trigger_that_fails_for_all_rows_ends_neither_connection_nor_ownership)
{
    struct sql_fixture fixture;
    struct outbox_refused refused;
    fixture_open(&fixture, "all_stay", true, "");
    insert_rows(&fixture, 30);
    if (server_kind() == POSTGRES) {
        fixture_run(&fixture, "CREATE FUNCTION %s_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / 0; "
                              "RETURN OLD; END $$; CREATE TRIGGER no BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION "
                              "%s_no()");
    } else { /* without the right to do it, a definer that is not there cannot be named */
        session_try(fixture.sql,
                    "CREATE DEFINER = 'nobody'@'nowhere' TRIGGER all_stay_no BEFORE DELETE ON all_stay FOR "
                    "EACH ROW SET @x = 1");
        if (!session_try(fixture.sql, "SHOW CREATE TRIGGER all_stay_no"))
            fixture_run(&fixture, "CREATE TRIGGER %s_no BEFORE DELETE ON %s FOR EACH ROW SIGNAL SQLSTATE '45000'");
    }
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 1000, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(settle_asking(&fixture, batch, &refused), 0, "%s", fixture.error.text);
    cr_assert_eq(refused.rows, 30);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(renew(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture.base.losses, 0);
    cr_assert_eq(fixture_count_rows(&fixture), 30);
    fixture_close(&fixture);
}

/* ---- no row ------------------------------------------------------------------------------------------------------ */

Test(refused_rows, settle_that_is_not_allowed_waits_and_blames_no_row)
{
    struct sql_fixture fixture;
    struct outbox_refused refused;
    if (server_kind() != POSTGRES)
        return; /* the test's user has no right to take rights away */
    fixture_open(&fixture, "no_delete", true, "");
    insert_rows(&fixture, 3);
    fixture_run(&fixture, "CREATE ROLE no_delete_relay LOGIN PASSWORD 'outbox'");
    fixture_run(&fixture, "GRANT SELECT, DELETE ON %s TO no_delete_relay; GRANT USAGE ON SCHEMA public TO "
                          "no_delete_relay");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "no_delete_relay"}, "");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 1000, 1 << 20);
    cr_assert_not_null(batch);
    fixture_run(&fixture, "REVOKE DELETE ON %s FROM no_delete_relay");
    cr_assert_eq(settle_asking(&fixture, batch, &refused), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert_eq(refused.rows, 0);
    fixture_run(&fixture, "GRANT DELETE ON %s TO no_delete_relay");
    cr_assert_eq(settle_asking(&fixture, batch, &refused), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    cr_assert_eq(fixture.base.losses, 0);
    fixture_close(&fixture);
}

/* ---- dead letters ------------------------------------------------------------------------------------------------ */

/* Moves rows 1 to 4; `kept` says which of them stay. */
static int dead_letter_four(struct sql_fixture *fixture, uint8_t *kept, struct outbox_refused *refused)
{
    struct outbox_dead_row rows[4];
    struct outbox_dead_letter_rows move = {
        .struct_size = sizeof move, .count = 4, .rows = rows, .kept = kept, .refused = refused};
    struct loop_fixture_call call = {0};
    for (uint64_t i = 0; i < 4; i++)
        rows[i] = (struct outbox_dead_row){.position = {i + 1, 0}, .attempts = 1, .reason = "too large"};
    if (refused)
        *refused = (struct outbox_refused){.struct_size = sizeof *refused};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture->store, &call.call, 0, &move);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

Test(refused_rows, row_that_cannot_be_moved_to_the_dead_letters_stops_no_other)
{
    struct sql_fixture fixture;
    struct outbox_refused refused;
    uint8_t kept[4] = {0};
    fixture_open(&fixture, "unmovable", true, "");
    insert_rows(&fixture, 4);
    refer_to(&fixture, "2");
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1, 2, 3, 4));
    cr_assert_eq(dead_letter_four(&fixture, kept, &refused), 0, "%s", fixture.error.text);
    cr_assert(!kept[0] && kept[1] && !kept[2] && !kept[3]);
    cr_assert_eq(refused.rows, 1);
    cr_assert_not_null(strstr(refused.reason, "row 2: "), "%s", refused.reason);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 3);
    cr_assert_eq(dead_letter_four(&fixture, NULL, NULL), OUTBOX_E_AGAIN, "a host that does not ask gets the error");
    fixture_run(&fixture, "DELETE FROM %s_ref");
    cr_assert_eq(dead_letter_four(&fixture, NULL, NULL), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 4);
    cr_assert_eq(fixture.base.losses, 0);
    fixture_close(&fixture);
}

Test(refused_rows, missing_dead_letter_table_blames_no_row)
{
    struct sql_fixture fixture;
    struct outbox_refused refused;
    uint8_t kept[4] = {0};
    fixture_open(&fixture, "no_letters", true, "");
    insert_rows(&fixture, 4);
    fixture_run(&fixture, "ALTER TABLE %s_dead RENAME TO %s_away");
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1, 2, 3, 4));
    cr_assert_eq(dead_letter_four(&fixture, kept, &refused), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "no_letters_dead"), "%s", fixture.error.text);
    fixture_run(&fixture, "ALTER TABLE %s_away RENAME TO %s_dead");
    cr_assert_eq(dead_letter_four(&fixture, kept, &refused), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 4);
    fixture_close(&fixture);
}
