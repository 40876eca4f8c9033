/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/locked_rows_test.c - a row that another session has locked stops no other, and is not refused
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fixture.h"

struct locked {
    struct sql_fixture fixture;
    struct session *holder;
    struct outbox_refused refused; /* of the last settle */
};

static void pause_100_ms(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

/* Five rows; another session holds the lock of row 3. */
static void open_locked(struct locked *locked, const char *table, const char *yaml)
{
    fixture_open(&locked->fixture, table, true, yaml);
    locked->holder = session_open();
    for (int i = 0; i < 5; i++)
        fixture_insert(&locked->fixture, locked->fixture.sql, "a");
    fixture_begin(&locked->fixture);
    session_run(locked->holder, "BEGIN");
    fixture_run_on(&locked->fixture, locked->holder, "SELECT id FROM %s WHERE id = 3 FOR UPDATE");
}

static void close_locked(struct locked *locked)
{
    cr_assert_eq(locked->fixture.base.losses, 0);
    session_close(locked->holder);
    fixture_close(&locked->fixture);
}

static int settle(struct locked *locked, const struct outbox_batch *batch)
{
    struct outbox_span span = {batch, 0, batch->rows};
    struct outbox_settle settle = {
        .struct_size = sizeof settle, .span_count = 1, .spans = &span, .refused = &locked->refused};
    struct loop_fixture_call call = {0};
    locked->refused = (struct outbox_refused){.struct_size = sizeof locked->refused};
    loop_fixture_reset(&call);
    obx_store_settle(locked->fixture.store, &call.call, 0, &settle);
    int code = loop_fixture_wait(&locked->fixture.base, &call);
    locked->fixture.error = call.error;
    return code;
}

/* As a relay does it after a failure that passes. */
static void settle_until_it_works(struct locked *locked, const struct outbox_batch *batch)
{
    int code = OUTBOX_E_AGAIN;
    for (int i = 0; i < 20 && code == OUTBOX_E_AGAIN; i++)
        code = settle(locked, batch);
    cr_assert_eq(code, 0, "%s", locked->fixture.error.text);
}

static void renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
}

static void await_empty(struct locked *locked)
{
    session_run(locked->holder, "ROLLBACK");
    for (int i = 0; i < 300 && fixture_count_rows(&locked->fixture); i++, pause_100_ms())
        renew(&locked->fixture);
    cr_assert_eq(fixture_count_rows(&locked->fixture), 0, "it is removed soon, without a settle");
}

Test(locked_rows, locked_row_stops_no_other, .timeout = 300)
{
    struct locked locked;
    open_locked(&locked, "row_locked", "");
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 10, 1 << 20);
    settle_until_it_works(&locked, batch);
    obx_store_release(locked.fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&locked.fixture), 1, "the other rows are gone");
    cr_assert_eq(locked.refused.rows, 0, "it is not refused: %s", locked.refused.reason);
    cr_assert_eq(locked.refused.locked, 1);
    cr_assert_eq(locked.refused.position_count, 1);
    cr_assert_geq(locked.refused.positions[0].major, 1);
    fixture_expect_rows(&locked.fixture, 0, NULL);
    await_empty(&locked);
    close_locked(&locked);
}

/* Settles after the first one do not wait for it. */
Test(locked_rows, later_settles_remove_their_rows, .timeout = 300)
{
    struct locked locked;
    open_locked(&locked, "row_locked_long", "");
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 10, 1 << 20);
    settle_until_it_works(&locked, batch);
    obx_store_release(locked.fixture.store, batch);
    for (int i = 0; i < 20; i++) {
        fixture_insert(&locked.fixture, locked.fixture.sql, "b");
        batch = fixture_claim_batch(&locked.fixture, 10, 1 << 20);
        cr_assert(batch && batch->rows == 1);
        cr_assert_eq(settle(&locked, batch), 0, "%s", locked.fixture.error.text);
        obx_store_release(locked.fixture.store, batch);
        cr_assert_eq(fixture_count_rows(&locked.fixture), 1);
    }
    await_empty(&locked);
    close_locked(&locked);
}

