/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/mem_fault.c - stands in for core/base/mem.c in tests: counts live blocks and bytes, fails the n-th
 * allocation */
#include "mem_fault.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

static atomic_size_t live, countdown, bytes, peak, base;
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

size_t mem_live_bytes(void)
{
    return bytes;
}

size_t mem_grown(void)
{
    size_t grown = peak > base ? peak - base : 0;
    base = peak = (size_t)bytes;
    return grown;
}

/* memory NULL: nothing. */
static void count(void *memory)
{
    size_t size = memory ? malloc_usable_size(memory) : 0, before = peak;
    size_t now = atomic_fetch_add(&bytes, size) + size;
    while (now > before && !atomic_compare_exchange_weak(&peak, &before, now)) {
    }
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
    count(memory);
    return memory;
}

void *obx_resize(void *memory, size_t size)
{
    size_t before = memory ? malloc_usable_size(memory) : 0;
    void *moved = must_fail() ? NULL : realloc(memory, size ? size : 1);
    if (moved && !memory)
        live++;
    bytes -= moved ? before : 0;
    count(moved);
    return moved;
}

void obx_free(void *memory)
{
    if (memory)
        live--;
    bytes -= memory ? malloc_usable_size(memory) : 0;
    free(memory);
}
