/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/loop/heap_test.c - timers fire by due time, ties in the order in which they were set */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "loop/heap.h"
#include "loop/random.h"

#define TIMERS 500

struct item {
    struct obx_timer timer; /* first */
    uint64_t due_ns, order;
    bool set;
};

static struct item items[TIMERS];
static struct obx_heap heap;
static uint64_t random_state, set_count, fired;
static const struct item *last;

static uint64_t draw(uint64_t below)
{
    return obx_random_stir(random_state += OBX_RANDOM_STEP) % below;
}

static void fire(struct obx_timer *timer)
{
    struct item *item = (struct item *)(void *)timer;
    cr_assert(item->set);
    cr_assert(!timer->set);
    if (last)
        cr_assert(item->due_ns > last->due_ns || (item->due_ns == last->due_ns && item->order > last->order));
    item->set = false;
    last = item;
    fired++;
}

static void set(struct item *item, uint64_t due_ns)
{
    item->timer.fire = fire;
    item->due_ns = due_ns;
    item->order = ++set_count;
    item->set = true;
    obx_heap_set(&heap, &item->timer, due_ns);
}

static size_t count_set(void)
{
    size_t count = 0;
    for (size_t i = 0; i < TIMERS; i++)
        count += items[i].set;
    return count;
}

/* Set, move and clear timers at random, then check that the set ones fire in order. */
static void churn(uint64_t seed)
{
    random_state = seed;
    for (int step = 0; step < 3000; step++) {
        struct item *item = &items[draw(TIMERS)];
        if (draw(3)) {
            set(item, draw(100));
        } else {
            item->set = false;
            obx_heap_clear(&heap, &item->timer);
        }
    }
    size_t expected = count_set();
    fired = 0;
    last = NULL;
    obx_heap_fire(&heap, 49);
    for (size_t i = 0; i < TIMERS; i++)
        cr_assert_eq(items[i].set && items[i].due_ns <= 49, false);
    obx_heap_fire(&heap, 100);
    cr_assert_eq(fired, expected);
    cr_assert_null(heap.first);
}

Test(heap, order_is_kept_over_random_changes)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        churn(seed);
}

static void set_again(struct obx_timer *timer)
{
    fired++;
    obx_heap_set(&heap, timer, 10);
}

Test(heap, timer_set_while_firing_waits_for_the_next_round)
{
    struct obx_timer timer = {.fire = set_again};
    obx_heap_set(&heap, &timer, 10);
    obx_heap_fire(&heap, 10);
    cr_assert_eq(fired, 1);
    cr_assert(timer.set);
    obx_heap_clear(&heap, &timer);
    obx_heap_clear(&heap, &timer);
    obx_heap_fire(&heap, 10);
    cr_assert_eq(fired, 1);
}

static void clear_other(struct obx_timer *timer)
{
    (void)timer;
    fired++;
    obx_heap_clear(&heap, &items[0].timer);
}

Test(heap, firing_timer_can_clear_a_due_one)
{
    struct obx_timer timer = {.fire = clear_other};
    obx_heap_set(&heap, &timer, 5);
    set(&items[0], 5);
    obx_heap_fire(&heap, 5);
    cr_assert_eq(fired, 1);
    cr_assert_null(heap.first);
}
