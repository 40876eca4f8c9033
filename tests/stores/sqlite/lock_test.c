/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/lock_test.c - how the relay holds the write lock and shares it with writers; checkpoints ahead
 */
#include "fixture.h"
#include "vfs_fixture.h"

#include <poll.h>
#include <unistd.h>

#define ROWS 60000
#define FIRST_ROWS 256u   /* of the first transaction of a start */
#define MOST_ROWS 8192u   /* of any */
#define LEAVE_NS 2300000u /* longer than a writer sleeps between its second and its third attempt */
#define HOLD_NS 2000000u  /* the longest intended hold */
#define LOOKS_NS 3000000u /* the third; then it sleeps for 5 ms */
#define SLEEP_NS 5000000u
#define SLOW_ROW_NS 100000u
#define SLOW_ROWS 512

/* 8,000 pages: several logs. */
static struct outbox_batch *prepare(struct fixture *fixture)
{
    vfs_install();
    fixture_ready(fixture, NULL);
    cr_assert_eq(loop_fixture_stop(&fixture->base, fixture->store, NULL), 0);
    fixture_sql(fixture->path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
                               "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) "
                               "SELECT 'order', i, 'Placed', zeroblob(500) FROM n; PRAGMA wal_checkpoint(TRUNCATE)");
    vfs_reset();
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    fixture_own(fixture);
    struct outbox_batch *batch = fixture_claim(fixture, 0);
    cr_assert_eq(batch->rows, ROWS);
    return batch;
}

static void end(struct fixture *fixture, struct outbox_batch *batch)
{
    fixture_release(fixture, batch);
    cr_assert_eq(fixture_number(fixture->path, "SELECT count(*) FROM outbox"), 0);
    cr_assert_str_eq(fixture_text(fixture->path, "PRAGMA integrity_check"), "ok");
    fixture_close(fixture);
}

/* The bounds of a writer's wait: the work of one transaction, which grows only as fast as measured and has a maximum;
 * the pause after each transaction; and no flush of the database inside a transaction. */
Test(sqlite_lock, write_lock_is_held_briefly_and_then_left_to_others)
{
    struct fixture fixture;
    const struct vfs_hold *holds;
    uint32_t removed = 0, most = FIRST_ROWS, transactions = 0;
    uint64_t last = 0;
    struct outbox_batch *batch = prepare(&fixture);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, ROWS), 0, "%s", fixture.error.text);
    uint32_t count = vfs_holds(&holds);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(holds[i].database_syncs, 0, "hold %u", i);
        if (!holds[i].removed)
            continue; /* becoming the owner */
        cr_assert_leq(holds[i].removed, most, "hold %u", i);
        cr_assert(!last || holds[i].begin_ns >= last + LEAVE_NS, "hold %u came too early", i);
        last = holds[i].end_ns;
        removed += holds[i].removed;
        if (most < holds[i].removed * 2) /* a delayed transaction removed less than it could have */
            most = holds[i].removed * 2 < MOST_ROWS ? holds[i].removed * 2 : MOST_ROWS;
        transactions++;
    }
    cr_assert_eq(removed, ROWS);
    cr_assert_geq(transactions, ROWS / MOST_ROWS);
    end(&fixture, batch);
}

static struct outbox_batch *prepare_slow(struct fixture *fixture)
{
    vfs_install();
    fixture_ready(fixture, NULL);
    fixture_own(fixture);
    fixture_insert(fixture, SLOW_ROWS);
    struct outbox_batch *batch = fixture_claim(fixture, 0);
    cr_assert_eq(batch->rows, SLOW_ROWS);
    vfs_reset();
    vfs_slow_removals(SLOW_ROW_NS);
    return batch;
}

