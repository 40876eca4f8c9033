/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/memory/store_test.c - the memory store beyond conformance: synthetic events, capacity, lost memory */
#include <criterion/criterion.h>

#include <string.h>

#include "loop_fixture.h"
#include "mem_fault.h"

struct fixture {
    struct loop_fixture base;
    struct obx_instance *store;
    struct outbox_error error;
};

static const struct outbox_column columns[] = {{"aggregateid", 0}, {"payload", 0}, {"id", 0}};

static void fixture_open(struct fixture *fixture, const char *yaml)
{
    struct outbox_acquire acquire;
    *fixture = (struct fixture){0};
    cr_assert_eq(loop_fixture_open_uv(&fixture->base, NULL, &fixture->error), 0, "%s", fixture->error.text);
    cr_assert_eq(loop_fixture_configure(&fixture->base, "test.yaml", yaml, &fixture->error), 0, "%s",
                 fixture->error.text);
    cr_assert_eq(loop_fixture_instance(&fixture->base, OUTBOX_STORE, "store", &fixture->store, &fixture->error), 0,
                 "%s", fixture->error.text);
    cr_assert_eq(loop_fixture_store_start(&fixture->base, fixture->store, columns, 3, &fixture->error), 0, "%s",
                 fixture->error.text);
    cr_assert_eq(loop_fixture_acquire(&fixture->base, fixture->store, &acquire, &fixture->error), 0, "%s",
                 fixture->error.text);
}

static void fixture_close(struct fixture *fixture)
{
    cr_assert_eq(loop_fixture_stop(&fixture->base, fixture->store, &fixture->error), 0, "%s", fixture->error.text);
    obx_instance_free(fixture->store);
    cr_assert_eq(loop_fixture_close(&fixture->base), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(memory_store, each_instance_has_an_identity_of_its_own)
{
    struct fixture fixture;
    struct obx_instance *other;
    struct outbox_acquire first, second;
    fixture_open(&fixture, "store: {plugin: memory}");
    cr_assert_eq(loop_fixture_instance(&fixture.base, OUTBOX_STORE, "store", &other, &fixture.error), 0);
    cr_assert_eq(loop_fixture_store_start(&fixture.base, other, columns, 3, &fixture.error), 0);
    cr_assert_eq(loop_fixture_acquire(&fixture.base, fixture.store, &first, &fixture.error), 0);
    cr_assert_eq(loop_fixture_acquire(&fixture.base, other, &second, &fixture.error), 0);
    cr_assert_eq(strncmp(first.identity, "memory ", 7), 0);
    cr_assert_str_neq(first.identity, second.identity);
    cr_assert(first.epoch && second.epoch);
    cr_assert_eq(loop_fixture_stop(&fixture.base, other, &fixture.error), 0);
    obx_instance_free(other);
    fixture_close(&fixture);
}

static struct outbox_batch *claim(struct fixture *fixture, uint32_t rows)
{
    struct outbox_claim args = {.max_rows = rows, .max_bytes = 1 << 30};
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &args, &fixture->error), 0, "%s",
                 fixture->error.text);
    return args.batch;
}

static int64_t pending(struct fixture *fixture)
{
    struct outbox_store_status status = {.struct_size = sizeof status};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_status(fixture->store, &call.call, 0, &status);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
    return status.pending;
}

static int add(struct fixture *fixture, uint32_t count)
{
    struct outbox_event event = {.struct_size = sizeof event,
                                 .aggregate_type = {"order", 5},
                                 .aggregate_id = {"added", 5},
                                 .type = {"Placed", 6}};
    const struct outbox_event *events[] = {&event, &event, &event, &event};
    return loop_fixture_add(&fixture->base, fixture->store, events, count, &fixture->error);
}

