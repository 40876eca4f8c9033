/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/ranges.c - sets of ids as sorted ranges; binary search, then one memmove */
#include "sql/gaps/ranges.h"

#include <string.h>

void obx_sql_ranges_free(const struct outbox_host *host, struct obx_sql_ranges *set)
{
    host->release(host, set->items);
    *set = (struct obx_sql_ranges){0};
}

void obx_sql_ranges_clear(struct obx_sql_ranges *set)
{
    set->count = 0;
}

/* The first range whose hi is at least id. */
static uint32_t find(const struct obx_sql_ranges *set, int64_t id)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->items[middle].hi < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Put `with` (count of them) in the place of the ranges from .. to - 1. */
static bool replace(const struct outbox_host *host, struct obx_sql_ranges *set, uint32_t from, uint32_t to,
                    const struct obx_sql_range *with, uint32_t count)
{
    uint32_t total = set->count - (to - from) + count;
    if (!obx_sql_grow(host, (void **)&set->items, &set->room, total, sizeof *set->items))
        return false;
    if (set->count > to)
        memmove(set->items + from + count, set->items + to, (set->count - to) * sizeof *set->items);
    if (count)
        memcpy(set->items + from, with, count * sizeof *with);
    set->count = total;
    return true;
}

bool obx_sql_ranges_add(const struct outbox_host *host, struct obx_sql_ranges *set, int64_t lo, int64_t hi)
{
    uint32_t from = find(set, lo > INT64_MIN ? lo - 1 : lo), to = from;
    struct obx_sql_range merged = {lo, hi};
    while (to < set->count && (hi == INT64_MAX || set->items[to].lo <= hi + 1)) {
        if (set->items[to].lo < merged.lo)
            merged.lo = set->items[to].lo;
        if (set->items[to].hi > merged.hi)
            merged.hi = set->items[to].hi;
        to++;
    }
    return replace(host, set, from, to, &merged, 1);
}

bool obx_sql_ranges_add_ids(const struct outbox_host *host, struct obx_sql_ranges *set, const int64_t *ids,
                            uint32_t count)
{
    bool fine = true;
    for (uint32_t i = 0; i < count;) {
        uint32_t from = i++;
        while (i < count && ids[i] == ids[i - 1] + 1)
            i++;
        fine = obx_sql_ranges_add(host, set, ids[from], ids[i - 1]) && fine;
    }
    return fine;
}

bool obx_sql_ranges_remove(const struct outbox_host *host, struct obx_sql_ranges *set, int64_t lo, int64_t hi)
{
    struct obx_sql_range rest[2];
    uint32_t from = find(set, lo), to = from, count = 0;
    while (to < set->count && set->items[to].lo <= hi)
        to++;
    if (from == to)
        return true;
    if (set->items[from].lo < lo)
        rest[count++] = (struct obx_sql_range){set->items[from].lo, lo - 1};
    if (set->items[to - 1].hi > hi)
        rest[count++] = (struct obx_sql_range){hi + 1, set->items[to - 1].hi};
    return replace(host, set, from, to, rest, count);
}

bool obx_sql_ranges_contain(const struct obx_sql_ranges *set, int64_t id)
{
    uint32_t at = find(set, id);
    return at < set->count && set->items[at].lo <= id;
}

uint64_t obx_sql_ranges_size(const struct obx_sql_ranges *set)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < set->count; i++)
        size += (uint64_t)set->items[i].hi - (uint64_t)set->items[i].lo + 1;
    return size;
}
