/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/memory.c - arrays that grow by doubling */
#include "sql/memory.h"

#include <string.h>

bool obx_sql_grow(const struct outbox_host *host, void **array, uint32_t *room, uint32_t need, size_t size)
{
    if (need <= *room)
        return true;
    uint32_t next = *room ? *room : 8;
    while (next < need && next < UINT32_MAX / 2)
        next *= 2;
    if (next < need)
        return false;
    void *grown = host->resize(host, *array, (size_t)next * size);
    if (!grown)
        return false;
    *array = grown;
    *room = next;
    return true;
}

char *obx_sql_strdup(const struct outbox_host *host, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = host->alloc(host, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}
