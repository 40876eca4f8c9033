/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/position_heap.c - see position_heap.h */
#include "relay/position_heap.h"

#include "base/mem.h"
#include "relay/position.h"

#define ROOM_MIN 64u

void obx_position_heap_free(struct obx_position_heap *heap)
{
    obx_free(heap->items);
    *heap = (struct obx_position_heap){0};
}

static bool grow(struct obx_position_heap *heap)
{
    uint32_t room = OBX_MAX(ROOM_MIN, heap->room * 2);
    struct outbox_position *items = obx_resize(heap->items, room * sizeof *items);
    if (!items)
        return false; /* not covered: no memory just here */
    heap->items = items;
    heap->room = room;
    return true;
}

bool obx_position_heap_add(struct obx_position_heap *heap, struct outbox_position position)
{
    if (heap->count == heap->room && !grow(heap))
        return false; /* not covered: no memory just here */
    uint32_t at = heap->count++;
    for (; at && obx_position_before(position, heap->items[(at - 1) / 2]); at = (at - 1) / 2)
        heap->items[at] = heap->items[(at - 1) / 2];
    heap->items[at] = position;
    return true;
}

struct outbox_position obx_position_heap_take(struct obx_position_heap *heap)
{
    struct outbox_position lowest = heap->items[0], moved = heap->items[--heap->count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && obx_position_before(heap->items[child + 1], heap->items[child]))
            child++;
        if (!obx_position_before(heap->items[child], moved))
            break;
        heap->items[at] = heap->items[child];
    }
    heap->items[at] = moved;
    return lowest;
}
