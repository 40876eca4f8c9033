/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/wal_wakeup_test.c - a commit in the WAL wakes a sleeping relay, and costs the server nothing
 * else */
#include <libpq-fe.h>
#include <stdio.h>

#include "wakeup.h"

#define WAL "  wakeup: wal\n"
static const char streams[] = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'outbox test wakeup'";

static void open_armed_with_noise(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, WAL);
    fixture_run(fixture, "CREATE TABLE IF NOT EXISTS noise (i int)");
    fixture_begin(fixture);
    wakeup_arm(fixture);
}

/* A commit without an outbox row. */
static void make_noise(struct sql_fixture *fixture)
{
    fixture_run(fixture, "INSERT INTO noise VALUES (1)");
}

/* ---- commits ----------------------------------------------------------------------------------------------------- */

Test(wal_wakeup, commit_wakes_a_sleeping_relay)
{
    wakeup_expect_by_commits("wal_commit", WAL);
}

Test(wal_wakeup, stream_is_named_after_application_name)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "wal_name", WAL "  application_name: shop relay\n");
    cr_assert_eq(
        fixture_run(&fixture, "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'shop relay wakeup'"),
        1);
    fixture_close(&fixture);
}

static void end_tls(void)
{
    server_do("plain");
}

Test(wal_wakeup, stream_uses_tls, .fini = end_tls)
{
    static const char encrypted[] =
        "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl AND "
        "application_name = 'outbox test wakeup'";
    struct sql_fixture fixture;
    char more[400];
    server_do("tls");
    snprintf(more, sizeof more, "sslmode=verify-full sslrootcert=%s/ca.pem", server_dir());
    fixture_open(&fixture, "wal_tls", true, "");
    fixture_reconfigure(&fixture, &(struct server_place){.more = more}, WAL);
    fixture_begin(&fixture);
    wakeup_arm(&fixture);
    cr_assert_eq(fixture_run(&fixture, encrypted), 1);
    wakeup_expect_on_each_insert(&fixture);
    fixture_close(&fixture);
}

/* The relay sleeps while a transaction has written already: its commit wakes the relay. */
Test(wal_wakeup, transaction_open_before_the_sleep_notifies_at_its_commit)
{
    struct sql_fixture fixture;
    struct session *writer = session_open();
    fixture_open(&fixture, "wal_open", true, WAL);
    fixture_begin(&fixture);
    session_run(writer, "BEGIN");
    fixture_insert(&fixture, writer, "a");
    wakeup_arm(&fixture);
    uint32_t wakes = fixture.base.wakes;
    session_run(writer, "COMMIT");
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    fixture_await_rows(&fixture);
    cr_assert(fixture.count == 1 && fixture.ids[0] == 1);
    session_close(writer);
    fixture_close(&fixture);
}

Test(wal_wakeup, relay_sleeps_again_after_a_rollback_and_wakes_at_the_next_commit)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "wal_back", WAL);
    fixture_run(&fixture, "BEGIN");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_run(&fixture, "ROLLBACK");
    fixture_expect_rows(&fixture, 0, NULL);
    wakeup_arm(&fixture);
    wakeup_expect_on_insert(&fixture);
    fixture_await_rows(&fixture);
    cr_assert(fixture.count == 1 && fixture.ids[0] == 2);
    fixture_close(&fixture);
}

/* A poll may have missed a commit that arrives by the stream before the poll ends. */
Test(wal_wakeup, wakeup_is_not_armed_while_the_log_grows)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "wal_grows", WAL);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_await_rows(&fixture);
    for (int i = 0; i < 20; i++) {
        fixture_run(&fixture, "UPDATE wal_grows SET payload = 'y'");
        cr_assert_not(wakeup_armed(&fixture));
    }
    fixture_close(&fixture);
}

Test(wal_wakeup, sleeping_and_waking_runs_no_statement)
{
    static const char last_query[] =
        "SELECT (extract(epoch FROM max(query_start)) * 1000000)::int8 FROM pg_stat_activity WHERE application_name = "
        "'outbox test' AND backend_type = 'client backend'";
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "wal_still", WAL);
    int64_t before = fixture_run(&fixture, last_query);
    wakeup_expect_on_insert(&fixture);
    cr_assert_eq(fixture_run(&fixture, last_query), before);
    fixture_close(&fixture);
}

/* ---- commits of other tables ---------------------------------------------------------------------------------- */

static bool stream_is_closed_by_noise(void *arg)
{
    struct sql_fixture *fixture = arg;
    for (int i = 0; i < 20; i++) {
        make_noise(fixture);
        cr_assert_not(wakeup_armed(fixture));
    }
    return fixture_run(fixture, streams) == 0;
}

