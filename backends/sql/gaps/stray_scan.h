/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/stray_scan.h - schedules the scan for rows that no claim can find, and selects them from a page
 *
 * A claim reads above the highest id seen and in gaps. A row elsewhere has an id that was chosen by hand or drawn from
 * a counter that was set back, or it committed after its gap was retired by age. Without this scan it would stay in the
 * table. So an idle store compares the table, a page at a time, with the outstanding rows. Other rows become a gap: the
 * next claims find them.
 *
 *     if due(): [begin(), send "ids above cursor, up to gaps->hi, in order, PAGE at most"; page() with them; end()]
 *
 * Claims continue meanwhile, on the same connection. A settle that ends during a scan invalidates the page, since its
 * rows may be gone; so does a rewind. Then page() ignores the page, and the same page is read again.
 *
 * A counter that was set back (TRUNCATE, RESTART IDENTITY, AUTO_INCREMENT = 1) goes on below: if no row stands between
 * the rows that were found and the highest id seen, claims read from there again, so only the first rows are late. If
 * an outstanding row stands there, the scan comes every 100 ms while it finds rows.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_STRAY_SCAN_H
#define OBX_BACKENDS_SQL_GAPS_STRAY_SCAN_H

#include "sql/gaps/outstanding.h"

enum { OBX_SQL_STRAY_SCAN_PAGE = 1000 };

struct obx_sql_stray_scan {
    /* set by the owner */
    struct obx_sql_gaps *gaps;
    const struct obx_sql_outstanding *outstanding;
    int64_t pause_ms;     /* from the end of the table to the next scan of its start */
    int64_t before_first; /* below every possible id */

    int64_t cursor; /* the last id of the page before */

    /* private */
    bool busy, stale;
    uint64_t removals; /* their number when the page was requested */
    uint64_t begun_ns, due_ns;
    uint64_t hasty_until_ns; /* rows were found: the next scan comes soon */
};

/* The rows that were found: how many, from where to where. */
struct obx_sql_found {
    int64_t first, last;
    uint32_t count;
};

void obx_sql_stray_scan_reset(struct obx_sql_stray_scan *scan); /* a rewind */
bool obx_sql_stray_scan_due(struct obx_sql_stray_scan *scan);   /* called when a claim has found nothing */
void obx_sql_stray_scan_begin(struct obx_sql_stray_scan *scan);
/* False: the page was invalid. Ids below 1 are not positions, and are left out. */
bool obx_sql_stray_scan_page(struct obx_sql_stray_scan *scan, const int64_t *ids, uint32_t count,
                             struct obx_sql_found *found);
void obx_sql_stray_scan_end(struct obx_sql_stray_scan *scan, bool failed);

#endif
