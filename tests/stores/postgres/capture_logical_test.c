/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture_logical_test.c - `capture: logical`: traps of logical slots */
#include "capture.h"

#define SLOT "(SELECT slot_name FROM pg_replication_slots)"

static int claim_error(struct sql_fixture *fixture)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 10};
    return loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error);
}

static void settle_one(struct sql_fixture *fixture, uint32_t flags, int64_t low)
{
    struct outbox_batch *batch = claim_events(fixture, flags, 1);
    cr_assert_eq(settle(fixture, &(struct outbox_span){batch, 0, 1}, low), 0, "%s", fixture->error.text);
    obx_store_release(fixture->store, batch);
}

static bool is_at(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SELECT count(*) FROM pg_replication_slots, %s_position WHERE confirmed_flush_lsn = "
                                "split_part(log_position, ' ', 3)::pg_lsn") == 1;
}

static bool is_beyond(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SELECT count(*) FROM pg_replication_slots, %s_position WHERE confirmed_flush_lsn > "
                                "split_part(log_position, ' ', 3)::pg_lsn") == 1;
}

static void await_confirmed(struct sql_fixture *fixture)
{
    int64_t end = fixture_now_ms() + 2 * LOOP_FIXTURE_TIMEOUT_MS;
    while (!is_at(fixture)) {
        expect_keys(fixture, 0, "");
        cr_assert_lt(fixture_now_ms(), end);
    }
}

/* The slot follows the position row, never the other way. */
Test(capture_logical, the_slot_is_confirmed_after_the_position_is_recorded)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_confirm");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    settle_one(&fixture, OUTBOX_CLAIM_REWIND, BASE + 1);
    cr_assert(!is_beyond(&fixture));
    await_confirmed(&fixture);
    close_capture(&fixture);
}

static int64_t last_report(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SELECT coalesce((extract(epoch FROM reply_time) * 1000000)::int8, 0) FROM "
                                "pg_replication_slots LEFT JOIN pg_stat_replication ON pid = active_pid");
}

/* Two reports of one stream: the server has acted on the first when it takes the second. */
static void await_reports(struct sql_fixture *fixture)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS, last = 0;
    for (int seen = 0; seen < 2;) {
        int64_t report = last_report(fixture);
        seen += report > last;
        last = report;
        expect_keys(fixture, 0, "");
        cr_assert_lt(fixture_now_ms(), end);
    }
}

/* The next reading begins at the position that was not recorded: what is before it is settled. */
Test(capture_logical, the_slot_is_not_confirmed_beyond_a_record_that_failed)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_unrecorded");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    fixture_run(&fixture, "ALTER TABLE %s_position ADD CONSTRAINT refused CHECK (sequence < 0) NOT VALID");
    cr_assert_neq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0);
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    await_reports(&fixture);
    cr_assert(!is_beyond(&fixture));
    fixture_run(&fixture, "ALTER TABLE %s_position DROP CONSTRAINT refused");
    cr_assert_eq(settle(&fixture, NULL, BASE + 1), 0, "%s", fixture.error.text);
    await_confirmed(&fixture);
    close_capture(&fixture);
}

/* P1: a server that is killed forgets what was confirmed; the position row does not. */
Test(capture_logical, a_slot_that_goes_back_repeats_nothing)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_back");
    fixture_run(&fixture, "SET synchronous_commit = on");
    fixture_begin(&fixture);
    for (int i = 0; i < 7; i++)
        emit(&fixture, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "aaaaaaa");
    cr_assert_eq(settle(&fixture, NULL, BASE + 7), 0, "%s", fixture.error.text);
    await_confirmed(&fixture);
    server_do("kill");
    server_do("restart");
    session_close(fixture.sql);
    fixture.sql = session_open();
    emit(&fixture, "b");
    fixture_begin_again(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "b");
    close_capture(&fixture);
}

/* P2: the server would go on from there, silently. */
Test(capture_logical, a_slot_that_another_program_has_moved_is_refused)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_moved");
    emit(&fixture, "a");
    fixture_run(&fixture, "SELECT 1 FROM pg_replication_slot_advance(" SLOT ", pg_current_wal_flush_lsn())");
    emit(&fixture, "b");
    fixture_begin(&fixture);
    cr_assert_eq(claim_error(&fixture), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "already: another program has moved it; events that were committed from"),
              "%s", fixture.error.text);
    close_capture(&fixture);
}

/* P3. */
Test(capture_logical, a_publication_that_is_missing_is_refused_and_named_by_check)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_publication");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "there is no publication").count, 0);
    fixture_run(&fixture, "DROP PUBLICATION \"outbox:log_publication\"");
    cr_assert_eq(fixture_check(&fixture, "there is no publication \"outbox:log_publication\"").severity,
                 OUTBOX_SEVERITY_ERROR);
    cr_assert_eq(claim_error(&fixture), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "there is no publication \"outbox:log_publication\""), "%s",
              fixture.error.text);
    close_capture(&fixture);
}

