/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/memory.c - see memory.h; a doubly linked list of blocks for each owner */
#include "memory.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/random.h"

struct sim_block {
    alignas(max_align_t) struct sim_block *next;
    struct sim_block *prev;
    struct sim_owner *owner;
    size_t size;
};

static struct sim_owner no_owner;
static struct sim_owner *current = &no_owner;

struct sim_owner *sim_own(struct sim_owner *owner)
{
    struct sim_owner *before = current;
    current = owner;
    return before;
}

static void link_block(struct sim_block *block)
{
    struct sim_owner *owner = block->owner;
    block->prev = NULL;
    block->next = owner->first;
    if (block->next)
        block->next->prev = block;
    owner->first = block;
    owner->live++;
}

static void unlink_block(struct sim_block *block)
{
    if (block->next)
        block->next->prev = block->prev;
    if (block->prev)
        block->prev->next = block->next;
    else
        block->owner->first = block->next;
    block->owner->live--;
}

static bool refused(struct sim_owner *owner)
{
    if (!owner->fail_one_in)
        return false;
    owner->random += OBX_RANDOM_STEP;
    return obx_random_stir(owner->random) % owner->fail_one_in == 0;
}

void *obx_alloc(size_t size)
{
    struct sim_block *block = refused(current) ? NULL : calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->owner = current;
    block->size = size;
    link_block(block);
    return block + 1;
}

void *obx_resize(void *memory, size_t size)
{
    if (!memory)
        return obx_alloc(size);
    struct sim_block *block = (struct sim_block *)memory - 1;
    if (refused(block->owner))
        return NULL;
    unlink_block(block);
    struct sim_block *moved = realloc(block, sizeof *block + size);
    if (!moved)
        abort();
    moved->size = size;
    link_block(moved);
    return moved + 1;
}

void obx_free(void *memory)
{
    if (!memory)
        return;
    struct sim_block *block = (struct sim_block *)memory - 1;
    unlink_block(block);
    free(block);
}

void sim_owner_drop(struct sim_owner *owner)
{
    while (owner->first)
        obx_free(owner->first + 1);
}
