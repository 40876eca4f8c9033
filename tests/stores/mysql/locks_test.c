/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/locks_test.c - the relay waits for no writer's lock, and no writer for the relay's
 *
 * Four writers, each a thread with a session of its own, cause contention: they commit late, roll back
 * inserts of many rows, insert from a select beside the others' single rows, draw ids in steps of three. Another
 * session keeps a transaction open from before the first claim until after the last. Meanwhile all is claimed and
 * settled. The server's count of waits for row locks must not grow. It does not count waits for the lock that
 * AUTO_INCREMENT takes for a statement (on MariaDB), which is between writers. It can fail: without the LIMIT in
 * settle.c's deletes some wait in every run.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <mysql.h>

#include "fixture.h"

enum { WRITERS = 4, TRANSACTIONS = 120 };

struct writer {
    pthread_t thread;
    struct session *session;
    const char *table;
    unsigned number, random;
    int64_t committed; /* rows */
    char failure[200];
    bool done; /* atomic */
};

static bool run(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool run(struct writer *writer, const char *format, ...)
{
    char sql[400];
    va_list list;
    va_start(list, format);
    vsnprintf(sql, sizeof sql, format, list);
    va_end(list);
    if (*writer->failure || !mysql_query(session_handle(writer->session), sql))
        return !*writer->failure;
    snprintf(writer->failure, sizeof writer->failure, "%.80s: %.100s", sql,
             mysql_error(session_handle(writer->session)));
    return false;
}

static unsigned draw(struct writer *writer, unsigned below)
{
    writer->random = writer->random * 1103515245u + 12345u;
    return (writer->random >> 16) % below;
}

#define INTO "INSERT INTO %s (aggregatetype, aggregateid, type) "

static unsigned insert_some(struct writer *writer)
{
    unsigned rows = 0;
    for (unsigned i = 1 + draw(writer, 4); i; i--) {
        switch (draw(writer, 3)) {
        case 0:
            rows += run(writer, INTO "VALUES ('o', %u, 't')", writer->table, draw(writer, 20));
            break;
        case 1:
            rows += 3 * run(writer, INTO "VALUES ('o', 1, 't'), ('o', 2, 't'), ('o', 3, 't')", writer->table);
            break;
        default:
            rows += 5 * run(writer, INTO "SELECT 'o', n, 't' FROM five", writer->table);
        }
    }
    return rows;
}

static void *write_some(void *arg)
{
    struct writer *writer = arg;
    run(writer, "SET SESSION auto_increment_increment = %d", writer->number % 2 ? 3 : 1);
    for (int i = 0; i < TRANSACTIONS && !*writer->failure; i++) {
        run(writer, "BEGIN");
        unsigned rows = insert_some(writer);
        if (draw(writer, 3) == 0)
            run(writer, "DO SLEEP(0.00%u)", 1 + draw(writer, 9)); /* late */
        bool back = draw(writer, 4) == 0;
        run(writer, "%s", back ? "ROLLBACK" : "COMMIT");
        writer->committed += back ? 0 : rows;
    }
    __atomic_store_n(&writer->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static int64_t waits(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'");
}

static bool all_done(const struct writer *writers)
{
    for (int i = 0; i < WRITERS; i++)
        if (!__atomic_load_n(&writers[i].done, __ATOMIC_ACQUIRE))
            return false;
    return true;
}

/* One claim, and its settle. Returns the rows. */
static int64_t relay_some(struct sql_fixture *fixture)
{
    struct outbox_batch *batch = fixture_claim_batch(fixture, 200, 1 << 20);
    if (!batch)
        return 0;
    int64_t rows = batch->rows;
    cr_assert_eq(fixture_settle(fixture, batch, 0, batch->rows), 0, "%s", fixture->error.text);
    obx_store_release(fixture->store, batch);
    cr_assert_eq(fixture_run(fixture, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"), 0);
    return rows;
}

static void start(struct writer *writers, const struct sql_fixture *fixture)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.session = session_open(), .table = fixture->table, .number = i, .random = i + 1};
        cr_assert_eq(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]), 0);
    }
}

static int64_t join(struct writer *writers)
{
    int64_t committed = 0;
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        session_close(writers[i].session);
        cr_assert_str_empty(writers[i].failure, "%s", writers[i].failure);
        committed += writers[i].committed;
    }
    return committed;
}

static void expect_no_lock_waits(const char *table, const char *user)
{
    struct sql_fixture fixture;
    struct writer writers[WRITERS];
    struct session *longest = session_open();
    fixture_open(&fixture, table, true, "");
    fixture_reconfigure(&fixture, &(struct server_place){.user = user}, "");
    fixture_run(&fixture, "CREATE TABLE IF NOT EXISTS five (n INT PRIMARY KEY)");
    fixture_run(&fixture, "REPLACE INTO five VALUES (1), (2), (3), (4), (5)");
    fixture_begin(&fixture);
    session_run(longest, "BEGIN");
    fixture_insert(&fixture, longest, "longest");
    int64_t before = waits(&fixture), claimed = 0, got;
    start(writers, &fixture);
    do {
        bool ended = all_done(writers);
        got = relay_some(&fixture);
        claimed += got;
        if (ended && !got)
            break;
    } while (true);
    int64_t committed = join(writers);
    session_run(longest, "COMMIT");
    claimed += relay_some(&fixture);
    cr_assert_gt(committed, WRITERS * TRANSACTIONS);
    cr_assert_eq(claimed, committed + 1, "%lld rows were claimed, %lld committed", (long long)claimed,
                 (long long)committed + 1);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s"), 0);
    cr_assert_eq(waits(&fixture), before, "%lld waits for a row's lock", (long long)(waits(&fixture) - before));
    session_close(longest);
    fixture_close(&fixture);
}

Test(locks, no_session_waits_with_lock_inspection)
{
    expect_no_lock_waits("seen", "outbox");
}

/* A long gap_timeout: the gaps of rollbacks stay in the claims. */
Test(locks, no_session_waits_without_lock_inspection)
{
    struct session *session = session_open();
    server_make_user(session, "unseeing", "");
    server_grant(session, "ALL", "*", "unseeing");
    session_close(session);
    expect_no_lock_waits("unseen", "unseeing");
}
