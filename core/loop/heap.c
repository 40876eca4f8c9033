/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/heap.c - a pairing heap of timers
 *
 * Each timer points to its first child and to its next sibling; `prev` is the sibling before it or, for a first child,
 * the parent. Setting is O(1), removing O(log n) amortised. Nothing can fail.
 */
#include "loop/heap.h"

static bool before(const struct obx_timer *a, const struct obx_timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

/* Join two roots; the later one becomes the first child of the other. Either may be NULL. */
static struct obx_timer *meld(struct obx_timer *a, struct obx_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (before(b, a)) {
        struct obx_timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Join siblings under one root: in pairs from left to right, then the pairs from right to left. */
static struct obx_timer *combine(struct obx_timer *siblings)
{
    struct obx_timer *pairs = NULL;
    while (siblings) {
        struct obx_timer *a = siblings, *b = siblings->next;
        siblings = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    struct obx_timer *root = NULL;
    while (pairs) {
        struct obx_timer *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

static void unlink_timer(struct obx_timer *timer)
{
    if (timer->prev->child == timer)
        timer->prev->child = timer->next;
    else
        timer->prev->next = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
}

void obx_heap_clear(struct obx_heap *heap, struct obx_timer *timer)
{
    if (!timer->set)
        return;
    timer->set = false;
    bool first = heap->first == timer;
    if (!first)
        unlink_timer(timer);
    struct obx_timer *children = combine(timer->child);
    timer->child = NULL;
    heap->first = first ? children : meld(heap->first, children);
}

void obx_heap_set(struct obx_heap *heap, struct obx_timer *timer, uint64_t due_ns)
{
    obx_heap_clear(heap, timer);
    timer->due_ns = due_ns;
    timer->order = ++heap->order;
    timer->set = true;
    heap->first = meld(heap->first, timer);
}

void obx_heap_fire(struct obx_heap *heap, uint64_t now_ns)
{
    uint64_t last_order = heap->order;
    struct obx_timer *timer;
    /* A timer set meanwhile is due at now_ns or later with a higher order, so it sorts after all that fire here. */
    while ((timer = heap->first) && timer->due_ns <= now_ns && timer->order <= last_order) {
        obx_heap_clear(heap, timer);
        timer->fire(timer);
    }
}
