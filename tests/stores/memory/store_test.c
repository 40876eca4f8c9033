/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/memory/store_test.c - the memory store beyond conformance: synthetic events, capacity, lost memory */
#include <criterion/criterion.h>

#include <string.h>

#include "harness.h"
#include "mem_fault.h"

struct rig {
    struct harness harness;
    struct obx_instance *store;
    struct outbox_error error;
};

static const struct outbox_column columns[] = {{"aggregateid", 0}, {"payload", 0}, {"id", 0}};

static void open_rig(struct rig *rig, const char *yaml)
{
    struct outbox_acquire acquire;
    *rig = (struct rig){0};
    cr_assert_eq(harness_open_uv(&rig->harness, NULL, &rig->error), 0, "%s", rig->error.text);
    cr_assert_eq(harness_configure(&rig->harness, "test.yaml", yaml, &rig->error), 0, "%s", rig->error.text);
    cr_assert_eq(harness_instance(&rig->harness, OUTBOX_STORE, "store", &rig->store, &rig->error), 0, "%s",
                 rig->error.text);
    cr_assert_eq(harness_store_start(&rig->harness, rig->store, columns, 3, &rig->error), 0, "%s", rig->error.text);
    cr_assert_eq(harness_acquire(&rig->harness, rig->store, &acquire, &rig->error), 0, "%s", rig->error.text);
}

static void close_rig(struct rig *rig)
{
    cr_assert_eq(harness_stop(&rig->harness, rig->store, &rig->error), 0, "%s", rig->error.text);
    obx_instance_free(rig->store);
    cr_assert_eq(harness_close(&rig->harness), 0);
    cr_assert_eq(mem_live(), 0);
}

static struct outbox_batch *claim(struct rig *rig, uint32_t rows)
{
    struct outbox_claim args = {.max_rows = rows, .max_bytes = 1 << 30};
    cr_assert_eq(harness_claim(&rig->harness, rig->store, &args, &rig->error), 0, "%s", rig->error.text);
    return args.batch;
}

static int64_t pending(struct rig *rig)
{
    struct outbox_store_status status = {.struct_size = sizeof status};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_status(rig->store, &call.call, 0, &status);
    cr_assert_eq(harness_wait(&rig->harness, &call), 0, "%s", call.error.text);
    return status.pending;
}

static int add(struct rig *rig, uint32_t count)
{
    struct outbox_event event = {.struct_size = sizeof event,
                                 .aggregate_type = {"order", 5},
                                 .aggregate_id = {"added", 5},
                                 .type = {"Placed", 6}};
    const struct outbox_event *events[] = {&event, &event, &event, &event};
    return harness_add(&rig->harness, rig->store, events, count, &rig->error);
}

Test(memory_store, makes_synthetic_events_as_they_are_claimed)
{
    struct rig rig;
    open_rig(&rig, "store: {plugin: memory, events: 1000000, payload_size: 10, keys: 3}");
    cr_assert_eq(pending(&rig), 1000000);
    struct outbox_batch *batch = claim(&rig, 5);
    cr_assert_eq(batch->rows, 5);
    cr_assert_eq(batch->flags, OUTBOX_BATCH_MORE);
    cr_assert_eq(batch->values[3].size, 2);
    cr_assert_eq(memcmp(batch->values[3].as.data, "k2", 2), 0);
    cr_assert_eq(batch->values[4].size, 10);
    cr_assert_eq(memcmp(batch->values[4].as.data, "2xxxxxxxxx", 10), 0);
    cr_assert_eq(batch->values[5].as.integer, 2);
    struct outbox_span span = {batch, 0, 5};
    cr_assert_eq(harness_settle(&rig.harness, rig.store, &span, 1, &rig.error), 0, "%s", rig.error.text);
    cr_assert_eq(pending(&rig), 999995);
    obx_store_release(rig.store, batch);
    close_rig(&rig);
}

Test(memory_store, added_events_come_after_the_synthetic_ones)
{
    struct rig rig;
    open_rig(&rig, "store: {plugin: memory, events: 3}");
    cr_assert_eq(add(&rig, 1), 0, "%s", rig.error.text);
    struct outbox_batch *batch = claim(&rig, 10);
    cr_assert_eq(batch->rows, 4);
    cr_assert_eq(memcmp(batch->values[9].as.data, "added", 5), 0);
    obx_store_release(rig.store, batch);
    close_rig(&rig);
}

Test(memory_store, refuses_more_than_its_capacity)
{
    struct rig rig;
    open_rig(&rig, "store: {plugin: memory, events: 2, capacity: 4}");
    cr_assert_eq(add(&rig, 3), OUTBOX_E_FULL);
    cr_assert_str_eq(rig.error.text, "add events: the memory store holds at most 4 rows; raise capacity");
    cr_assert_eq(add(&rig, 2), 0, "%s", rig.error.text);
    cr_assert_eq(pending(&rig), 4);
    close_rig(&rig);
}

/* Settled all over the place: slots are closed up, and what is left keeps its order. */
Test(memory_store, holes_are_closed)
{
    struct rig rig;
    open_rig(&rig, "store: {plugin: memory, events: 5000, payload_size: 8}");
    uint64_t expected = 1;
    for (int round = 0; round < 10; round++) {
        struct outbox_batch *batch = claim(&rig, 500);
        cr_assert_eq(batch->positions[0].major, expected);
        expected += 500;
        for (uint32_t i = 0; i < 500; i++) {
            struct outbox_span span = {batch, i, i % 50 ? 1 : 0};
            cr_assert_eq(harness_settle(&rig.harness, rig.store, &span, 1, &rig.error), 0, "%s", rig.error.text);
        }
        obx_store_release(rig.store, batch);
    }
    cr_assert_eq(pending(&rig), 100);
    struct outbox_claim again = {.max_rows = 1000, .max_bytes = 1 << 30, .flags = OUTBOX_CLAIM_REWIND};
    cr_assert_eq(harness_claim(&rig.harness, rig.store, &again, &rig.error), 0, "%s", rig.error.text);
    cr_assert_eq(again.batch->rows, 100);
    for (uint32_t i = 0; i < 100; i++)
        cr_assert_eq(again.batch->positions[i].major, 1 + i * 50);
    obx_store_release(rig.store, again.batch);
    close_rig(&rig);
}

/* Each allocation fails once; afterwards every row is still there. */
Test(memory_store, lost_memory_loses_no_rows)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct rig rig;
        struct outbox_dead_row row = {{2, 0}, 1, {"t", 1}, {"k", 1}, "why"};
        struct outbox_dead_letter_rows park = {sizeof park, 1, &row};
        struct outbox_claim args = {.max_rows = 10, .max_bytes = 1 << 30};
        struct harness_call call = {0};
        open_rig(&rig, "store: {plugin: memory, events: 70}");
        mem_fail_at(n, false);
        int added = add(&rig, 4);
        int claimed = harness_claim(&rig.harness, rig.store, &args, &rig.error);
        harness_reset(&call);
        obx_store_dead_letter(rig.store, &call.call, 0, &park);
        int parked = harness_wait(&rig.harness, &call);
        failed = mem_failed();
        mem_fail_at(0, false);
        if (!claimed)
            obx_store_release(rig.store, args.batch);
        cr_assert_eq(pending(&rig), 70 + (added ? 0 : 4) - (parked ? 0 : 1), "%zu: %d %d", n, added, parked);
        close_rig(&rig);
    }
}
