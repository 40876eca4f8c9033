/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/heap.h - the timers that are set, ordered by due time
 *
 * A pairing heap inside struct obx_timer: nothing is allocated, so setting a timer cannot fail. Timers that are due at
 * the same time fire in the order in which they were set, which keeps simulations reproducible.
 */
#ifndef OBX_LOOP_HEAP_H
#define OBX_LOOP_HEAP_H

#include "loop/loop.h"

struct obx_heap {
    struct obx_timer *first; /* due next; NULL: none is set */
    uint64_t order;          /* of the timer set last */
};

void obx_heap_set(struct obx_heap *heap, struct obx_timer *timer, uint64_t due_ns); /* moves it if set */
void obx_heap_clear(struct obx_heap *heap, struct obx_timer *timer);                /* no effect if not set */

/* Fire the timers that are due at now_ns. Timers set meanwhile wait for the next call, so that this one ends. */
void obx_heap_fire(struct obx_heap *heap, uint64_t now_ns);

#endif