Test(locked_rows, row_that_is_locked_for_long_is_named, .timeout = 300)
{
    struct locked locked;
    open_locked(&locked, "row_locked_on", "");
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 10, 1 << 20);
    settle_until_it_works(&locked, batch);
    for (int i = 0; i < 300 && !locked.refused.rows; i++, pause_100_ms())
        settle_until_it_works(&locked, batch);
    obx_store_release(locked.fixture.store, batch);
    cr_assert_eq(locked.refused.rows, 1);
    cr_assert_eq(strncmp(locked.refused.reason, "row 3: another session has had a lock on it for ", 48), 0, "%s",
                 locked.refused.reason);
    cr_assert_eq(locked.refused.locked, 0);
    await_empty(&locked);
    close_locked(&locked);
}

Test(locked_rows, many_locked_rows_stop_no_other, .timeout = 300)
{
    struct locked locked;
    open_locked(&locked, "rows_locked", "");
    for (int i = 0; i < 200; i++)
        fixture_insert(&locked.fixture, locked.fixture.sql, "b");
    fixture_run_on(&locked.fixture, locked.holder,
                   BY_SERVER("SELECT id FROM %s WHERE id % 5 = 0 FOR UPDATE",
                             "SELECT id FROM %s WHERE id IN (5, 10, 100, 150, 205) FOR "
                             "UPDATE"));
    int64_t held = BY_SERVER(42, 6);
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 1000, 1 << 20);
    cr_assert_eq(batch->rows, 205);
    settle_until_it_works(&locked, batch);
    obx_store_release(locked.fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&locked.fixture), held);
    cr_assert_eq((int64_t)locked.refused.locked, held);
    cr_assert_eq(locked.refused.rows, 0);
    await_empty(&locked);
    close_locked(&locked);
}

/* In Postgres such a row has no trace of its sessions. */
Test(locked_rows, row_that_two_sessions_have_locked_stops_no_other, .timeout = 300)
{
    struct locked locked;
    struct session *second = session_open();
    open_locked(&locked, "row_shared", "");
    session_run(locked.holder, "ROLLBACK");
    session_run(locked.holder, "BEGIN");
    session_run(second, "BEGIN");
    fixture_run_on(
        &locked.fixture, locked.holder,
        BY_SERVER("SELECT id FROM %s WHERE id = 3 FOR SHARE", "SELECT id FROM %s WHERE id = 3 LOCK IN SHARE MODE"));
    fixture_run_on(
        &locked.fixture, second,
        BY_SERVER("SELECT id FROM %s WHERE id = 3 FOR SHARE", "SELECT id FROM %s WHERE id = 3 LOCK IN SHARE MODE"));
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 10, 1 << 20);
    settle_until_it_works(&locked, batch);
    obx_store_release(locked.fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&locked.fixture), 1);
    cr_assert_eq(locked.refused.locked, 1);
    session_run(second, "ROLLBACK");
    session_close(second);
    await_empty(&locked);
    close_locked(&locked);
}

/* Postgres: a row that was locked earlier still has a mark of it. */
Test(locked_rows, row_that_was_locked_before_is_removed, .timeout = 300)
{
    struct locked locked;
    open_locked(&locked, "row_was_locked", "");
    session_run(locked.holder, "COMMIT");
    session_run(locked.holder, "BEGIN");
    fixture_run_on(&locked.fixture, locked.holder, "SELECT id FROM %s WHERE id = 4 FOR UPDATE");
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 10, 1 << 20);
    settle_until_it_works(&locked, batch);
    obx_store_release(locked.fixture.store, batch);
    for (int i = 0; i < 300 && fixture_count_rows(&locked.fixture) > 1; i++, pause_100_ms())
        renew(&locked.fixture);
    cr_assert_eq(fixture_count_rows(&locked.fixture), 1, "only the row is left that is still locked");
    await_empty(&locked);
    close_locked(&locked);
}

/* ---- locks of the table ------------------------------------------------------------------------------------------ */

