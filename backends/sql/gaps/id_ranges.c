/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/id_ranges.c - spans of batches become runs of consecutive ids; runs go on over the end of a batch
 */
#include "sql/gaps/id_ranges.h"

static bool add_id(const struct outbox_host *host, struct obx_sql_ranges *runs, int64_t id)
{
    struct obx_sql_range *last = runs->count ? &runs->items[runs->count - 1] : NULL;
    if (last && id > last->hi && id - 1 == last->hi) {
        last->hi = id;
        return true;
    }
    if (last && id <= last->hi) /* not ascending: let the set put it where it belongs */
        return obx_sql_ranges_add(host, runs, id, id);
    if (!obx_sql_grow(host, (void **)&runs->items, &runs->room, runs->count + 1, sizeof *runs->items))
        return false;
    runs->items[runs->count++] = (struct obx_sql_range){id, id};
    return true;
}

bool obx_sql_id_ranges(const struct outbox_host *host, struct obx_sql_ranges *runs, const struct outbox_settle *settle)
{
    obx_sql_ranges_clear(runs);
    for (uint32_t s = 0; s < settle->span_count; s++) {
        const struct outbox_span *span = &settle->spans[s];
        for (uint32_t i = 0; i < span->count; i++)
            if (!add_id(host, runs, (int64_t)span->batch->positions[span->first + i].major))
                return false;
    }
    return true;
}
