/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/gap_timeout_test.c - gaps for a user that may not inspect locks
 *
 * The store resolves them by rows in flight and running statements, or by age if it may not see statements either.
 */
#include <pthread.h>
#include <stdio.h>

#include "fixture.h"

static void open_plain(struct sql_fixture *fixture, const char *table, const char *user)
{
    fixture_open(fixture, table, true, "");
    server_make_user(fixture->sql, user, "");
    server_grant(fixture->sql, "ALL", "*", user);
    fixture_reconfigure(fixture, &(struct server_place){.user = user},
                        "  gap_timeout: 50ms\n  stray_scan_interval: 50ms\n");
}

Test(gap_timeout, rows_in_flight_keep_their_gaps_without_lock_inspection)
{
    struct sql_fixture fixture;
    struct session *late = session_open();
    open_plain(&fixture, "plain", "plain");
    fixture_begin(&fixture);
    session_run(late, "BEGIN");
    fixture_insert(&fixture, late, "a");
    session_run(fixture.sql, "BEGIN");
    fixture_insert(&fixture, fixture.sql, "gone");
    session_run(fixture.sql, "ROLLBACK");
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_expect_rows(&fixture, IDS(3));
    fixture_expect_no_rows_for(&fixture, 300);
    session_run(late, "COMMIT");
    fixture_expect_rows(&fixture, IDS(1));
    session_close(late);
    fixture_close(&fixture);
}

Test(gap_timeout, row_with_a_lower_id_is_found_by_the_stray_scan)
{
    struct sql_fixture fixture;
    open_plain(&fixture, "swept", "swept");
    fixture_insert_id(&fixture, fixture.sql, 100);
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(100));
    fixture_expect_no_rows_for(&fixture, 1200); /* the gap from 1 to 99 is retired */
    fixture_insert_id(&fixture, fixture.sql, 7);
    fixture_await_rows(&fixture);
    cr_assert(fixture.count == 1 && fixture.ids[0] == 7, "%u rows", fixture.count);
    fixture_expect_rows(&fixture, 0, NULL);
    fixture_close(&fixture);
}

/* ---- with permission to see running statements
 * --------------------------------------------------------------------------------- */

/* An hour: neither the age nor the stray scan resolves a gap. Only MariaDB reports statements in milliseconds. */
static void open_seeing(struct sql_fixture *fixture, const char *table)
{
    char sql[100];
    fixture_open(fixture, table, true, "");
    server_make_user(fixture->sql, table, "");
    server_grant(fixture->sql, "ALL", "*", table);
    snprintf(sql, sizeof sql, "GRANT PROCESS ON *.* TO %s@'%%'", table);
    session_run(fixture->sql, sql);
    fixture_reconfigure(fixture, &(struct server_place){.user = table},
                        "  gap_timeout: 1h\n  stray_scan_interval: 1h\n");
    fixture_begin(fixture);
}

/* A row with an id outside all gaps is not claimed. */
static bool is_retired(struct sql_fixture *fixture, int64_t id)
{
    fixture_insert_id(fixture, fixture->sql, id);
    cr_assert_eq(fixture_claim(fixture, 0, 1000), 0, "%s", fixture->error.text);
    return !fixture->count;
}

Test(statements, gap_of_a_rollback_is_retired_when_all_running_statements_end)
{
    struct sql_fixture fixture;
    bool retired = false;
    if (server_kind() != MARIADB)
        return;
    open_seeing(&fixture, "seeing");
    for (int64_t id = 1; id < 200 && !retired; id += 2) { /* a busy machine may need more than one */
        session_run(fixture.sql, "BEGIN");
        fixture_insert(&fixture, fixture.sql, "gone");
        session_run(fixture.sql, "ROLLBACK");
        fixture_insert(&fixture, fixture.sql, "b");
        fixture_expect_rows(&fixture, IDS(id + 1));
        fixture_expect_no_rows_for(&fixture, 200);
        retired = is_retired(&fixture, id);
    }
    cr_assert(retired);
    fixture_close(&fixture);
}

struct slow {
    struct sql_fixture *fixture;
    struct session *session;
};

/* Both ids are drawn with the first row; the second row waits. */
static void *insert_slowly(void *arg)
{
    struct slow *slow = arg;
    fixture_run_on(
        slow->fixture, slow->session,
        "INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'one', 't'), ('o', GET_LOCK('gate', 60), 't')");
    return NULL;
}

static void until_the_first_row_is_in_flight(struct sql_fixture *fixture, struct session *session)
{
    session_run(session, "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
    for (int i = 0; i < 10000 && fixture_run_on(fixture, session, "SELECT COUNT(*) FROM %s") != 1; i++)
        session_run(session, "DO SLEEP(0.001)");
    cr_assert_eq(fixture_run_on(fixture, session, "SELECT COUNT(*) FROM %s"), 1);
}

Test(statements, ids_drawn_by_a_running_statement_keep_their_gap)
{
    struct sql_fixture fixture;
    pthread_t thread;
    struct session *observer = session_open();
    if (server_kind() != MARIADB) {
        session_close(observer);
        return;
    }
    open_seeing(&fixture, "waiting");
    struct slow slow = {&fixture, session_open()};
    session_run(observer, "DO GET_LOCK('gate', 10)");
    cr_assert_eq(pthread_create(&thread, NULL, insert_slowly, &slow), 0);
    until_the_first_row_is_in_flight(&fixture, observer);
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_expect_rows(&fixture, IDS(3));
    fixture_expect_no_rows_for(&fixture, 500); /* ten inspections */
    session_run(observer, "DO RELEASE_LOCK('gate')");
    pthread_join(thread, NULL);
    fixture_expect_rows(&fixture, IDS(1, 2));
    session_close(slow.session);
    session_close(observer);
    fixture_close(&fixture);
}

/* No statement runs and no session is left, but the uncommitted row can be read. */
Test(statements, prepared_transaction_without_a_session_keeps_its_gap)
{
    struct sql_fixture fixture;
    if (server_kind() != MARIADB)
        return;
    open_seeing(&fixture, "orphan");
    struct session *preparer = session_open();
    server_begin(preparer, "orphan");
    fixture_insert(&fixture, preparer, "a");
    server_prepare(preparer, "orphan");
    session_close(preparer);
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_expect_rows(&fixture, IDS(2));
    fixture_expect_no_rows_for(&fixture, 500); /* ten inspections */
    server_end(fixture.sql, "orphan", true, true);
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}
