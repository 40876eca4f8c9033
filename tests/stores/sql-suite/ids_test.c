/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/ids_test.c - rows that commit late, not at all, or long after: each row is claimed once, no
 * session waits */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

Test(ids, lower_id_that_commits_later_is_claimed)
{
    struct sql_fixture fixture;
    struct session *late = session_open();
    fixture_open(&fixture, "late", true, "");
    fixture_begin(&fixture);
    session_run(late, "BEGIN");
    fixture_insert(&fixture, late, "a"); /* 1 */
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_insert(&fixture, fixture.sql, "c");
    fixture_expect_rows(&fixture, IDS(2, 3));
    fixture_expect_rows(&fixture, 0, NULL);
    session_run(late, "COMMIT");
    fixture_expect_rows(&fixture, IDS(1));
    fixture_expect_rows(&fixture, 0, NULL);
    session_close(late);
    fixture_close(&fixture);
}

Test(ids, first_row_may_commit_last)
{
    struct sql_fixture fixture;
    struct session *late = session_open();
    fixture_open(&fixture, "first", true, "");
    session_run(late, "BEGIN");
    fixture_insert(&fixture, late, "a");
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_begin(&fixture); /* a new relay has no state */
    fixture_expect_rows(&fixture, IDS(2));
    session_run(late, "COMMIT");
    fixture_expect_rows(&fixture, IDS(1));
    session_close(late);
    fixture_close(&fixture);
}

Test(ids, rollback_delays_no_row)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "rollback", true, "");
    fixture_begin(&fixture);
    for (int i = 0; i < 20; i++) {
        session_run(fixture.sql, "BEGIN");
        fixture_insert(&fixture, fixture.sql, "a");
        session_run(fixture.sql, "ROLLBACK");
        fixture_insert(&fixture, fixture.sql, "b");
        fixture_expect_rows(&fixture, IDS(2 * i + 2));
    }
    fixture_close(&fixture);
}

Test(ids, rollback_of_many_rows_delays_no_row)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "rollbacks", true, "");
    fixture_begin(&fixture);
    for (int i = 0; i < 20; i++) {
        session_run(fixture.sql, "BEGIN");
        fixture_run(&fixture,
                    "INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't'), ('o', 'b', 't'), "
                    "('o', 'c', 't')");
        session_run(fixture.sql, "ROLLBACK");
        fixture_insert(&fixture, fixture.sql, "b");
        cr_assert_eq(fixture_claim(&fixture, 0, 100), 0, "%s", fixture.error.text);
        cr_assert_eq(fixture.count, 1);
    }
    fixture_close(&fixture);
}

Test(ids, row_of_a_prepared_transaction_is_claimed_after_its_commit)
{
    struct sql_fixture fixture;
    struct session *preparer = session_open();
    fixture_open(&fixture, "prepared", true, "");
    fixture_begin(&fixture);
    server_begin(preparer, "outbox-test");
    fixture_insert(&fixture, preparer, "a");
    server_prepare(preparer, "outbox-test");
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_expect_rows(&fixture, IDS(2));
    for (int i = 0; i < 60; i++) { /* long enough for inspections of the locks */
        fixture_insert(&fixture, fixture.sql, "c");
        fixture_expect_rows(&fixture, IDS(3 + i));
        fixture_expect_no_rows_for(&fixture, 1);
    }
    server_end(preparer, "outbox-test", true, true);
    fixture_expect_rows(&fixture, IDS(1));
    session_close(preparer);
    fixture_close(&fixture);
}

Test(ids, long_transaction_delays_only_its_own_rows)
{
    struct sql_fixture fixture;
    struct session *longest = session_open();
    fixture_open(&fixture, "longest", true, "");
    fixture_begin(&fixture);
    session_run(longest, "BEGIN");
    fixture_insert(&fixture, longest, "a");
    int64_t id = 1;
    for (int i = 0; i < 600; i++) { /* well over the second after which gaps go cold */
        session_run(fixture.sql, "BEGIN");
        fixture_insert(&fixture, fixture.sql, "b");
        session_run(fixture.sql, "ROLLBACK");
        fixture_insert(&fixture, fixture.sql, "c");
        id += 2;
        fixture_expect_rows(&fixture, IDS(id));
        fixture_expect_no_rows_for(&fixture, 2);
    }
    fixture_insert(&fixture, longest, "d");
    session_run(longest, "COMMIT");
    fixture_insert(&fixture, fixture.sql, "e");
    fixture_expect_rows(&fixture, IDS(1, id + 1, id + 2));
    session_close(longest);
    fixture_close(&fixture);
}