/* At most so many rows in one hold; a writer that met a long hold finds the lock free when it wakes up. */
static void check_slow(uint32_t most)
{
    const struct vfs_hold *holds;
    uint32_t count = vfs_holds(&holds), removed = 0, longer = 0;
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_leq(holds[i].removed, most, "hold %u", i);
        removed += holds[i].removed;
        if (i + 1 == count || (uint64_t)holds[i].removed * SLOW_ROW_NS < LOOKS_NS)
            continue;
        cr_assert_geq(holds[i + 1].begin_ns, holds[i].end_ns + SLEEP_NS, "hold %u came too early", i + 1);
        longer++;
    }
    cr_assert_eq(removed, SLOW_ROWS);
    cr_assert(longer || most * SLOW_ROW_NS < LOOKS_NS);
}

/* A delayed transaction commits what it has, a quarter of the planned rows; the next one waits. */
Test(sqlite_lock, slow_transaction_commits_early)
{
    struct fixture fixture;
    struct outbox_batch *batch = prepare_slow(&fixture);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, SLOW_ROWS), 0, "%s", fixture.error.text);
    check_slow(FIRST_ROWS / 4);
    end(&fixture, batch);
}

/* Many dead letters at once are many transactions. */
Test(sqlite_lock, write_lock_is_released_between_dead_letters)
{
    struct fixture fixture;
    struct outbox_dead_row rows[SLOW_ROWS];
    struct loop_fixture_call call = {0};
    struct outbox_batch *batch = prepare_slow(&fixture);
    for (uint32_t i = 0; i < SLOW_ROWS; i++)
        rows[i] = (struct outbox_dead_row){batch->positions[i], 3, {"orders", 6}, {"1", 1}, "because"};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture.store, &call.call, 0,
                          &(struct outbox_dead_letter_rows){sizeof(struct outbox_dead_letter_rows), SLOW_ROWS, rows});
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    check_slow(HOLD_NS / SLOW_ROW_NS);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox_dead"), SLOW_ROWS);
    end(&fixture, batch);
}

/* Commits once a millisecond until the parent ends it, and leaves the log to the relay. */
static void write_on(struct fixture_link *link)
{
    sqlite3 *db;
    struct pollfd command = {.fd = link->command, .events = POLLIN};
    sqlite3_open(link->path, &db);
    sqlite3_busy_timeout(db, 10000);
    sqlite3_wal_autocheckpoint(db, 0);
    fixture_link_notify(link);
    while (poll(&command, 1, 1) == 0)
        if (sqlite3_exec(db, "UPDATE beside SET n = n + 1", NULL, NULL, NULL) != SQLITE_OK)
            _exit(100);
    sqlite3_close(db);
}

/* A reader keeps the log from beginning anew; waiting for it with the write lock would block all writers. */
Test(sqlite_lock, write_lock_is_not_held_to_wait_for_a_reader)
{
    struct fixture fixture;
    struct fixture_child child;
    sqlite3 *reader;
    const struct vfs_hold *holds;
    struct outbox_batch *batch = prepare(&fixture);
    fixture_sql(fixture.path, "CREATE TABLE beside AS SELECT 1 AS n");
    cr_assert_eq(sqlite3_open(fixture.path, &reader), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(reader, "BEGIN; SELECT n FROM beside", NULL, NULL, NULL), SQLITE_OK);
    fixture_child_start(&child, fixture.path, write_on);
    fixture_child_wait(&child);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, ROWS), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_child_end(&child), 0);
    uint32_t count = vfs_holds(&holds);
    for (uint32_t i = 0; i < count; i++)
        cr_assert_leq(holds[i].refused, 1, "hold %u", i);
    cr_assert_eq(sqlite3_close(reader), SQLITE_OK);
    end(&fixture, batch);
}

/* The descriptor whose flush failed is not used for checkpoints again; the others do its work. */
Test(sqlite_lock, failed_checkpoint_ahead_loses_nothing)
{
    struct fixture fixture;
    struct outbox_batch *batch = prepare(&fixture);
    vfs_fail_sync(3); /* start opens one for claims, one for what is written, one for this */
    cr_assert_eq(fixture_settle(&fixture, batch, 0, ROWS), 0, "%s", fixture.error.text);
    end(&fixture, batch);
    cr_assert_eq(vfs_failed_syncs(), 1);
}
