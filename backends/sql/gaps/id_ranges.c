/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/id_ranges.c - spans of batches become ranges of consecutive ids, across the ends of batches */
#include "sql/gaps/id_ranges.h"

bool obx_sql_id_range_add(const struct outbox_host *host, struct obx_sql_ranges *ranges, int64_t id)
{
    struct obx_sql_range *last = ranges->count ? &ranges->items[ranges->count - 1] : NULL;
    if (last && id > last->hi && id - 1 == last->hi) {
        last->hi = id;
        return true;
    }
    if (last && id <= last->hi) /* not ascending: the set finds its place */
        return obx_sql_ranges_add(host, ranges, id, id);
    if (!obx_sql_grow(host, (void **)&ranges->items, &ranges->room, ranges->count + 1, sizeof *ranges->items))
        return false;
    ranges->items[ranges->count++] = (struct obx_sql_range){id, id};
    return true;
}

bool obx_sql_id_ranges(const struct outbox_host *host, struct obx_sql_ranges *ranges,
                       const struct outbox_settle *settle)
{
    obx_sql_ranges_clear(ranges);
    for (uint32_t s = 0; s < settle->span_count; s++) {
        const struct outbox_span *span = &settle->spans[s];
        for (uint32_t i = 0; i < span->count; i++)
            if (!obx_sql_id_range_add(host, ranges, (int64_t)span->batch->positions[span->first + i].major))
                return false;
    }
    return true;
}
