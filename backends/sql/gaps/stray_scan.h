/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/stray_scan.h - when to look for rows that no claim can find, and which of a page they are
 *
 * A claim looks above the highest id seen and into holes. A row anywhere else has an id that was chosen by hand, or
 * drawn by a counter that was set back, or it came after its hole was taken for dead. It would stay for ever,
 * unnoticed. So while there is nothing to claim, the table is compared, a page at a time, with what was given. What is
 * left over becomes a hole, so that the next claims give it.
 *
 *     if due(): [begin(), send "ids above cursor, up to holes->hi, in order, PAGE at most"; page() with them; end()]
 *
 * Beside the claims, whose connection it shares. A settle that ends meanwhile makes a page worthless: its rows may be
 * gone; so does a rewind. Then page() takes nothing in, and the same page is read again.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_STRAY_SCAN_H
#define OBX_BACKENDS_SQL_GAPS_STRAY_SCAN_H

#include "sql/gaps/outstanding.h"

enum { OBX_SQL_STRAY_SCAN_PAGE = 1000 };

struct obx_sql_stray_scan {
    /* set by the owner */
    struct obx_sql_gaps *holes;
    const struct obx_sql_outstanding *given;
    int64_t pause_ms;     /* from the end of the table to the next look at its start */
    int64_t before_first; /* below every id that there may be */

    int64_t cursor; /* the last id of the page before */

    /* private */
    bool busy, stale;
    uint64_t removals; /* how many there had been when the page was asked for */
    uint64_t begun_ns, due_ns;
};

/* The rows that were found: how many, from where to where. */
struct obx_sql_found {
    int64_t first, last;
    uint32_t count;
};

void obx_sql_stray_scan_reset(struct obx_sql_stray_scan *sweep); /* a rewind */
bool obx_sql_stray_scan_due(const struct obx_sql_stray_scan *sweep);
void obx_sql_stray_scan_begin(struct obx_sql_stray_scan *sweep);
/* False: the page was worthless. Ids below 1 are none, and left out. */
bool obx_sql_stray_scan_page(struct obx_sql_stray_scan *sweep, const int64_t *ids, uint32_t count,
                             struct obx_sql_found *found);
void obx_sql_stray_scan_end(struct obx_sql_stray_scan *sweep, bool failed);

#endif
