/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/gaps.c - gaps as the condition of a statement
 *
 * MariaDB reads an empty range on to the first visible row after it, past all rows that were deleted and not purged
 * yet. After a drain these are tens of thousands of rows, for each range, in each claim. So the ids of small gaps are
 * looked up one by one. If there are very many gaps, several share one range; the rows between them are known and
 * skipped.
 */
#include "store.h"

enum {
    SMALL = 32,        /* ids */
    POINTS_MAX = 8000, /* the optimizer still plans ranges for so many; it does not for 32,000 */
    LIST_MAX = 500,    /* MariaDB converts a list of 1,000 values into a table */
    RANGES_MAX = 2000
};

/* A pass over the gaps. Each pass chooses the same gaps for look-ups by single ids. */
struct walk {
    const struct obx_sql_gap_list *gaps;
    uint64_t noted_before_ns;
    uint32_t next, points;
};

static struct walk begin(const struct sql_store *store, uint64_t noted_before_ns)
{
    return (struct walk){.gaps = &store->gaps.hot, .noted_before_ns = noted_before_ns};
}

static const struct obx_sql_gap *next_gap(struct walk *walk, bool small)
{
    while (walk->next < walk->gaps->count) {
        const struct obx_sql_gap *gap = &walk->gaps->items[walk->next++];
        if (gap->noted_ns > walk->noted_before_ns)
            continue;
        int64_t size = gap->hi - gap->lo + 1;
        bool fits = size <= SMALL && walk->points + size <= POINTS_MAX;
        if (fits)
            walk->points += (uint32_t)size;
        if (fits == small)
            return gap;
    }
    return NULL;
}

/* How many of the gaps that are read by ranges share one range. */
static uint32_t gaps_per_range(const struct sql_store *store, uint64_t noted_before_ns)
{
    uint32_t count = 0;
    for (struct walk walk = begin(store, noted_before_ns); next_gap(&walk, false);)
        count++;
    return count / RANGES_MAX + 1;
}

static void append_points(const struct sql_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns)
{
    uint32_t count = 0;
    struct walk walk = begin(store, noted_before_ns);
    for (const struct obx_sql_gap *gap; (gap = next_gap(&walk, true));) {
        for (int64_t id = gap->lo; id <= gap->hi; id++, count++) {
            if (count % LIST_MAX)
                obx_sql_text_puts(sql, ", ");
            else
                obx_sql_text_format(sql, "%s OR %n IN (", count ? ")" : "", store->table.id);
            obx_sql_text_int(sql, id);
        }
    }
    obx_sql_text_puts(sql, count ? ")" : "");
}

/* True: several gaps share a range. */
static bool append_ranges(const struct sql_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns)
{
    uint32_t together = gaps_per_range(store, noted_before_ns);
    struct walk walk = begin(store, noted_before_ns);
    for (const struct obx_sql_gap *first; (first = next_gap(&walk, false));) {
        const struct obx_sql_gap *last = first, *next;
        for (uint32_t i = 1; i < together && (next = next_gap(&walk, false)); i++)
            last = next;
        obx_sql_text_format(sql, " OR %n BETWEEN ", store->table.id);
        obx_sql_text_int(sql, first->lo);
        obx_sql_text_puts(sql, " AND ");
        obx_sql_text_int(sql, last->hi);
    }
    return together > 1;
}

bool mys_append_gaps(const struct sql_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns)
{
    append_points(store, sql, noted_before_ns);
    return append_ranges(store, sql, noted_before_ns);
}
