/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/position_heap.h - positions, of which the lowest is taken first: a binary heap in one array
 *
 * No failure modes but memory. Loop thread only.
 */
#ifndef OBX_RELAY_POSITION_HEAP_H
#define OBX_RELAY_POSITION_HEAP_H

#include <stdbool.h>

#include <outbox/plugin.h>

struct obx_position_heap {
    struct outbox_position *items; /* owned; items[0] is the lowest */
    uint32_t count, room;
};

void obx_position_heap_free(struct obx_position_heap *heap);
bool obx_position_heap_add(struct obx_position_heap *heap, struct outbox_position position); /* false: no memory */
struct outbox_position obx_position_heap_take(struct obx_position_heap *heap);               /* it is not empty */

#endif
