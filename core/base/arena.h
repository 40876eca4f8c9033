/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/arena.h - memory that is freed all at once
 *
 * Blocks never move, so pointers stay valid until the reset. A reset keeps the first block: a recycled arena
 * allocates again only for what exceeds that block.
 */
#ifndef OBX_BASE_ARENA_H
#define OBX_BASE_ARENA_H

#include <stddef.h>

struct obx_arena_block;

struct obx_arena {
    struct obx_arena_block *first, *last; /* owned */
    size_t used;                          /* of the last block */
    size_t total;                         /* bytes in all blocks */
};

void *obx_arena_alloc(struct obx_arena *arena, size_t size);    /* 8-aligned, not zeroed; NULL without memory */
void *obx_arena_bytes(struct obx_arena *arena, size_t size);    /* not aligned */
void obx_arena_give_back(struct obx_arena *arena, size_t size); /* free the last `size` allocated bytes */
void obx_arena_reset(struct obx_arena *arena);
void obx_arena_free(struct obx_arena *arena);

#endif