/* Each poll sees that the log has grown. The relay is not woken for that, and after a while it closes the stream. */
Test(wal_wakeup, outbox_is_polled_without_a_stream_while_the_log_grows)
{
    struct sql_fixture fixture;
    open_armed_with_noise(&fixture, "wal_noisy");
    uint32_t wakes = fixture.base.wakes;
    cr_assert(loop_fixture_poll(&fixture.base, stream_is_closed_by_noise, &fixture));
    cr_assert_leq(fixture.base.wakes, wakes + 1);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_await_rows(&fixture);
    cr_assert_eq(fixture.count, 1);
    wakeup_arm(&fixture);
    wakeup_expect_on_insert(&fixture);
    fixture_close(&fixture);
}

struct waking {
    struct sql_fixture *fixture;
    bool rows; /* the notification is for a row */
    int64_t least, most;
};

/* Does it take between `least` and `most` ms to arm the wake-up after a notification? */
static bool arming_takes_so_long(void *arg)
{
    struct waking *waking = arg;
    struct sql_fixture *fixture = waking->fixture;
    uint32_t wakes = fixture->base.wakes;
    if (waking->rows)
        fixture_insert(fixture, fixture->sql, "a");
    else
        make_noise(fixture);
    cr_assert(loop_fixture_until_woken(&fixture->base, wakes));
    if (waking->rows)
        fixture_await_rows(fixture);
    int64_t begin = fixture_now_ms();
    wakeup_arm(fixture);
    return fixture_now_ms() - begin >= waking->least && fixture_now_ms() - begin <= waking->most;
}

Test(wal_wakeup, notifications_without_rows_lengthen_the_quiet_time_until_rows_arrive)
{
    struct sql_fixture fixture;
    open_armed_with_noise(&fixture, "wal_useless");
    cr_assert(
        loop_fixture_poll(&fixture.base, arming_takes_so_long, &(struct waking){&fixture, false, 700, INT64_MAX}));
    cr_assert(loop_fixture_poll(&fixture.base, arming_takes_so_long, &(struct waking){&fixture, true, 0, 600}));
    fixture_close(&fixture);
}

/* The store also closes a stream 5 s after the last sleep. Below that, only the number of messages can be the cause. */
static bool messages_close_the_stream(void *arg)
{
    struct sql_fixture *fixture = arg;
    wakeup_arm(fixture);
    cr_assert_eq(fixture_run(fixture, streams), 1);
    int64_t begin = fixture_now_ms();
    do {
        for (int i = 0; i < 20; i++)
            fixture_insert(fixture, fixture->sql, "a");
        fixture_await_rows(fixture);
    } while (fixture_run(fixture, streams) == 1);
    return fixture_now_ms() - begin < 4000;
}

Test(wal_wakeup, messages_during_work_close_the_stream)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, "wal_work", WAL);
    cr_assert(loop_fixture_poll(&fixture.base, messages_close_the_stream, &fixture));
    wakeup_arm(&fixture);
    cr_assert_eq(fixture_run(&fixture, streams), 1);
    fixture_close(&fixture);
}

/* ---- effects on the server ----------------------------------------------------------------------------- */

/* A commit that waits for any synchronous replica must not accept the relay as a replica, not even after the relay
 * has acknowledged the commit as written. */
Test(wal_wakeup, relay_is_never_a_synchronous_replica)
{
    struct sql_fixture fixture;
    struct session *writer = session_open();
    PGconn *pg = session_handle(writer);
    wakeup_open_armed(&fixture, "wal_sync", WAL);
    fixture_run(&fixture, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    wakeup_poll_until(&fixture, "SELECT (current_setting('synchronous_standby_names') = '*')::int");
    fixture_run(&fixture, "CHECKPOINT"); /* it makes all sessions wait for a replica from now on */
    wakeup_arm(&fixture);
    uint32_t wakes = fixture.base.wakes;
    cr_assert(PQsendQuery(pg, "INSERT INTO wal_sync (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't')"));
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    wakeup_poll_until(
        &fixture, "SELECT count(*) FROM pg_stat_replication r, pg_stat_activity a WHERE r.write_lsn = "
                  "pg_current_wal_flush_lsn() AND a.wait_event = 'SyncRep' AND a.query LIKE 'INSERT INTO wal_sync%'");
    cr_assert_eq(fixture_run(&fixture,
                             "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'async' AND flush_lsn IS "
                             "NULL AND replay_lsn IS NULL"),
                 1);
    cr_assert(PQconsumeInput(pg) && PQisBusy(pg), "the commit was acknowledged");
    fixture_expect_rows(&fixture, 0, NULL);
    fixture_run(&fixture, "ALTER SYSTEM RESET synchronous_standby_names");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    fixture_await_rows(&fixture);
    cr_assert_eq(fixture.count, 1);
    session_close(writer);
    fixture_close(&fixture);
}
