/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/grace_test.c - a user who may not see the locks: holes are judged by rows in flight, and by what
 * others run or, where that cannot be seen either, by their age
 */
#include <pthread.h>
#include <stdio.h>

#include "bed.h"

static void open_plain(struct bed *bed, const char *table, const char *user)
{
    bed_open(bed, table, true, "");
    server_make_user(bed->sql, user, "");
    server_grant(bed->sql, "ALL", "*", user);
    bed_reconfigure(bed, &(struct server_place){.user = user}, "  gap_timeout: 50ms\n  stray_scan_interval: 50ms\n");
}

Test(grace, without_a_view_of_locks_rows_in_flight_keep_their_holes)
{
    struct bed bed;
    struct session *late = session_open();
    open_plain(&bed, "plain", "plain");
    bed_begin(&bed);
    session_run(late, "BEGIN");
    bed_insert(&bed, late, "a");
    session_run(bed.sql, "BEGIN");
    bed_insert(&bed, bed.sql, "gone");
    session_run(bed.sql, "ROLLBACK");
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(3));
    bed_expect_nothing_for(&bed, 300);
    session_run(late, "COMMIT");
    bed_expect(&bed, IDS(1));
    session_close(late);
    bed_close(&bed);
}

Test(grace, a_row_below_all_that_was_read_is_found_by_the_sweep)
{
    struct bed bed;
    open_plain(&bed, "swept", "swept");
    bed_insert_id(&bed, bed.sql, 100);
    bed_begin(&bed);
    bed_expect(&bed, IDS(100));
    bed_expect_nothing_for(&bed, 1200); /* the hole from 1 to 99 is forgotten */
    bed_insert_id(&bed, bed.sql, 7);
    bed_claim_some(&bed);
    cr_assert(bed.count == 1 && bed.ids[0] == 7, "%u rows", bed.count);
    bed_expect(&bed, 0, NULL);
    bed_close(&bed);
}

/* ---- what others run can be seen --------------------------------------------------------------------------------- */

/* Neither age nor the sweep helps: an hour. MySQL tells seconds, and has the locks to look at. */
static void open_seeing(struct bed *bed, const char *table)
{
    char sql[100];
    bed_open(bed, table, true, "");
    server_make_user(bed->sql, table, "");
    server_grant(bed->sql, "ALL", "*", table);
    snprintf(sql, sizeof sql, "GRANT PROCESS ON *.* TO %s@'%%'", table);
    session_run(bed->sql, sql);
    bed_reconfigure(bed, &(struct server_place){.user = table}, "  gap_timeout: 1h\n  stray_scan_interval: 1h\n");
    bed_begin(bed);
}

/* A row with an id that is in no hole any more is not seen. */
static bool is_forgotten(struct bed *bed, int64_t id)
{
    bed_insert_id(bed, bed->sql, id);
    cr_assert_eq(bed_claim(bed, 0, 1000), 0, "%s", bed->error.text);
    return !bed->count;
}

Test(statements, what_was_rolled_back_is_forgotten_when_all_that_ran_has_ended)
{
    struct bed bed;
    bool forgotten = false;
    if (server_kind() != MARIADB)
        return;
    open_seeing(&bed, "seeing");
    for (int64_t id = 1; id < 200 && !forgotten; id += 2) { /* a busy machine may need more than one */
        session_run(bed.sql, "BEGIN");
        bed_insert(&bed, bed.sql, "gone");
        session_run(bed.sql, "ROLLBACK");
        bed_insert(&bed, bed.sql, "b");
        bed_expect(&bed, IDS(id + 1));
        bed_expect_nothing_for(&bed, 200);
        forgotten = is_forgotten(&bed, id);
    }
    cr_assert(forgotten);
    bed_close(&bed);
}

struct slow {
    struct bed *bed;
    struct session *session;
};

/* Both ids are drawn with the first row; the second row waits. */
static void *insert_slowly(void *arg)
{
    struct slow *slow = arg;
    bed_run_on(
        slow->bed, slow->session,
        "INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'one', 't'), ('o', GET_LOCK('gate', 60), 't')");
    return NULL;
}

static void until_the_first_row_is_in_flight(struct bed *bed, struct session *session)
{
    session_run(session, "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
    for (int i = 0; i < 10000 && bed_run_on(bed, session, "SELECT COUNT(*) FROM %s") != 1; i++)
        session_run(session, "DO SLEEP(0.001)");
    cr_assert_eq(bed_run_on(bed, session, "SELECT COUNT(*) FROM %s"), 1);
}

Test(statements, ids_that_one_drew_and_has_not_inserted_yet_are_waited_for)
{
    struct bed bed;
    pthread_t thread;
    struct session *watcher = session_open();
    if (server_kind() != MARIADB) {
        session_close(watcher);
        return;
    }
    open_seeing(&bed, "waiting");
    struct slow slow = {&bed, session_open()};
    session_run(watcher, "DO GET_LOCK('gate', 10)");
    cr_assert_eq(pthread_create(&thread, NULL, insert_slowly, &slow), 0);
    until_the_first_row_is_in_flight(&bed, watcher);
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(3));
    bed_expect_nothing_for(&bed, 500); /* ten looks */
    session_run(watcher, "DO RELEASE_LOCK('gate')");
    pthread_join(thread, NULL);
    bed_expect(&bed, IDS(1, 2));
    session_close(slow.session);
    session_close(watcher);
    bed_close(&bed);
}

/* Nothing runs and no session is left, but its row is there to be read. */
Test(statements, a_prepared_transaction_without_a_session_is_waited_for)
{
    struct bed bed;
    if (server_kind() != MARIADB)
        return;
    open_seeing(&bed, "orphan");
    struct session *preparer = session_open();
    server_begin(preparer, "orphan");
    bed_insert(&bed, preparer, "a");
    server_prepare(preparer, "orphan");
    session_close(preparer);
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(2));
    bed_expect_nothing_for(&bed, 500); /* ten looks */
    server_end(bed.sql, "orphan", true, true);
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}
