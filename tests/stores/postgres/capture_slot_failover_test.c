/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture_slot_failover_test.c - `capture: logical` with a slot that goes to a standby (17 and
 * later)
 */
#include "capture.h"

static void follow_slots(struct session *standby)
{
    char sql[160];
    snprintf(sql, sizeof sql, "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=%d user=outbox dbname=outbox'",
             server_port());
    session_run(standby, sql);
    session_run(standby, "ALTER SYSTEM SET primary_slot_name = 'standby'");
    session_run(standby, "ALTER SYSTEM SET hot_standby_feedback = on");
    session_run(standby, "ALTER SYSTEM SET sync_replication_slots = on");
    session_run(standby, "SELECT pg_reload_conf()");
}

static void pass_one(struct sql_fixture *fixture, int64_t number)
{
    emit(fixture, "a");
    while (!*keys_of(fixture, 0).text)
        ;
    cr_assert_eq(settle(fixture, NULL, BASE + number), 0, "%s", fixture->error.text);
    fixture_run(fixture, "SELECT 1 FROM pg_log_standby_snapshot()");
}

/* P13. */
Test(capture_slot_failover, reading_goes_on_at_a_standby_that_has_the_slot)
{
    struct sql_fixture fixture;
    int port = server_port() + 1;
    int64_t number = 0, end = fixture_now_ms() + 3 * LOOP_FIXTURE_TIMEOUT_MS;
    char ports[30];
    struct session *standby = session_open();
    int64_t version = session_run(standby, "SHOW server_version_num");
    session_close(standby);
    if (version < 170000)
        cr_skip_test("slots go to standbys from version 17 on");
    open_capture(&fixture, "log_failover");
    fixture_run(&fixture, "SELECT 1 FROM pg_create_physical_replication_slot('standby')");
    server_standby("start", port);
    standby = session_open_at(port);
    follow_slots(standby);
    snprintf(ports, sizeof ports, "%d,%d", port, server_port());
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports}, CAPTURE);
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    while (session_run(standby, "SELECT count(*) FROM pg_replication_slots WHERE synced AND NOT temporary") != 1) {
        pass_one(&fixture, ++number);
        cr_assert_lt(fixture_now_ms(), end);
    }
    emit(&fixture, "b");
    wait_for_replay(&fixture, port);

    session_close(standby);
    session_close(fixture.sql);
    server_do("kill");
    server_standby("promote", port);
    fixture.sql = session_open_at(port);
    emit(&fixture, "c");
    fixture_begin_again(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "bc");
    cr_assert_eq(settle(&fixture, NULL, BASE + number + 2), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
    server_standby("stop", port);
    server_do("restart"); /* for others */
}