Test(capture_logical, check_opens_the_connection_and_names_settings_that_hinder)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_check");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "the server sends its log").severity, OUTBOX_SEVERITY_OK);
    cr_assert_eq(fixture_check(&fixture, "there is no slot").count, 0);
    cr_assert_eq(fixture_check(&fixture, "does not go to standbys").count, 0);
    fixture_run(&fixture, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (!fixture_check(&fixture, "takes the relay for a standby").count)
        cr_assert_lt(fixture_now_ms(), end);
    fixture_run(&fixture, "SET synchronous_commit = local");
    fixture_run(&fixture, "ALTER SYSTEM RESET synchronous_standby_names");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    drop_slot(&fixture);
    cr_assert_eq(fixture_check(&fixture, "there is no slot outbox_").severity, OUTBOX_SEVERITY_ERROR);
    close_capture(&fixture);
}

/* P8: the transaction is published on the run. */
Test(capture_logical, a_large_transaction_is_given_in_parts)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_parts");
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN");
    fixture_run(&fixture, "SELECT count(%s_emit('o', 'k', 't', repeat('x', 20000))) FROM generate_series(1, 1000) n");
    fixture_run(&fixture, "COMMIT");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1000);
    cr_assert_lt(batch->rows, 1000);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, batch->rows}, BASE + batch->rows), 0);
    cr_assert_eq(fixture_run(&fixture, "SELECT log_index FROM %s_position"), batch->rows);
    uint32_t seen = batch->rows;
    obx_store_release(fixture.store, batch);
    fixture_begin_again(&fixture);
    for (uint32_t flags = OUTBOX_CLAIM_REWIND; seen < 1000; flags = 0) {
        batch = claim_events(&fixture, flags, 1000);
        cr_assert_eq((int64_t)batch->positions[0].major, BASE + seen + 1);
        seen += batch->rows;
        obx_store_release(fixture.store, batch);
    }
    cr_assert_eq(seen, 1000);
    close_capture(&fixture);
}

/* P12: a former owner that hangs has the slot. */
Test(capture_logical, a_former_owner_that_has_the_slot_is_ended)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_busy");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    struct obx_instance *first = fixture.store;
    fixture.store = fixture_another(&fixture);
    server_end_owner(fixture.sql, fixture.table); /* its stream stays */
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_take_over(&fixture, 1000);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    obx_store_release(first, batch);
    loop_fixture_stop(&fixture.base, first, &fixture.error);
    obx_instance_free(first);
    close_capture(&fixture);
}

/* P10: the server has removed what the slot kept. */
Test(capture_logical, a_slot_that_is_lost_halts_and_is_given_up_by_hand)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "log_lost");
    fixture_run(&fixture, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    emit(&fixture, "a");
    for (int i = 0; i < 50 && !is_lost(&fixture); i++)
        write_and_remove_log(&fixture);
    cr_assert(is_lost(&fixture));
    fixture_begin(&fixture);
    cr_assert_eq(claim_error(&fixture), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "may be lost"), "%s", fixture.error.text);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){0}, CAPTURE);
    fixture_run(&fixture, "UPDATE %s_position SET log_position = ''");
    init_again(&fixture);
    emit(&fixture, "b");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "b");
    fixture_run(&fixture, "ALTER SYSTEM RESET max_slot_wal_keep_size");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    close_capture(&fixture);
}

/* The position is the same for both: the log is read on by the other. */
Test(capture_logical, a_position_is_taken_over_from_wal_and_back)
{
    struct sql_fixture fixture;
    struct session *other = session_open();
    fixture_open(&fixture, "log_switch", true, "  capture: wal\n");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    settle_one(&fixture, OUTBOX_CLAIM_REWIND, BASE + 1);
    fixture_stop(&fixture);

    fixture_reconfigure(&fixture, &(struct server_place){0}, CAPTURE);
    init_again(&fixture); /* the logical slot begins here: the position has to reach it first */
    emit(&fixture, "b");
    fixture_begin(&fixture);
    cr_assert_eq(claim_error(&fixture), OUTBOX_E_SCHEMA);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){0}, "  capture: wal\n");
    fixture_begin(&fixture);
    settle_one(&fixture, OUTBOX_CLAIM_REWIND, BASE + 2);
    fixture_stop(&fixture);

    fixture_reconfigure(&fixture, &(struct server_place){0}, CAPTURE);
    session_run(other, "BEGIN");
    emit_on(&fixture, other, "x");
    emit(&fixture, "c");
    fixture_begin(&fixture);
    settle_one(&fixture, OUTBOX_CLAIM_REWIND, BASE + 3);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){0}, "  capture: wal\n");
    session_run(other, "COMMIT");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "x");
    session_close(other);
    close_capture(&fixture);
}