Test(memory_store, makes_synthetic_events_as_they_are_claimed)
{
    struct fixture fixture;
    fixture_open(&fixture, "store: {plugin: memory, events: 1000000, payload_size: 10, keys: 3}");
    cr_assert_eq(pending(&fixture), 1000000);
    struct outbox_batch *batch = claim(&fixture, 5);
    cr_assert_eq(batch->rows, 5);
    cr_assert_eq(batch->flags, OUTBOX_BATCH_MORE);
    cr_assert_eq(batch->values[3].size, 2);
    cr_assert_eq(memcmp(batch->values[3].as.data, "k2", 2), 0);
    cr_assert_eq(batch->values[4].size, 10);
    cr_assert_eq(memcmp(batch->values[4].as.data, "2xxxxxxxxx", 10), 0);
    cr_assert_eq(batch->values[5].as.integer, 2);
    struct outbox_span span = {batch, 0, 5};
    cr_assert_eq(loop_fixture_settle(&fixture.base, fixture.store, &span, 1, &fixture.error), 0, "%s",
                 fixture.error.text);
    cr_assert_eq(pending(&fixture), 999995);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

Test(memory_store, added_events_come_after_the_synthetic_ones)
{
    struct fixture fixture;
    fixture_open(&fixture, "store: {plugin: memory, events: 3}");
    cr_assert_eq(add(&fixture, 1), 0, "%s", fixture.error.text);
    struct outbox_batch *batch = claim(&fixture, 10);
    cr_assert_eq(batch->rows, 4);
    cr_assert_eq(memcmp(batch->values[9].as.data, "added", 5), 0);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

Test(memory_store, refuses_more_than_its_capacity)
{
    struct fixture fixture;
    fixture_open(&fixture, "store: {plugin: memory, events: 2, capacity: 4}");
    cr_assert_eq(add(&fixture, 3), OUTBOX_E_FULL);
    cr_assert_str_eq(fixture.error.text, "add events: the memory store holds at most 4 rows; raise capacity");
    cr_assert_eq(add(&fixture, 2), 0, "%s", fixture.error.text);
    cr_assert_eq(pending(&fixture), 4);
    fixture_close(&fixture);
}

/* Settles at many positions: the remaining rows keep their order. */
Test(memory_store, gaps_of_removed_rows_are_closed)
{
    struct fixture fixture;
    fixture_open(&fixture, "store: {plugin: memory, events: 5000, payload_size: 8}");
    uint64_t expected = 1;
    for (int round = 0; round < 10; round++) {
        struct outbox_batch *batch = claim(&fixture, 500);
        cr_assert_eq(batch->positions[0].major, expected);
        expected += 500;
        for (uint32_t i = 0; i < 500; i++) {
            struct outbox_span span = {batch, i, i % 50 ? 1 : 0};
            cr_assert_eq(loop_fixture_settle(&fixture.base, fixture.store, &span, 1, &fixture.error), 0, "%s",
                         fixture.error.text);
        }
        obx_store_release(fixture.store, batch);
    }
    cr_assert_eq(pending(&fixture), 100);
    struct outbox_claim again = {.max_rows = 1000, .max_bytes = 1 << 30, .flags = OUTBOX_CLAIM_REWIND};
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &again, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert_eq(again.batch->rows, 100);
    for (uint32_t i = 0; i < 100; i++)
        cr_assert_eq(again.batch->positions[i].major, 1 + i * 50);
    obx_store_release(fixture.store, again.batch);
    fixture_close(&fixture);
}

/* Each allocation fails once; afterwards every row is still there. */
Test(memory_store, lost_memory_loses_no_rows)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct fixture fixture;
        struct outbox_dead_row row = {{2, 0}, 1, {"t", 1}, {"k", 1}, "why"};
        struct outbox_dead_letter_rows letters = {sizeof letters, 1, &row};
        struct outbox_claim args = {.max_rows = 10, .max_bytes = 1 << 30};
        struct loop_fixture_call call = {0};
        fixture_open(&fixture, "store: {plugin: memory, events: 70}");
        mem_fail_at(n, false);
        int added = add(&fixture, 4);
        int claimed = loop_fixture_claim(&fixture.base, fixture.store, &args, &fixture.error);
        loop_fixture_reset(&call);
        obx_store_dead_letter(fixture.store, &call.call, 0, &letters);
        int dead_lettered = loop_fixture_wait(&fixture.base, &call);
        failed = mem_failed();
        mem_fail_at(0, false);
        if (!claimed)
            obx_store_release(fixture.store, args.batch);
        cr_assert_eq(pending(&fixture), 70 + (added ? 0 : 4) - (dead_lettered ? 0 : 1), "%zu: %d %d", n, added,
                     dead_lettered);
        fixture_close(&fixture);
    }
}
