/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/wake_test.c - the wake-up: commits of others cause one, the idle relay's own writes do not
 */
#include "fixture.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static void insert_on_signal(struct fixture_link *link)
{
    sqlite3 *db;
    sqlite3_open(link->path, &db);
    sqlite3_busy_timeout(db, 10000);
    for (int i = 0; i < 3; i++) {
        fixture_link_wait(link);
        sqlite3_exec(db, "INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('a', '1', 't')", NULL, NULL,
                     NULL);
        fixture_link_notify(link);
    }
    sqlite3_close(db);
}

/* Claims with the wake-up armed until there are rows; each round must begin with a notification. */
static struct outbox_batch *wait_for_rows(struct fixture *fixture)
{
    for (;;) {
        uint32_t wakes = fixture->base.wakes;
        struct outbox_batch *batch = fixture_claim(fixture, OUTBOX_CLAIM_ARM_WAKEUP);
        if (batch)
            return batch;
        cr_assert(loop_fixture_until_woken(&fixture->base, wakes), "nobody rang");
    }
}

Test(sqlite_wake, commit_of_another_process_wakes)
{
    struct fixture fixture;
    struct fixture_child child;
    fixture_ready(&fixture, NULL);
    fixture_child_start(&child, fixture.path, insert_on_signal);
    fixture_own(&fixture);
    for (int i = 0; i < 3; i++) {
        cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
        fixture_child_go(&child);
        struct outbox_batch *batch = wait_for_rows(&fixture);
        cr_assert_eq(batch->rows, 1);
        fixture_child_wait(&child);
        fixture_release(&fixture, batch);
    }
    cr_assert_eq(fixture_child_end(&child), 0);
    fixture_close(&fixture);
}

/* All other connections close in between: the log is emptied, but it is the same file. */
Test(sqlite_wake, commit_wakes_after_a_restart_of_the_log)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    for (int i = 0; i < 3; i++) {
        cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
        fixture_insert(&fixture, 1);
        struct outbox_batch *batch = wait_for_rows(&fixture);
        cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), 0, "%s", fixture.error.text);
        fixture_release(&fixture, batch);
        fixture_sql(fixture.path, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    fixture_close(&fixture);
}

struct moment {
    struct loop_fixture *base;
    uint64_t until;
};

static bool is_over(void *arg)
{
    const struct moment *moment = arg;
    return obx_loop_now(moment->base->loop) >= moment->until;
}

/* Claim as the relay does until no notification has come for longer than the second one takes. */
static void let_it_settle(struct fixture *fixture)
{
    uint32_t before;
    do {
        before = fixture->base.wakes;
        cr_assert_null(fixture_claim(fixture, OUTBOX_CLAIM_ARM_WAKEUP));
        struct moment moment = {&fixture->base, obx_loop_now(fixture->base.loop) + 250 * OBX_MS};
        cr_assert(loop_fixture_poll(&fixture->base, is_over, &moment));
    } while (fixture->base.wakes != before);
}

/* The idle relay's own renewals and checkpoints must not wake it. */
Test(sqlite_wake, idle_relay_does_not_wake_itself)
{
    struct fixture fixture;
    struct outbox_store_status status;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 1);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), 0, "%s", fixture.error.text);
    fixture_release(&fixture, batch);
    let_it_settle(&fixture);
    uint32_t wakes = fixture.base.wakes;
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(fixture_renew(&fixture, fixture.store), 0, "%s", fixture.error.text);
        cr_assert_eq(fixture_status(&fixture, &status), 0, "%s", fixture.error.text);
        cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
    }
    cr_assert_eq(fixture.base.wakes, wakes, "%u wakes", fixture.base.wakes - wakes);
    fixture_close(&fixture);
}

/* The database is removed while the relay sleeps: the relay is woken to detect it. */
Test(sqlite_wake, replaced_file_wakes)
{
    struct fixture fixture;
    struct outbox_batch *batch;
    char other[128];
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
    uint32_t wakes = fixture.base.wakes;
    snprintf(other, sizeof other, "%s.away", fixture.path);
    cr_assert_eq(rename(fixture.path, other), 0);
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    cr_assert_eq(fixture_claim_code(&fixture, &batch), OUTBOX_E_NOT_FOUND);
    fixture_close(&fixture);
}

static void note_left(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    (void)level;
    (void)subject;
    *(unsigned *)arg += strstr(text, "the plugin left ") != NULL;
}

/* The relay is stopped while it opens the database again: the open completes, and must leak nothing. */
Test(sqlite_wake, stop_during_start_leaves_no_watch)
{
    static const struct outbox_column columns[] = {{"payload", 0}};
    const struct outbox_store_start start = {.struct_size = sizeof start, .column_count = 1, .columns = columns};
    struct fixture fixture;
    unsigned left = 0;
    fixture_ready(&fixture, NULL);
    fixture.base.log = (struct obx_log){note_left, &left, OUTBOX_LOG_WARN};
    cr_assert_eq(loop_fixture_stop(&fixture.base, fixture.store, NULL), 0);
    for (uint64_t moment = 0; moment < 100; moment++) {
        struct loop_fixture_call starting = {0}, stopping = {0};
        struct obx_instance *store = fixture_another(&fixture);
        loop_fixture_reset(&starting);
        loop_fixture_reset(&stopping);
        obx_store_start(store, &starting.call, 0, &start);
        uint64_t until = obx_loop_now(fixture.base.loop) + moment * 50000;
        while (obx_loop_now(fixture.base.loop) < until) /* the loop does not turn meanwhile, the worker works */
            sched_yield();
        obx_instance_stop(store, &stopping.call, 0);
        loop_fixture_wait(&fixture.base, &starting);
        cr_assert_eq(loop_fixture_wait(&fixture.base, &stopping), 0);
        obx_instance_free(store);
    }
    fixture_close(&fixture);
    cr_assert_eq(left, 0);
}
