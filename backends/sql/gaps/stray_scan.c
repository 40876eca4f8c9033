/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/stray_scan.c - the table against what was given */
#include "sql/gaps/stray_scan.h"

#define MS 1000000ull
#define COST 200 /* of the time, at most one part in so many goes into sweeps: many dead rows make them slow */

static uint64_t now_of(const struct obx_sql_stray_scan *sweep)
{
    return sweep->holes->host->now(sweep->holes->host);
}

void obx_sql_stray_scan_reset(struct obx_sql_stray_scan *sweep)
{
    sweep->cursor = sweep->before_first;
    sweep->stale = sweep->busy;
    sweep->due_ns = now_of(sweep) + (uint64_t)sweep->pause_ms * MS;
}

bool obx_sql_stray_scan_due(const struct obx_sql_stray_scan *sweep)
{
    return !sweep->busy && !sweep->given->blind && !sweep->given->removing && now_of(sweep) >= sweep->due_ns;
}

void obx_sql_stray_scan_begin(struct obx_sql_stray_scan *sweep)
{
    sweep->busy = true;
    sweep->stale = false;
    sweep->begun_ns = now_of(sweep);
    sweep->removals = sweep->given->removals;
}

static bool is_worthless(const struct obx_sql_stray_scan *sweep)
{
    const struct obx_sql_outstanding *given = sweep->given;
    return sweep->stale || given->blind || given->removing || given->removals != sweep->removals;
}

static bool is_known(const struct obx_sql_stray_scan *sweep, int64_t id)
{
    return obx_sql_ranges_contain(&sweep->given->ids, id) || obx_sql_gaps_contain(sweep->holes, id);
}

/* Without memory for a hole the rows are found again by the next sweep. */
bool obx_sql_stray_scan_page(struct obx_sql_stray_scan *sweep, const int64_t *ids, uint32_t count,
                             struct obx_sql_found *found)
{
    *found = (struct obx_sql_found){0};
    if (is_worthless(sweep))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] < 1 || is_known(sweep, ids[i]))
            continue;
        found->first = found->count++ ? found->first : ids[i];
        found->last = ids[i];
    }
    if (found->count &&
        !obx_sql_gaps_reopen(sweep->holes, found->first, found->last, now_of(sweep), &sweep->given->ids))
        *found = (struct obx_sql_found){0};
    sweep->cursor = count == OBX_SQL_STRAY_SCAN_PAGE ? ids[count - 1] : sweep->before_first;
    return true;
}

void obx_sql_stray_scan_end(struct obx_sql_stray_scan *sweep, bool failed)
{
    uint64_t now = now_of(sweep), took = now - sweep->begun_ns;
    uint64_t pause = sweep->cursor == sweep->before_first ? (uint64_t)sweep->pause_ms * MS : 0;
    sweep->busy = false;
    sweep->due_ns = now + (pause > took * COST ? pause : took * COST);
    if (failed)
        sweep->cursor = sweep->before_first;
}
