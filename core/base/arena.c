/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/arena.c - a chain of blocks, bump allocation in the last one */
#include "base/arena.h"

#include <stdint.h>

#include "base/mem.h"

struct obx_arena_block {
    struct obx_arena_block *next;
    size_t room;
    char bytes[];
};

#define BLOCK ((size_t)16 * 1024)

static struct obx_arena_block *add_block(struct obx_arena *arena, size_t size)
{
    size_t room = OBX_MAX(size, OBX_MIN(OBX_MAX(arena->total, BLOCK), (size_t)1 << 20));
    struct obx_arena_block *block = obx_alloc(sizeof *block + room);
    if (!block)
        return NULL;
    block->room = room;
    if (arena->last)
        arena->last->next = block;
    else
        arena->first = block;
    arena->last = block;
    arena->used = 0;
    arena->total += room;
    return block;
}

void *obx_arena_bytes(struct obx_arena *arena, size_t size)
{
    struct obx_arena_block *block = arena->last;
    if (!block || block->room - arena->used < size)
        block = add_block(arena, size);
    if (!block)
        return NULL;
    void *memory = block->bytes + arena->used;
    arena->used += size;
    return memory;
}

void *obx_arena_alloc(struct obx_arena *arena, size_t size)
{
    if (size > SIZE_MAX - 16)
        return NULL;
    arena->used = (arena->used + 7) & ~(size_t)7;
    if (arena->last && arena->used > arena->last->room)
        arena->used = arena->last->room;
    return obx_arena_bytes(arena, size);
}

void obx_arena_give_back(struct obx_arena *arena, size_t size)
{
    arena->used -= size;
}

void obx_arena_reset(struct obx_arena *arena)
{
    if (!arena->first)
        return;
    for (struct obx_arena_block *block = arena->first->next; block;) {
        struct obx_arena_block *next = block->next;
        obx_free(block);
        block = next;
    }
    arena->first->next = NULL;
    arena->last = arena->first;
    arena->used = 0;
    arena->total = arena->first->room;
}

void obx_arena_free(struct obx_arena *arena)
{
    obx_arena_reset(arena);
    obx_free(arena->first);
    *arena = (struct obx_arena){0};
}
