/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/keys_test.c - waiting keys: order, windows, counters, and a random comparison with a plain model */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "mem_fault.h"
#include "relay/keys.h"
#include "relay/position_heap.h"

static struct outbox_position at(uint64_t id)
{
    return (struct outbox_position){id, 0};
}

Test(keys, events_stay_in_order_and_are_kept_once)
{
    struct obx_keys keys;
    obx_keys_init(&keys);
    struct obx_key *key = obx_keys_block(&keys, 1, at(5), 100);
    cr_assert_eq(obx_keys_block(&keys, 1, at(9), 101), key);
    cr_assert_eq(obx_keys_block(&keys, 1, at(7), 102), key);
    cr_assert_eq(obx_keys_block(&keys, 1, at(7), 103), key);
    cr_assert_eq(key->count, 3);
    cr_assert_eq(keys.events, 3);
    cr_assert_eq(key->events[key->first].position.major, 5);
    cr_assert_eq(key->events[key->first + 1].position.major, 7);
    cr_assert_eq(key->since_ns, 100);
    obx_keys_clear(&keys);
    cr_assert_eq(keys.events, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(keys, key_is_removed_with_its_last_event_but_not_during_a_retry)
{
    struct obx_keys keys;
    obx_keys_init(&keys);
    struct obx_key *key = obx_keys_block(&keys, 1, at(5), 0);
    obx_keys_start_retry(&keys, key);
    cr_assert_null(obx_keys_next(&keys));
    obx_keys_remove_event(&keys, key, at(5));
    cr_assert_eq(obx_keys_find(&keys, 1), key);
    obx_keys_wait(&keys, key, 10);
    cr_assert_null(obx_keys_find(&keys, 1));
    key = obx_keys_block(&keys, 1, at(6), 0);
    obx_keys_remove_event(&keys, key, at(99));
    cr_assert_eq(key->count, 1);
    obx_keys_remove_event(&keys, key, at(6));
    cr_assert_not(obx_keys_any(&keys));
    cr_assert_eq(mem_live(), 0);
}

Test(keys, key_that_is_due_first_is_next)
{
    struct obx_keys keys;
    obx_keys_init(&keys);
    for (uint64_t i = 1; i <= 3; i++)
        obx_keys_wait(&keys, obx_keys_block(&keys, i, at(i), 0), 100 - i);
    cr_assert_eq(obx_keys_next(&keys)->hash, 3);
    obx_keys_wait(&keys, obx_keys_find(&keys, 3), 200);
    cr_assert_eq(obx_keys_next(&keys)->hash, 2);
    obx_keys_clear(&keys);
}

Test(keys, exhausted_events_are_counted)
{
    struct obx_keys keys;
    obx_keys_init(&keys);
    struct obx_key *key = obx_keys_block(&keys, 1, at(1), 0);
    obx_keys_block(&keys, 2, at(2), 0);
    obx_keys_set_exhausted(&keys, key, true);
    obx_keys_set_exhausted(&keys, key, true);
    obx_keys_block(&keys, 1, at(3), 0);
    cr_assert_eq(keys.exhausted_events, 2);
    obx_keys_remove_event(&keys, key, at(1));
    cr_assert_eq(keys.exhausted_events, 1);
    obx_keys_set_exhausted(&keys, key, false);
    cr_assert_eq(keys.exhausted_events, 0);
    obx_keys_clear(&keys);
    cr_assert_eq(keys.exhausted_events, 0);
}

Test(keys, failing_keys_that_are_not_exhausted_are_counted)
{
    struct obx_keys keys;
    obx_keys_init(&keys);
    struct obx_key *key = obx_keys_block(&keys, 1, at(2), 0), *other = obx_keys_block(&keys, 2, at(3), 0);
    obx_keys_set_failures(&keys, key, 1);
    obx_keys_set_failures(&keys, key, 2);
    obx_keys_set_failures(&keys, other, 1);
    cr_assert_eq(keys.failing, 2);
    obx_keys_set_exhausted(&keys, key, true);
    cr_assert_eq(keys.failing, 1);
    obx_keys_block(&keys, 1, at(1), 0); /* a new first event: neither exhausted nor failed */
    cr_assert_eq(keys.failing, 1);
    obx_keys_set_failures(&keys, key, 1);
    obx_keys_end_pauses(&keys, 0);
    cr_assert_eq(keys.failing, 0);
    obx_keys_set_failures(&keys, other, 1);
    obx_keys_remove_event(&keys, other, at(3));
    cr_assert_eq(keys.failing, 0);
    obx_keys_clear(&keys);
}

Test(keys, failed_allocation_leaves_no_key)
{
    for (size_t n = 1;; n++) {
        struct obx_keys keys;
        obx_keys_init(&keys);
        mem_fail_at(n, true);
        struct obx_key *key = obx_keys_block(&keys, 1, at(1), 0);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(key == NULL, failed);
        if (!key)
            cr_assert_not(obx_keys_any(&keys));
        obx_keys_clear(&keys);
        cr_assert_eq(mem_live(), 0);
        if (!failed)
            break;
    }
}

Test(keys, random_operations_match_a_plain_model)
{
    bool model[4][64] = {{false}};
    struct obx_keys keys;
    obx_keys_init(&keys);
    srand(7);
    for (int step = 0; step < 20000; step++) {
        uint64_t hash = (uint64_t)rand() % 4 + 1;
        uint64_t id = (uint64_t)rand() % 64;
        struct obx_key *key = obx_keys_find(&keys, hash);
        if (rand() % 2) {
            cr_assert_not_null(obx_keys_block(&keys, hash, at(id), 0));
            model[hash - 1][id] = true;
        } else if (key) {
            obx_keys_remove_event(&keys, key, at(id));
            model[hash - 1][id] = false;
        }
        key = obx_keys_find(&keys, hash);
        uint32_t seen = 0;
        for (uint64_t i = 0; i < 64; i++) {
            if (model[hash - 1][i])
                cr_assert_eq(key->events[key->first + seen++].position.major, i);
        }
        cr_assert_eq(key ? key->count : 0, seen);
    }
    obx_keys_clear(&keys);
    cr_assert_eq(mem_live(), 0);
}

Test(position_heap, gives_the_lowest_first)
{
    struct obx_position_heap heap = {0};
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert(obx_position_heap_add(&heap, (struct outbox_position){i * 7919 % 1000 + 1, i % 3}));
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert_eq(obx_position_heap_take(&heap).major, i + 1);
    cr_assert_eq(heap.count, 0);
    obx_position_heap_free(&heap);
}
