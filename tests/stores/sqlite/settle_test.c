/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/settle_test.c - removing rows: only those listed, during writes of others, and with a log that
 * stays short
 */
#include "fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

Test(sqlite_settle, row_in_a_gap_is_not_removed)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    fixture_sql(fixture.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                              "(1, 'a', '1', 't'), (2, 'a', '1', 't'), (4, 'a', '1', 't'), (9, 'a', '1', 't')");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    fixture_sql(fixture.path,
                "DELETE FROM outbox WHERE id = 9; INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                "(3, 'a', '1', 't'), (7, 'a', '1', 't')");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 4), 0, "%s", fixture.error.text);
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT group_concat(id, ' ') FROM outbox"), "3 7");
    fixture_release(&fixture, batch);
    batch = fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP);
    cr_assert_str_eq(fixture_ids(batch), "3 7");
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

#define BACKLOG 60000

static int backlog(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int rows = -1;
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM outbox WHERE type = 'Placed'", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        rows = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return rows;
}

/* Commits one row after the other until the backlog is gone. Exits with the number of commits during the drain. */
static void write_beside(struct fixture_link *link)
{
    sqlite3 *db;
    int left, between = 0;
    sqlite3_open(link->path, &db);
    sqlite3_busy_timeout(db, 10000);
    fixture_link_notify(link);
    while ((left = backlog(db)) > 0) {
        if (sqlite3_exec(db, "INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('w', '1', 't')", NULL, NULL,
                         NULL) != SQLITE_OK)
            _exit(100);
        between += left < BACKLOG && backlog(db) > 0;
    }
    sqlite3_close(db);
    _exit(between < 99 ? between : 99);
}

/* A settle of many rows takes the write lock many times, and others get it in between. */
Test(sqlite_settle, writers_commit_during_a_settle)
{
    struct fixture fixture;
    struct fixture_child child;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, BACKLOG);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(batch->rows, BACKLOG);
    fixture_child_start(&child, fixture.path, write_beside);
    fixture_child_wait(&child);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, BACKLOG), 0, "%s", fixture.error.text);
    int between = fixture_child_end(&child);
    cr_assert(between > 0 && between < 100, "%d", between);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox WHERE type = 'Placed'"), 0);
    cr_assert_geq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), between);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

static void hold_for_a_while(struct fixture_link *link)
{
    sqlite3 *db;
    sqlite3_open(link->path, &db);
    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    fixture_link_notify(link);
    fixture_link_wait(link);
    sqlite3_exec(db, "INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('w', '1', 't'); COMMIT", NULL, NULL,
                 NULL);
    sqlite3_close(db);
}

Test(sqlite_settle, settle_waits_for_a_writer)
{
    struct fixture fixture;
    struct fixture_child child;
    struct loop_fixture_call call = {0};
    struct outbox_store_status status;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 10);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    fixture_child_start(&child, fixture.path, hold_for_a_while);
    fixture_child_wait(&child);
    struct outbox_span span = {batch, 0, batch->rows};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    loop_fixture_reset(&call);
    obx_store_settle(fixture.store, &call.call, 0, &settle);
    cr_assert_null(fixture_claim(&fixture, 0), "a claim beside it waits for nobody");
    cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
    cr_assert_eq(status.pending, 10);
    cr_assert_not(call.done);
    fixture_child_go(&child);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    cr_assert_eq(fixture_child_end(&child), 0);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 1);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

/* The host cancels it: it ends soon, and leaves nothing half-done. */
Test(sqlite_settle, waiting_settle_is_canceled)
{
    struct fixture fixture;
    struct fixture_child child;
    struct loop_fixture_call call = {0};
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 10);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    fixture_child_start(&child, fixture.path, hold_for_a_while);
    fixture_child_wait(&child);
    struct outbox_span span = {batch, 0, batch->rows};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    loop_fixture_reset(&call);
    obx_store_settle(fixture.store, &call.call, 50, &settle);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    fixture_child_go(&child);
    cr_assert_eq(fixture_child_end(&child), 0);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 11);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 10), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 1);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

static int64_t log_bytes(const struct fixture *fixture)
{
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", fixture->path);
    return stat(path, &status) == 0 ? status.st_size : 0;
}

static atomic_bool flush_is_slow;

/* Replaces the C library's for SQLite, too: the flushes of a slow disk. Any thread. */
__attribute__((visibility("default"))) int fdatasync(int file)
{
    if (atomic_load(&flush_is_slow))
        nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
    return (int)syscall(SYS_fdatasync, file);
}

/* 60,000 rows of 500 bytes are 8,000 pages: without checkpoints in between the log would have them all. */
static void expect_short_log(bool with_slow_flushes)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    fixture_sql(fixture.path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
                              "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) "
                              "SELECT 'order', i, 'Placed', zeroblob(500) FROM n; PRAGMA wal_checkpoint(TRUNCATE)");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_own(&fixture);
    cr_assert_leq(log_bytes(&fixture), 100000);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(batch->rows, 60000);
    atomic_store(&flush_is_slow, with_slow_flushes);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 60000), 0, "%s", fixture.error.text);
    atomic_store(&flush_is_slow, false);
    fixture_release(&fixture, batch);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 0);
    cr_assert_leq(log_bytes(&fixture), 2500 * 4096, "%lld bytes", (long long)log_bytes(&fixture));
    fixture_close(&fixture);
}

Test(sqlite_settle, log_stays_short)
{
    expect_short_log(false);
}

Test(sqlite_settle, log_stays_short_on_a_disk_that_flushes_slowly)
{
    expect_short_log(true);
}

/* A file size limit of the process simulates a full disk. */
Test(sqlite_settle, full_disk_is_reported)
{
    struct fixture fixture;
    static char payload[400000];
    struct rlimit old, limit;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    memset(payload, 'x', sizeof payload);
    struct outbox_event event = {.struct_size = sizeof event,
                                 .aggregate_type = {"order", 5},
                                 .aggregate_id = {"1", 1},
                                 .type = {"Placed", 6},
                                 .payload = {payload, sizeof payload}};
    const struct outbox_event *events[] = {&event};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 200000;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    loop_fixture_add(&fixture.base, fixture.store, events, 1, &fixture.error);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    fixture_expect(&fixture, OUTBOX_E_FULL,
                   "add events to %s: disk I/O error; free space on its file system, or raise max_page_count",
                   fixture.path);
    cr_assert_eq(loop_fixture_add(&fixture.base, fixture.store, events, 1, &fixture.error), 0, "%s",
                 fixture.error.text);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(batch->rows, 1);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}
