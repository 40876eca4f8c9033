/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/mem_fault.c - stands in for core/base/mem.c in tests: counts live blocks, fails the n-th allocation */
#include "mem_fault.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

static atomic_size_t live, countdown;
static atomic_bool persists, failed;

void mem_fail_at(size_t n, bool persistent)
{
    countdown = n;
    persists = persistent;
    failed = false;
}

bool mem_failed(void)
{
    return failed;
}

size_t mem_live(void)
{
    return live;
}

static bool must_fail(void)
{
    if (failed && persists)
        return true;
    size_t left = countdown;
    while (left && !atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
    }
    if (left != 1)
        return false;
    failed = true;
    return true;
}

void *obx_alloc(size_t size)
{
    void *memory = must_fail() ? NULL : calloc(1, size ? size : 1);
    if (memory)
        live++;
    return memory;
}

void *obx_resize(void *memory, size_t size)
{
    void *moved = must_fail() ? NULL : realloc(memory, size ? size : 1);
    if (moved && !memory)
        live++;
    return moved;
}

void obx_free(void *memory)
{
    if (memory)
        live--;
    free(memory);
}
