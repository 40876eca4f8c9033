/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/gaps.c - holes as the condition of a statement
 *
 * A range that is empty is not read to its end but on to the first visible row behind it, past all that was deleted
 * and not purged yet (MariaDB). Behind a drain these are tens of thousands of rows, for each range, in each claim. The
 * ids of small holes are asked for one by one instead, which ends where they are. Of very many holes, some go together
 * in one range: rows between them are known, and are skipped.
 */
#include "store.h"

enum {
    SMALL = 32,        /* ids */
    POINTS_MAX = 8000, /* with these the optimizer still makes a plan of ranges; it gives up at 32,000 */
    LIST_MAX = 500,    /* of 1,000 values MariaDB would make a table */
    RANGES_MAX = 2000
};

/* A walk over the holes: which of them are asked for by points is the same in each walk. */
struct walk {
    const struct obx_sql_gap_list *holes;
    uint64_t noted_before_ns;
    uint32_t next, points;
};

static struct walk begin(const struct mys_store *store, uint64_t noted_before_ns)
{
    return (struct walk){.holes = &store->holes.hot, .noted_before_ns = noted_before_ns};
}

static const struct obx_sql_gap *next_hole(struct walk *walk, bool small)
{
    while (walk->next < walk->holes->count) {
        const struct obx_sql_gap *hole = &walk->holes->items[walk->next++];
        if (hole->noted_ns > walk->noted_before_ns)
            continue;
        int64_t size = hole->hi - hole->lo + 1;
        bool fits = size <= SMALL && walk->points + size <= POINTS_MAX;
        if (fits)
            walk->points += (uint32_t)size;
        if (fits == small)
            return hole;
    }
    return NULL;
}

/* How many of those that are asked for by ranges share one. */
static uint32_t share(const struct mys_store *store, uint64_t noted_before_ns)
{
    uint32_t count = 0;
    for (struct walk walk = begin(store, noted_before_ns); next_hole(&walk, false);)
        count++;
    return count / RANGES_MAX + 1;
}

static void put_points(const struct mys_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns)
{
    uint32_t count = 0;
    struct walk walk = begin(store, noted_before_ns);
    for (const struct obx_sql_gap *hole; (hole = next_hole(&walk, true));) {
        for (int64_t id = hole->lo; id <= hole->hi; id++, count++) {
            if (count % LIST_MAX)
                obx_sql_text_puts(sql, ", ");
            else
                obx_sql_text_format(sql, "%s OR %n IN (", count ? ")" : "", store->table.id);
            mys_put_int(sql, id);
        }
    }
    obx_sql_text_puts(sql, count ? ")" : "");
}

/* True: several holes share a range. */
static bool put_ranges(const struct mys_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns)
{
    uint32_t together = share(store, noted_before_ns);
    struct walk walk = begin(store, noted_before_ns);
    for (const struct obx_sql_gap *first; (first = next_hole(&walk, false));) {
        const struct obx_sql_gap *last = first, *next;
        for (uint32_t i = 1; i < together && (next = next_hole(&walk, false)); i++)
            last = next;
        obx_sql_text_format(sql, " OR %n BETWEEN ", store->table.id);
        mys_put_int(sql, first->lo);
        obx_sql_text_puts(sql, " AND ");
        mys_put_int(sql, last->hi);
    }
    return together > 1;
}

bool mys_holes_put(const struct mys_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns)
{
    put_points(store, sql, noted_before_ns);
    return put_ranges(store, sql, noted_before_ns);
}
