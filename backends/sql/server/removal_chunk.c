/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/removal_chunk.c - see removal_chunk.h */
#include "sql/server/removal_chunk.h"

#include "sql/server/locked_rows.h"
#include "sql/server/refused.h"

void sql_cut_chunk(struct sql_op *op)
{
    struct sql_removal *removal = &op->removal;
    struct obx_sql_range *ranges = removal->ranges->items + removal->first;
    uint32_t left = removal->ranges->count - removal->first, count = 0;
    int64_t room = removal->rows;
    removal->rest = (struct obx_sql_range){.lo = 1, .hi = 0};
    while (count < left && count < op->store->driver->settle_ranges && room > 0) {
        struct obx_sql_range *range = &ranges[count++];
        if (range->hi - range->lo >= room) {
            removal->rest = (struct obx_sql_range){range->lo + room, range->hi};
            range->hi = range->lo + room - 1;
        }
        room -= range->hi - range->lo + 1;
    }
    op->ranges = ranges;
    op->range_count = count;
}

void sql_put_chunk_back(struct sql_op *op)
{
    const struct sql_removal *removal = &op->removal;
    if (removal->rest.lo <= removal->rest.hi)
        removal->ranges->items[removal->first + op->range_count - 1].hi = removal->rest.hi;
}

void sql_retire_chunk(struct sql_op *op, const struct obx_sql_ranges *refused, const struct obx_sql_ranges *locked)
{
    struct sql_removal *removal = &op->removal;
    struct sql_store *store = op->store;
    for (uint32_t i = 0; i < op->range_count; i++)
        obx_sql_outstanding_remove(&store->outstanding, op->ranges[i].lo, op->ranges[i].hi);
    sql_refused_note(store, op->ranges, op->range_count, refused);
    sql_locked_note(store, op->ranges, op->range_count, locked);
    removal->first += op->range_count;
    if (removal->rest.lo <= removal->rest.hi)
        removal->ranges->items[--removal->first] = removal->rest;
}
