/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture_failover_test.c - `capture: wal`: a promoted standby, and a log that grows to its limit
 */
#include "capture.h"

static void wait_for_replay(struct sql_fixture *fixture, int port)
{
    struct session *session = session_open_at(port);
    char sql[120];
    int64_t end = fixture_run(fixture, "SELECT pg_current_wal_flush_lsn() - '0/0'");
    snprintf(sql, sizeof sql, "SELECT (pg_last_wal_replay_lsn() - '0/0' >= %lld)::int", (long long)end);
    for (int i = 0; i < 1000 && session_run(session, sql) != 1; i++)
        session_run(session, "SELECT pg_sleep(0.01)");
    cr_assert_eq(session_run(session, sql), 1);
    session_close(session);
}

/* The position row is replicated with the data, so the new primary's log has its place, on the old timeline. */
Test(capture_failover, reading_goes_on_over_the_end_of_a_timeline)
{
    struct sql_fixture fixture;
    int port = server_port() + 1;
    char ports[30];
    open_capture(&fixture, "cap_failover");
    server_standby("start", port);
    snprintf(ports, sizeof ports, "%d,%d", port, server_port());
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports}, CAPTURE);
    fixture_begin(&fixture);
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    emit(&fixture, "b");
    wait_for_replay(&fixture, port);

    session_close(fixture.sql);
    server_do("kill");
    server_standby("promote", port);
    fixture.sql = session_open_at(port);
    emit(&fixture, "c");
    fixture_begin_again(&fixture);
    batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert(batch->rows == 1 && (int64_t)batch->positions[0].major == BASE + 2, "b has the number that it had");
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, 0, "c");
    cr_assert_eq(settle(&fixture, NULL, BASE + 3), 0, "%s", fixture.error.text);
    fixture_begin_again(&fixture);
    emit(&fixture, "d");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "d");
    fixture_close(&fixture);
    server_standby("stop", port);
    server_do("restart"); /* for others */
}

static void write_log(struct sql_fixture *fixture, int megabytes)
{
    for (int i = 0; i < megabytes; i++)
        fixture_run(fixture, "SELECT pg_logical_emit_message(false, 'other', repeat('x', 1048576))");
}

static int renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    return loop_fixture_wait(&fixture->base, &call);
}

static uint32_t measure(struct sql_fixture *fixture, uint32_t *percent)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_MEASURE};
    cr_assert_eq(renew(fixture), 0); /* which begins to measure; the answer comes before that of the claim */
    cr_assert_eq(renew(fixture), 0);
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0);
    *percent = claim.log_percent;
    return claim.result;
}

Test(capture_limit, the_host_is_asked_to_relieve_the_log_near_its_limit)
{
    struct sql_fixture fixture;
    uint32_t percent = 0;
    open_capture(&fixture, "cap_limit");
    fixture_run(&fixture, "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    while (fixture_run(&fixture, "SELECT (current_setting('max_slot_wal_keep_size') = '64MB')::int") != 1)
        ;
    cr_assert(!(measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE));
    write_log(&fixture, 52);
    for (int i = 0; i < 200 && percent < 75; i++)
        measure(&fixture, &percent);
    cr_assert(measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE, "%u %%", percent);

    /* the event is spooled, and then the log is free */
    cr_assert_eq(spool(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, 0, "");
    cr_assert_eq(settle(&fixture, NULL, 0), 0, "%s", fixture.error.text);
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE)
        cr_assert_lt(fixture_now_ms(), end, "%u %%", percent);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    fixture_run(&fixture, "ALTER SYSTEM RESET max_slot_wal_keep_size");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    close_capture(&fixture);
}

/* ---- check and status -------------------------------------------------------------------------------------------- */

Test(capture_check, names_what_is_missing)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_check");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "there is no slot").count, 0);
    cr_assert_eq(fixture_check(&fixture, "max_slot_wal_keep_size has no limit").count, 1);
    drop_slot(&fixture);
    struct fixture_findings slot = fixture_check(&fixture, "there is no slot outbox_");
    cr_assert(slot.count == 1 && slot.severity == OUTBOX_SEVERITY_ERROR && *slot.command);
    fixture_paste(&fixture, slot.command);
    cr_assert_eq(fixture_check(&fixture, "there is no slot").count, 0);
    fixture_run(&fixture, "DROP FUNCTION %s_emit(text, text, text, text, jsonb, uuid)");
    cr_assert_eq(fixture_check(&fixture, "there is no function").count, 0);
    fixture_run(&fixture, "DROP FUNCTION %s_emit(text, text, text, bytea, jsonb, uuid)");
    cr_assert_eq(fixture_check(&fixture, "there is no function").count, 1);
    fixture_run(&fixture, "DROP TABLE %s_position");
    cr_assert_eq(fixture_check(&fixture, "which has the position").count, 1);
    close_capture(&fixture);
}
