/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/ranges.h - a set of ids, kept as ascending ranges that neither touch nor overlap
 *
 * Meant for sets that grow at the top and shrink at the bottom; both are cheap then. After a failure for lack of
 * memory the set is as it was.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_RANGES_H
#define OBX_BACKENDS_SQL_GAPS_RANGES_H

#include "sql/memory.h"

struct obx_sql_range {
    int64_t lo;
    int64_t hi; /* inclusive */
};

struct obx_sql_ranges {
    struct obx_sql_range *items;
    uint32_t count;
    uint32_t room;
};

void obx_sql_ranges_free(const struct outbox_host *host, struct obx_sql_ranges *set);
void obx_sql_ranges_clear(struct obx_sql_ranges *set); /* keeps the memory */

/* lo <= hi. Ids that are in the set already may be added again; ids that are not in it may be removed. */
bool obx_sql_ranges_add(const struct outbox_host *host, struct obx_sql_ranges *set, int64_t lo, int64_t hi);
/* All of them, ascending; false: some are missing now, for lack of memory. */
bool obx_sql_ranges_add_ids(const struct outbox_host *host, struct obx_sql_ranges *set, const int64_t *ids,
                            uint32_t count);
bool obx_sql_ranges_remove(const struct outbox_host *host, struct obx_sql_ranges *set, int64_t lo, int64_t hi);
bool obx_sql_ranges_contain(const struct obx_sql_ranges *set, int64_t id);
uint64_t obx_sql_ranges_size(const struct obx_sql_ranges *set); /* how many ids */

#endif
