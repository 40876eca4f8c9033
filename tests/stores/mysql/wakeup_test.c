/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/wakeup_test.c - commits in the binlog wake a sleeping relay */
#include <stdio.h>

#include "wakeup.h"

#define BINLOG "  wakeup: binlog\n"

static void fixture_renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
}

/* All streams: that of a test before may still be there for a moment. */
static void end_streams(struct sql_fixture *fixture)
{
    char sql[160];
    for (int64_t id = 0; id >= 0;) {
        snprintf(sql, sizeof sql,
                 "SELECT MIN(id) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%' AND id > %lld",
                 (long long)id);
        id = session_run(fixture->sql, sql);
        snprintf(sql, sizeof sql, "KILL %lld", (long long)id);
        if (id >= 0)
            session_try(fixture->sql, sql); /* it may have ended by itself */
    }
}

Test(wakeup, commit_wakes_a_sleeping_relay)
{
    wakeup_expect_by_commits("notified", BINLOG);
}

/* A commit is in the binlog before its rows are visible. */
Test(wakeup, wakeup_is_not_armed_for_a_while_after_a_notification)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "notified_early", BINLOG);
    int64_t before = fixture_now_ms();
    wakeup_expect_on_insert(&fixture);
    wakeup_arm(&fixture);
    cr_assert_geq(fixture_now_ms() - before, 200);
    fixture_close(&fixture);
}

/* The stream is ordered: a wrong notification would arrive before the expected notification. */
Test(wakeup, rollback_or_other_table_wakes_no_relay)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "undisturbed", BINLOG);
    uint32_t wakes = fixture.base.wakes;
    fixture_run(&fixture, "CREATE TABLE noise LIKE %s");
    session_run(fixture.sql, "INSERT INTO noise (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't')");
    session_run(fixture.sql, "BEGIN");
    fixture_insert(&fixture, fixture.sql, "a");
    session_run(fixture.sql, "ROLLBACK");
    for (int i = 0; i < 20; i++) /* the loop turns */
        fixture_renew(&fixture);
    cr_assert_eq(fixture.base.wakes, wakes);
    wakeup_expect_on_insert(&fixture);
    cr_assert_eq(fixture.base.wakes, wakes + 1);
    fixture_close(&fixture);
}

Test(wakeup, prepared_transaction_notifies_at_its_commit)
{
    struct sql_fixture fixture;
    struct session *writer = session_open();
    wakeup_open_armed(&fixture, "wakeup_prepared", BINLOG);
    server_begin(writer, "notifying");
    fixture_insert(&fixture, writer, "a");
    server_prepare(writer, "notifying");
    uint32_t wakes = fixture.base.wakes;
    server_end(writer, "notifying", true, true);
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    fixture_await_rows(&fixture);
    cr_assert_eq(fixture.count, 1);
    session_close(writer);
    fixture_close(&fixture);
}

Test(wakeup, statement_in_the_binlog_notifies_as_rows_do)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "stated", BINLOG);
    fixture_run(&fixture, "SET SESSION binlog_format = 'STATEMENT'");
    uint32_t wakes = fixture.base.wakes;
    fixture_run(&fixture, "INSERT INTO %s (event_id, aggregatetype, aggregateid, type) VALUES ('e', 'o', 'a', 't')");
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    fixture_close(&fixture);
}

Test(wakeup, ended_stream_wakes_the_relay_and_reconnects)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "cut", BINLOG);
    uint32_t wakes = fixture.base.wakes;
    end_streams(&fixture);
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    wakeup_arm(&fixture);
    wakeup_expect_on_insert(&fixture);
    fixture_await_rows(&fixture);
    cr_assert_eq(fixture.count, 1);
    fixture_close(&fixture);
}

/* The server is paused: the listener thread waits in a read or in a connect. Resumes the server. */
static void stop_while_it_hangs(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_instance_stop(fixture->store, &call.call, 200); /* the server does not read the goodbye */
    int code = loop_fixture_wait(&fixture->base, &call);
    server_do("resume");
    cr_assert_eq(code, 0, "%s", call.error.text);
    cr_assert_eq(obx_instance_in_flight(fixture->store), 0);
    fixture_begin_again(fixture);
}

Test(wakeup, relay_stops_while_the_server_hangs)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "wakeup_hung", BINLOG);
    server_do("pause");
    stop_while_it_hangs(&fixture);
    wakeup_arm(&fixture);
    wakeup_expect_on_insert(&fixture);
    fixture_close(&fixture);
}

Test(wakeup, relay_stops_while_the_listener_connects_to_a_server_that_hangs)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "wakeup_connecting", BINLOG);
    uint32_t wakes = fixture.base.wakes;
    end_streams(&fixture);
    server_do("pause"); /* it connects again within 0.1 s, or has done so */
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    stop_while_it_hangs(&fixture);
    fixture_close(&fixture);
}

Test(wakeup, default_configuration_arms_no_wakeup)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "unnotified", true, "");
    fixture_begin(&fixture);
    cr_assert_not(wakeup_armed(&fixture));
    fixture_close(&fixture);
}

/* ---- a user who may not read the binlog -------------------------------------------------------------------------- */

Test(wakeup, outbox_is_polled_until_the_permission_is_granted)
{
    struct sql_fixture fixture;
    struct wakeup_log log;
    fixture_open(&fixture, "ungranted", true, "");
    server_make_user(fixture.sql, "ungranted", "");
    server_grant(fixture.sql, "ALL", "*", "ungranted");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "ungranted"}, BINLOG);
    wakeup_capture_log(&fixture, &log);
    fixture_begin(&fixture);
    wakeup_await_warning(&fixture);
    cr_assert_str_eq(log.warning, BY_KIND("",
                                          "wake-up notifications do not work; the relay polls until they do: read "
                                          "the end of the binlog: Access denied; you "
                                          "need (at least one of) the SUPER, BINLOG MONITOR privilege(s) for this "
                                          "operation (1227); grant what 'outbox init "
                                          "--print-grants' prints, or set wakeup: off",
                                          "wake-up notifications do not work; the relay polls until they do: read "
                                          "the end of the binlog: Access denied; you "
                                          "need (at least one of) the SUPER, REPLICATION CLIENT privilege(s) for "
                                          "this operation (1227); grant what 'outbox "
                                          "init --print-grants' prints, or set wakeup: off"));
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_await_rows(&fixture);
    cr_assert_eq(fixture.count, 1);
    fixture_run(&fixture, "GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO ungranted@'%'");
    wakeup_arm(&fixture);
    cr_assert(log.warnings == 1 && log.recoveries == 1, "%u warnings, %u recoveries", log.warnings, log.recoveries);
    wakeup_expect_on_insert(&fixture);
    fixture_close(&fixture);
}