/* Of a single row, too: the lock is not its fault. */
Test(locked_rows, lock_of_the_table_is_blamed_on_no_row, .timeout = 300)
{
    struct locked locked;
    open_locked(&locked, "table_locked", "  statement_timeout: 3s\n");
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 1, 1 << 20);
    session_run(locked.holder, "ROLLBACK");
    session_run(locked.holder, BY_SERVER("BEGIN", "SELECT 1"));
    fixture_run_on(&locked.fixture, locked.holder, BY_SERVER("LOCK TABLE %s IN SHARE MODE", "LOCK TABLES %s READ"));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(settle(&locked, batch), OUTBOX_E_AGAIN, "%s", locked.fixture.error.text);
        cr_assert_null(strstr(locked.fixture.error.text, "row 1"), "%s", locked.fixture.error.text);
    }
    session_run(locked.holder, BY_SERVER("COMMIT", "UNLOCK TABLES"));
    settle_until_it_works(&locked, batch);
    cr_assert_eq(locked.refused.rows + locked.refused.locked, 0);
    obx_store_release(locked.fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&locked.fixture), 4);
    close_locked(&locked);
}

/* ---- dead letters ------------------------------------------------------------------------------------------------ */

static int dead_letter_all(struct sql_fixture *fixture, uint8_t *kept, struct outbox_refused *refused)
{
    struct outbox_dead_row rows[5];
    struct outbox_dead_letter_rows move = {
        .struct_size = sizeof move, .count = 5, .rows = rows, .kept = kept, .refused = refused};
    struct loop_fixture_call call = {0};
    for (uint64_t i = 0; i < 5; i++)
        rows[i] = (struct outbox_dead_row){.position = {i + 1, 0}, .attempts = 1, .reason = "too large"};
    *refused = (struct outbox_refused){.struct_size = sizeof *refused};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture->store, &call.call, 0, &move);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

Test(locked_rows, locked_row_keeps_no_other_from_the_dead_letters, .timeout = 300)
{
    struct locked locked;
    uint8_t kept[5] = {0};
    int code = OUTBOX_E_AGAIN;
    open_locked(&locked, "unmoved", "");
    fixture_expect_rows(&locked.fixture, IDS(1, 2, 3, 4, 5));
    for (int i = 0; i < 20 && code == OUTBOX_E_AGAIN; i++)
        code = dead_letter_all(&locked.fixture, kept, &locked.refused);
    cr_assert_eq(code, 0, "%s", locked.fixture.error.text);
    cr_assert(!kept[0] && !kept[1] && kept[2] && !kept[3] && !kept[4]);
    cr_assert_not_null(strstr(locked.refused.reason,
                              BY_SERVER("row 3: another session has locked it", "another session has locked row 3")),
                       "%s", locked.refused.reason);
    cr_assert_eq(fixture_run(&locked.fixture, "SELECT COUNT(*) FROM %s_dead"), 4);
    session_run(locked.holder, "ROLLBACK");
    cr_assert_eq(dead_letter_all(&locked.fixture, kept, &locked.refused), 0, "%s", locked.fixture.error.text);
    cr_assert_eq(fixture_run(&locked.fixture, "SELECT COUNT(*) FROM %s_dead"), 5);
    cr_assert_eq(fixture_count_rows(&locked.fixture), 0);
    close_locked(&locked);
}

/* ---- time-outs --------------------------------------------------------------------------------------------------- */

/* MySQL limits the time of reads only. */
Test(locked_rows, row_whose_removal_takes_too_long_stops_no_other, .timeout = 300)
{
    struct locked locked;
    if (server_kind() == MYSQL_SERVER)
        return;
    open_locked(&locked, "slow_row", "  statement_timeout: 3s\n");
    session_run(locked.holder, "ROLLBACK");
    if (server_kind() == POSTGRES)
        fixture_run(&locked.fixture, "CREATE FUNCTION %s_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id "
                                     "= 2 THEN PERFORM pg_sleep(30); END IF; RETURN OLD; END $$; CREATE TRIGGER slow "
                                     "BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s_slow()");
    else
        fixture_run(&locked.fixture, "CREATE TRIGGER %s_slow BEFORE DELETE ON %s FOR EACH ROW BEGIN IF OLD.id = 2 THEN "
                                     "DO SLEEP(30); END IF; END");
    struct outbox_batch *batch = fixture_claim_batch(&locked.fixture, 10, 1 << 20);
    settle_until_it_works(&locked, batch);
    obx_store_release(locked.fixture.store, batch);
    cr_assert_eq(locked.refused.rows, 1);
    cr_assert_eq(strncmp(locked.refused.reason, "row 2: ", 7), 0, "%s", locked.refused.reason);
    cr_assert_eq(fixture_count_rows(&locked.fixture), 1);
    close_locked(&locked);
}
