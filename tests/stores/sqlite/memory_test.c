/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/memory_test.c - every allocation fails once, or from there on: nothing crashes, leaks or is lost
 */
#include "fixture.h"

static void ignore_letter(void *arg, const struct outbox_dead_letter *letter)
{
    (void)arg;
    (void)letter;
}

static void ignore_finding(void *arg, const struct outbox_finding *finding)
{
    (void)arg;
    (void)finding;
}

static void settle_one(struct fixture *fixture)
{
    struct outbox_batch *batch;
    fixture_claim_code(fixture, &batch);
    if (batch)
        fixture_settle(fixture, batch, 0, 1);
    if (batch)
        fixture_release(fixture, batch);
}

static void administer(struct fixture *fixture)
{
    struct outbox_store_status status;
    struct outbox_event event = {
        .struct_size = sizeof event, .aggregate_type = {"order", 5}, .aggregate_id = {"1", 1}, .type = {"Placed", 6}};
    const struct outbox_event *events[] = {&event};
    struct outbox_dead list = {.action = OUTBOX_DEAD_LIST, .row = ignore_letter};
    struct outbox_dead replay = {.action = OUTBOX_DEAD_REPLAY};
    struct outbox_check check = {.struct_size = sizeof check, .report = ignore_finding};
    struct loop_fixture_call call = {0};
    fixture_status(fixture, &status);
    fixture_dead(fixture, &list);
    fixture_dead(fixture, &replay);
    loop_fixture_add(&fixture->base, fixture->store, events, 1, &fixture->error);
    loop_fixture_reset(&call);
    obx_store_check(fixture->store, &call.call, 0, &check);
    loop_fixture_wait(&fixture->base, &call);
}

/* All operations of a store, whatever their results. */
static void work(struct fixture *fixture)
{
    struct outbox_acquire acquire;
    fixture_start(fixture, fixture->store);
    fixture_acquire(fixture, fixture->store, 15000, &acquire);
    settle_one(fixture);
    settle_one(fixture);
    fixture_dead_letter(fixture, 8, "key", "why");
    fixture_renew(fixture, fixture->store);
    administer(fixture);
}

/* With memory again the store works, and every row is there, or was settled or dead-lettered. */
static void recover(struct fixture *fixture)
{
    struct outbox_batch *batch;
    cr_assert_eq(loop_fixture_stop(&fixture->base, fixture->store, &fixture->error), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    fixture_own(fixture);
    cr_assert_not_null(batch = fixture_claim(fixture, OUTBOX_CLAIM_REWIND));
    cr_assert_eq(fixture_settle(fixture, batch, 0, batch->rows), 0, "%s", fixture->error.text);
    fixture_release(fixture, batch);
    cr_assert_eq(fixture_number(fixture->path, "SELECT count(*) FROM outbox"), 0);
}

/* True: an allocation has failed. */
static bool fail_at(size_t n, bool persistent)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_insert(&fixture, 10);
    mem_fail_at(n, persistent);
    work(&fixture);
    bool failed = mem_failed();
    mem_fail_at(0, false);
    recover(&fixture);
    fixture_close(&fixture);
    return failed;
}

Test(sqlite_memory, each_allocation_may_fail_once)
{
    size_t n = 1;
    while (fail_at(n, false))
        n++;
    cr_assert_gt(n, 10, "only %zu allocations were seen", n);
}

Test(sqlite_memory, all_later_allocations_may_fail)
{
    for (size_t n = 1; fail_at(n, true); n += 3) {
    }
}
