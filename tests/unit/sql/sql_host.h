/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/sql_host.h - the few functions of the host that backends/sql uses, with a count of live blocks and
 * bytes
 */
#ifndef OBX_TESTS_UNIT_SQL_SQL_HOST_H
#define OBX_TESTS_UNIT_SQL_SQL_HOST_H

#include <malloc.h>
#include <stdlib.h>

#include <outbox/plugin.h>

static struct {
    long live;
    long bytes, peak; /* of live blocks, and the most there were */
    long fail_at;     /* the n-th allocation from now fails; 0: none */
} sql_memory;

static bool sql_memory_fails(void)
{
    return sql_memory.fail_at && --sql_memory.fail_at == 0;
}

static void sql_count(void *memory, long sign)
{
    sql_memory.bytes += sign * (long)malloc_usable_size(memory);
    sql_memory.peak = sql_memory.bytes > sql_memory.peak ? sql_memory.bytes : sql_memory.peak;
}

static void *sql_alloc(const struct outbox_host *host, size_t size)
{
    (void)host;
    void *memory = sql_memory_fails() ? NULL : calloc(1, size ? size : 1);
    sql_memory.live += memory != NULL;
    sql_count(memory, 1);
    return memory;
}

static void *sql_resize(const struct outbox_host *host, void *memory, size_t size)
{
    (void)host;
    if (sql_memory_fails())
        return NULL;
    sql_count(memory, -1);
    void *grown = realloc(memory, size);
    sql_memory.live += grown && !memory;
    sql_count(grown, 1);
    return grown;
}

static void sql_release(const struct outbox_host *host, void *memory)
{
    (void)host;
    sql_memory.live -= memory != NULL;
    sql_count(memory, -1);
    free(memory);
}

static uint64_t sql_now_ns;

static uint64_t sql_now(const struct outbox_host *host)
{
    (void)host;
    return sql_now_ns;
}

static const struct outbox_host sql_host = {.struct_size = sizeof sql_host,
                                            .abi_major = OUTBOX_ABI_MAJOR,
                                            .now = sql_now,
                                            .alloc = sql_alloc,
                                            .resize = sql_resize,
                                            .release = sql_release};

#endif