Test(ids, claim_after_a_full_claim_continues_at_its_last_row)
{
    struct sql_fixture fixture;
    struct session *late = session_open();
    fixture_open(&fixture, "pages", true, "");
    fixture_begin(&fixture);
    session_run(late, "BEGIN");
    fixture_insert(&fixture, late, "a");
    for (int i = 0; i < 5; i++)
        fixture_insert(&fixture, fixture.sql, "b");
    for (int64_t id = 2; id <= 3; id++) {
        cr_assert_eq(fixture_claim(&fixture, 0, 1), 0);
        cr_assert(fixture.count == 1 && fixture.ids[0] == id);
    }
    session_run(late, "COMMIT");
    cr_assert_eq(fixture_claim(&fixture, 0, 2), 0);
    cr_assert(fixture.count == 2 && fixture.ids[0] == 1 && fixture.ids[1] == 4);
    fixture_expect_rows(&fixture, IDS(5, 6));
    session_close(late);
    fixture_close(&fixture);
}

/* ---- INSERT .. SELECT during single inserts ---------------------------------------------------------------------- */

struct slow_writer {
    pthread_t thread;
    struct sql_fixture *fixture;
    struct session *session;
    atomic_bool done;
};

/* Forty rows, one in ten milliseconds, in one statement: ids are drawn while it runs. */
static void *write_slowly(void *arg)
{
    struct slow_writer *writer = arg;
    fixture_run_on(
        writer->fixture, writer->session,
        BY_SERVER("INSERT INTO %s (aggregatetype, aggregateid, type) SELECT 'o', 'slow', 't' FROM "
                  "generate_series(1, 40), LATERAL (SELECT pg_sleep(0.01) WHERE generate_series > 0) AS pause",
                  "INSERT INTO %s (aggregatetype, aggregateid, type) SELECT 'o', CONCAT('slow', SLEEP(0.01)), 't' "
                  "FROM (WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i "
                  "FROM n) AS rows_to_be"));
    writer->done = true;
    return NULL;
}

Test(ids, rows_of_a_slow_insert_select_are_claimed_once)
{
    static bool seen[FIXTURE_IDS];
    struct sql_fixture fixture;
    struct slow_writer writer = {.fixture = &fixture, .session = session_open()};
    int64_t inserts = 0, claims = 0;
    fixture_open(&fixture, "selected", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(pthread_create(&writer.thread, NULL, write_slowly, &writer), 0);
    for (bool last = false; !last;) {
        last = writer.done;
        fixture_insert(&fixture, fixture.sql,
                       "single"); /* a server with a lock on the counter lets it wait for the slow one */
        inserts++;
        cr_assert_eq(fixture_claim(&fixture, 0, 1000), 0, "%s", fixture.error.text);
        for (uint32_t i = 0; i < fixture.count; i++, claims++) {
            cr_assert(fixture.ids[i] < FIXTURE_IDS && !seen[fixture.ids[i]], "id %lld was claimed twice",
                      (long long)fixture.ids[i]);
            seen[fixture.ids[i]] = true;
        }
    }
    pthread_join(writer.thread, NULL);
    cr_assert_eq(fixture_count_rows(&fixture), inserts + 40);
    cr_assert_eq(claims, inserts + 40);
    session_close(writer.session);
    fixture_close(&fixture);
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

static int64_t lock_waits(struct sql_fixture *fixture)
{
    return BY_SERVER(0, fixture_run(fixture, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'"));
}

Test(ids, settle_waits_for_no_writer)
{
    struct sql_fixture fixture;
    struct session *writer = session_open();
    fixture_open(&fixture, "waits", true, "");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_insert(&fixture, fixture.sql, "b");
    session_run(writer, "BEGIN");
    fixture_insert(&fixture, writer, "late"); /* 3, between */
    fixture_insert(&fixture, fixture.sql, "c");
    fixture_insert(&fixture, writer, "late"); /* 5, last */
    int64_t waits = lock_waits(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_eq(batch->rows, 3);
    fixture_settle_all(&fixture, batch); /* and does not run into a timeout: the writer waits for us */
    cr_assert_eq(lock_waits(&fixture), waits);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    session_run(writer, "COMMIT");
    fixture_expect_rows(&fixture, IDS(3, 5));
    session_close(writer);
    fixture_close(&fixture);
}

Test(ids, ids_with_steps_are_claimed_and_settled)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "steps", true, "");
    fixture_begin(&fixture);
    fixture_run(&fixture, BY_SERVER("ALTER TABLE %s ALTER COLUMN id SET INCREMENT BY 3",
                                    "SET SESSION auto_increment_increment = 3"));
    for (int i = 0; i < 600; i++) /* more id ranges than fit into one packet */
        fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 1000, 1 << 20);
    cr_assert_eq(batch->rows, 600);
    fixture_settle_all(&fixture, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}
