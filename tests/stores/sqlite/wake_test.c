/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/wake_test.c - the wakeup: rings for what others commit, and not for what the relay does when idle
 */
#include "rig.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static void insert_when_told(struct rig_link *link)
{
    sqlite3 *db;
    sqlite3_open(link->path, &db);
    sqlite3_busy_timeout(db, 10000);
    for (int i = 0; i < 3; i++) {
        rig_link_wait(link);
        sqlite3_exec(db, "INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('a', '1', 't')", NULL, NULL,
                     NULL);
        rig_link_tell(link);
    }
    sqlite3_close(db);
}

/* Claims with the doorbell armed until there are rows; each round must be rung in. */
static struct outbox_batch *wait_for_rows(struct rig *rig)
{
    for (;;) {
        uint32_t wakes = rig->harness.wakes;
        struct outbox_batch *batch = rig_claim(rig, OUTBOX_CLAIM_ARM_WAKEUP);
        if (batch)
            return batch;
        cr_assert(harness_until_woken(&rig->harness, wakes), "nobody rang");
    }
}

Test(sqlite_wake, rings_for_another_process)
{
    struct rig rig;
    struct rig_child child;
    rig_ready(&rig, NULL);
    rig_child_start(&child, rig.path, insert_when_told);
    rig_own(&rig);
    for (int i = 0; i < 3; i++) {
        cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
        rig_child_go(&child);
        struct outbox_batch *batch = wait_for_rows(&rig);
        cr_assert_eq(batch->rows, 1);
        rig_child_hear(&child);
        rig_release(&rig, batch);
    }
    cr_assert_eq(rig_child_end(&child), 0);
    rig_close(&rig);
}

/* Everybody else disconnects in between: the log is emptied, but it is the same file. */
Test(sqlite_wake, rings_after_the_log_began_anew)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    for (int i = 0; i < 3; i++) {
        cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
        rig_insert(&rig, 1);
        struct outbox_batch *batch = wait_for_rows(&rig);
        cr_assert_eq(rig_settle(&rig, batch, 0, 1), 0, "%s", rig.error.text);
        rig_release(&rig, batch);
        rig_sql(rig.path, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    rig_close(&rig);
}

struct moment {
    struct harness *harness;
    uint64_t until;
};

static bool is_over(void *arg)
{
    const struct moment *moment = arg;
    return obx_loop_now(moment->harness->loop) >= moment->until;
}

/* Claim as the relay does until nothing has rung for longer than the second ring takes to come. */
static void let_it_settle(struct rig *rig)
{
    uint32_t before;
    do {
        before = rig->harness.wakes;
        cr_assert_null(rig_claim(rig, OUTBOX_CLAIM_ARM_WAKEUP));
        struct moment moment = {&rig->harness, obx_loop_now(rig->harness.loop) + 250 * OBX_MS};
        cr_assert(harness_poll(&rig->harness, is_over, &moment));
    } while (rig->harness.wakes != before);
}

/* What an idle relay does by itself, renewals with their checkpoints, must not keep it awake. */
Test(sqlite_wake, does_not_ring_for_itself)
{
    struct rig rig;
    struct outbox_store_status status;
    rig_ready(&rig, NULL);
    rig_insert(&rig, 1);
    rig_own(&rig);
    struct outbox_batch *batch = rig_claim(&rig, 0);
    cr_assert_eq(rig_settle(&rig, batch, 0, 1), 0, "%s", rig.error.text);
    rig_release(&rig, batch);
    let_it_settle(&rig);
    uint32_t wakes = rig.harness.wakes;
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(rig_renew(&rig, rig.store), 0, "%s", rig.error.text);
        cr_assert_eq(rig_status(&rig, &status), 0, "%s", rig.error.text);
        cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
    }
    cr_assert_eq(rig.harness.wakes, wakes, "%u wakes", rig.harness.wakes - wakes);
    rig_close(&rig);
}

/* The database goes away while the relay sleeps: it is woken to see that. */
Test(sqlite_wake, rings_when_the_file_is_replaced)
{
    struct rig rig;
    struct outbox_batch *batch;
    char other[128];
    rig_ready(&rig, NULL);
    rig_own(&rig);
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
    uint32_t wakes = rig.harness.wakes;
    snprintf(other, sizeof other, "%s.away", rig.path);
    cr_assert_eq(rename(rig.path, other), 0);
    cr_assert(harness_until_woken(&rig.harness, wakes));
    cr_assert_eq(rig_claim_code(&rig, &batch), OUTBOX_E_NOT_FOUND);
    rig_close(&rig);
}

static void note_left(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    (void)level;
    (void)subject;
    *(unsigned *)arg += strstr(text, "the plugin left ") != NULL;
}

/* The relay is told to stop while it opens the database again: that finishes, and must leave nothing behind. */
Test(sqlite_wake, a_stop_at_any_moment_of_a_start_leaves_no_doorbell)
{
    static const struct outbox_column columns[] = {{"payload", 0}};
    const struct outbox_store_start start = {.struct_size = sizeof start, .column_count = 1, .columns = columns};
    struct rig rig;
    unsigned left = 0;
    rig_ready(&rig, NULL);
    rig.harness.log = (struct obx_log){note_left, &left, OUTBOX_LOG_WARN};
    cr_assert_eq(harness_stop(&rig.harness, rig.store, NULL), 0);
    for (uint64_t moment = 0; moment < 100; moment++) {
        struct harness_call starting = {0}, stopping = {0};
        struct obx_instance *store = rig_another(&rig);
        harness_reset(&starting);
        harness_reset(&stopping);
        obx_store_start(store, &starting.call, 0, &start);
        uint64_t until = obx_loop_now(rig.harness.loop) + moment * 50000;
        while (obx_loop_now(rig.harness.loop) < until) /* the loop does not turn meanwhile, the worker works */
            sched_yield();
        obx_instance_stop(store, &stopping.call, 0);
        harness_wait(&rig.harness, &starting);
        cr_assert_eq(harness_wait(&rig.harness, &stopping), 0);
        obx_instance_free(store);
    }
    rig_close(&rig);
    cr_assert_eq(left, 0);
}
