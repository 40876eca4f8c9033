/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/stray_scan.c - the table against the outstanding rows */
#include "sql/gaps/stray_scan.h"

#define MS 1000000ull
#define COST 200 /* of the time, at most one part in so many goes into scans: many dead rows make them slow */
#define HASTE_MS 100
#define HASTY_COST 20
#define HASTE_FOR_NS (60000 * MS)
#define UNKNOWN UINT64_MAX /* until a claim has found nothing */

static uint64_t now_of(const struct obx_sql_stray_scan *scan)
{
    return scan->gaps->host->now(scan->gaps->host);
}

void obx_sql_stray_scan_reset(struct obx_sql_stray_scan *scan)
{
    scan->cursor = scan->before_first;
    scan->stale = scan->busy;
    scan->due_ns = UNKNOWN;
}

/* Claims that began at the lowest id have just read the table: a drain ends before the first scan. */
bool obx_sql_stray_scan_due(struct obx_sql_stray_scan *scan)
{
    if (scan->due_ns == UNKNOWN)
        scan->due_ns = now_of(scan) + (uint64_t)scan->pause_ms * MS;
    return !scan->busy && !scan->outstanding->incomplete && !scan->outstanding->removing &&
           now_of(scan) >= scan->due_ns;
}

void obx_sql_stray_scan_begin(struct obx_sql_stray_scan *scan)
{
    scan->busy = true;
    scan->stale = false;
    scan->begun_ns = now_of(scan);
    scan->removals = scan->outstanding->removals;
}

static bool is_worthless(const struct obx_sql_stray_scan *scan)
{
    const struct obx_sql_outstanding *outstanding = scan->outstanding;
    return scan->stale || outstanding->incomplete || outstanding->removing || outstanding->removals != scan->removals;
}

static bool is_known(const struct obx_sql_stray_scan *scan, int64_t id)
{
    return obx_sql_ranges_contain(&scan->outstanding->ids, id) || obx_sql_gaps_contain(scan->gaps, id);
}

/* The last page: so nothing of the table lies between these rows and the highest id seen. */
static void follow_counter(struct obx_sql_stray_scan *scan, const struct obx_sql_found *found)
{
    const struct obx_sql_ranges *outstanding = &scan->outstanding->ids;
    int64_t top = found->last;
    if (outstanding->count && outstanding->items[outstanding->count - 1].hi > top)
        top = outstanding->items[outstanding->count - 1].hi;
    obx_sql_gaps_lower(scan->gaps, top);
}

/* Without memory for a gap the rows are found again by the next scan. */
bool obx_sql_stray_scan_page(struct obx_sql_stray_scan *scan, const int64_t *ids, uint32_t count,
                             struct obx_sql_found *found)
{
    *found = (struct obx_sql_found){0};
    if (is_worthless(scan))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] < 1 || is_known(scan, ids[i]))
            continue;
        found->first = found->count++ ? found->first : ids[i];
        found->last = ids[i];
    }
    if (found->count &&
        !obx_sql_gaps_reopen(scan->gaps, found->first, found->last, now_of(scan), &scan->outstanding->ids))
        *found = (struct obx_sql_found){0};
    if (found->count)
        scan->hasty_until_ns = now_of(scan) + HASTE_FOR_NS;
    if (found->count && count < OBX_SQL_STRAY_SCAN_PAGE)
        follow_counter(scan, found);
    scan->cursor = count == OBX_SQL_STRAY_SCAN_PAGE ? ids[count - 1] : scan->before_first;
    return true;
}

void obx_sql_stray_scan_end(struct obx_sql_stray_scan *scan, bool failed)
{
    uint64_t now = now_of(scan), took = now - scan->begun_ns, pause_ms = (uint64_t)scan->pause_ms;
    bool hasty = now < scan->hasty_until_ns;
    if (hasty && pause_ms > HASTE_MS)
        pause_ms = HASTE_MS;
    uint64_t pause = scan->cursor == scan->before_first ? pause_ms * MS : 0;
    uint64_t rest = took * (hasty ? HASTY_COST : COST);
    scan->busy = false;
    scan->due_ns = now + (pause > rest ? pause : rest);
    if (failed)
        scan->cursor = scan->before_first;
}
