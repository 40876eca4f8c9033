/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/memory_test.c - every allocation fails once, or from there on: nothing crashes, leaks or is lost
 */
#include "rig.h"

static void ignore_letter(void *arg, const struct outbox_dead_letter *letter)
{
    (void)arg;
    (void)letter;
}

static void ignore_finding(void *arg, enum outbox_log_level level, const char *finding, const char *advice)
{
    (void)arg;
    (void)level;
    (void)finding;
    (void)advice;
}

static void settle_one(struct rig *rig)
{
    struct outbox_batch *batch;
    rig_claim_code(rig, &batch);
    if (batch)
        rig_settle(rig, batch, 0, 1);
    if (batch)
        rig_release(rig, batch);
}

static void administer(struct rig *rig)
{
    struct outbox_store_status status;
    struct outbox_event event = {
        .struct_size = sizeof event, .aggregate_type = {"order", 5}, .aggregate_id = {"1", 1}, .type = {"Placed", 6}};
    const struct outbox_event *events[] = {&event};
    struct outbox_dead list = {.action = OUTBOX_DEAD_LIST, .row = ignore_letter};
    struct outbox_dead replay = {.action = OUTBOX_DEAD_REPLAY};
    struct outbox_check check = {sizeof check, ignore_finding, NULL, NULL};
    struct harness_call call = {0};
    rig_status(rig, &status);
    rig_dead(rig, &list);
    rig_dead(rig, &replay);
    harness_add(&rig->harness, rig->store, events, 1, &rig->error);
    harness_reset(&call);
    obx_store_check(rig->store, &call.call, 0, &check);
    harness_wait(&rig->harness, &call);
}

/* Everything that a store is asked to do, whatever comes of it. */
static void work(struct rig *rig)
{
    struct outbox_acquire acquire;
    rig_start(rig, rig->store);
    rig_acquire(rig, rig->store, 15000, &acquire);
    settle_one(rig);
    settle_one(rig);
    rig_park(rig, 8, "key", "why");
    rig_renew(rig, rig->store);
    administer(rig);
}

/* With memory again it works as if nothing had been, and every row is there or was settled or parked. */
static void recover(struct rig *rig)
{
    struct outbox_batch *batch;
    cr_assert_eq(harness_stop(&rig->harness, rig->store, &rig->error), 0, "%s", rig->error.text);
    cr_assert_eq(rig_start(rig, rig->store), 0, "%s", rig->error.text);
    rig_own(rig);
    cr_assert_not_null(batch = rig_claim(rig, OUTBOX_CLAIM_REWIND));
    cr_assert_eq(rig_settle(rig, batch, 0, batch->rows), 0, "%s", rig->error.text);
    rig_release(rig, batch);
    cr_assert_eq(rig_number(rig->path, "SELECT count(*) FROM outbox"), 0);
}

/* True: an allocation has failed. */
static bool fail_at(size_t n, bool persistent)
{
    struct rig rig;
    rig_open(&rig, NULL);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig_insert(&rig, 10);
    mem_fail_at(n, persistent);
    work(&rig);
    bool failed = mem_failed();
    mem_fail_at(0, false);
    recover(&rig);
    rig_close(&rig);
    return failed;
}

Test(sqlite_memory, each_allocation_fails_once)
{
    size_t n = 1;
    while (fail_at(n, false))
        n++;
    cr_assert_gt(n, 10, "only %zu allocations were seen", n);
}

Test(sqlite_memory, all_allocations_fail_from_one_on)
{
    for (size_t n = 1; fail_at(n, true); n += 3) {
    }
}
