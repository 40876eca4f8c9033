/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/heap.h - the timers that are set, the next one first
 *
 * A pairing heap inside struct obx_timer: nothing is allocated, so setting a timer cannot fail. Timers that are due at
 * the same time leave in the order in which they were set, which keeps simulations reproducible.
 */
#ifndef OBX_LOOP_HEAP_H
#define OBX_LOOP_HEAP_H

#include "loop/loop.h"

struct obx_heap {
    struct obx_timer *first; /* the one that is due next; NULL: none is set */
    uint64_t order;          /* of the timer set last */
};

void obx_heap_set(struct obx_heap *heap, struct obx_timer *timer, uint64_t due_ns); /* moves it if set */
void obx_heap_clear(struct obx_heap *heap, struct obx_timer *timer);                /* fine if not set */

/* Fire what is due at now_ns, but nothing that was set meanwhile, so that this ends. */
void obx_heap_fire(struct obx_heap *heap, uint64_t now_ns);

#endif
