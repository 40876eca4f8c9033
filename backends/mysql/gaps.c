/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/gaps.c - gaps as the condition of a statement
 *
 * The optimizer plans each single id and each range of a statement, which takes about 4 us. With increments of 3, as
 * in a cluster, two of three ids are gaps: 10,000 of them made a claim a hundred times as long. So only the newest gaps
 * are looked up one by one. Older ones share a range from the first to the last of them. Of the ids between them, those
 * of rows that are still in the table are excluded by a list; the other rows are removed. As long as a transaction
 * reads an old state of the table, removed rows are not purged, and reading over them takes time: on MySQL, gaps that
 * are far apart share no range.
 *
 * MariaDB reads an empty range on to the first visible row after it, past all rows that were deleted and not purged
 * yet. After a drain these are tens of thousands of rows, for each range, in each claim. So small gaps are looked
 * up id by id, and the range is one.
 */
#include "store.h"

enum {
    SMALL = 32,       /* ids */
    SINGLE_MIN = 100, /* of the newest gaps, ids and ranges */
    SINGLE_MAX = 2000,
    SPARSE = 100, /* ids from the first gap to the last, for each id in a gap */
    NEAR = 64,    /* ids from one gap to the next: to read so many removed rows costs as much as a range */
    SHARED_MAX = 500,
    LIST_MAX = 500 /* MariaDB converts a list of 1,000 values into a table */
};

/* The gaps noted until then. */
struct choice {
    const struct obx_sql_gap_list *gaps;
    uint64_t noted_before_ns;
    uint32_t single; /* from this one on, each is looked up for itself */
};

static bool is_chosen(const struct choice *choice, uint32_t at)
{
    return choice->gaps->items[at].noted_ns <= choice->noted_before_ns;
}

static int64_t size_of(const struct obx_sql_gap *gap)
{
    return gap->hi - gap->lo + 1;
}

static bool are_sparse(const struct obx_sql_gap_list *gaps)
{
    int64_t ids = 0;
    for (uint32_t i = 0; i < gaps->count; i++)
        ids += size_of(&gaps->items[i]);
    return ids && (gaps->items[gaps->count - 1].hi - gaps->items[0].lo) / SPARSE >= ids;
}

/* To exclude a row from the range costs an eighth of a look-up. */
static int64_t single_limit(const struct sql_store *store)
{
    if (are_sparse(&store->gaps.hot))
        return SINGLE_MAX;
    int64_t limit = (int64_t)(obx_sql_ranges_size(&store->outstanding.ids) / 8);
    return limit < SINGLE_MIN ? SINGLE_MIN : limit > SINGLE_MAX ? SINGLE_MAX : limit;
}

static struct choice choose(const struct sql_store *store, uint64_t noted_before_ns)
{
    const struct obx_sql_gap_list *gaps = &store->gaps.hot;
    struct choice choice = {.gaps = gaps, .noted_before_ns = noted_before_ns, .single = gaps->count};
    int64_t left = single_limit(store);
    for (; choice.single && left > 0; choice.single--) {
        int64_t size = size_of(&gaps->items[choice.single - 1]);
        if (is_chosen(&choice, choice.single - 1))
            left -= size < SMALL ? size : SMALL;
    }
    return choice;
}

/* ---- each for itself --------------------------------------------------------------------------------------------- */

static void append_range(const struct sql_store *store, struct obx_sql_text *sql, int64_t lo, int64_t hi)
{
    obx_sql_text_format(sql, "%n BETWEEN ", store->table.id);
    obx_sql_text_int(sql, lo);
    obx_sql_text_puts(sql, " AND ");
    obx_sql_text_int(sql, hi);
}

static void append_large(const struct sql_store *store, struct obx_sql_text *sql, const struct choice *choice)
{
    for (uint32_t i = choice->single; i < choice->gaps->count; i++) {
        const struct obx_sql_gap *gap = &choice->gaps->items[i];
        if (!is_chosen(choice, i) || size_of(gap) <= SMALL)
            continue;
        obx_sql_text_puts(sql, " OR ");
        append_range(store, sql, gap->lo, gap->hi);
    }
}

static void append_small(const struct sql_store *store, struct obx_sql_text *sql, const struct choice *choice)
{
    uint32_t count = 0;
    for (uint32_t i = choice->single; i < choice->gaps->count; i++) {
        const struct obx_sql_gap *gap = &choice->gaps->items[i];
        if (!is_chosen(choice, i) || size_of(gap) > SMALL)
            continue;
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

/* ---- together ---------------------------------------------------------------------------------------------------- */

/* Rows that are in the table, by their place in `outstanding`. */
struct rows {
    const struct obx_sql_ranges *ids;
    uint32_t from, to;
};

/* As many of them as one list may have, up to the id. */
static uint32_t take(struct rows *rows, int64_t last)
{
    uint32_t count = 0;
    for (rows->to = rows->from; rows->to < rows->ids->count; rows->to++) {
        const struct obx_sql_range *range = &rows->ids->items[rows->to];
        int64_t size = range->hi - range->lo + 1;
        if (range->lo > last || size > SMALL || count + size > LIST_MAX)
            break;
        count += (uint32_t)size;
    }
    return count;
}

/* The sum hides the list from the optimizer, which would plan a range for each interval between its values. */
static void append_excluded(const struct sql_store *store, struct obx_sql_text *sql, const struct rows *rows)
{
    obx_sql_text_format(sql, " AND %n + 0 NOT IN (", store->table.id);
    for (uint32_t i = rows->from; i < rows->to; i++) {
        for (int64_t id = rows->ids->items[i].lo; id <= rows->ids->items[i].hi; id++) {
            obx_sql_text_puts(sql, i > rows->from || id > rows->ids->items[i].lo ? ", " : "");
            obx_sql_text_int(sql, id);
        }
    }
    obx_sql_text_puts(sql, ")");
}

/* lo .. hi, without the rows that are outstanding: many of them in a row are passed over. */
static void append_together(const struct sql_store *store, struct obx_sql_text *sql, int64_t lo, int64_t hi)
{
    struct rows rows = {.ids = &store->outstanding.ids};
    while (rows.from < rows.ids->count && rows.ids->items[rows.from].hi < lo)
        rows.from++;
    while (lo <= hi) {
        uint32_t count = take(&rows, hi);
        const struct obx_sql_range *next = rows.to < rows.ids->count ? &rows.ids->items[rows.to] : NULL;
        int64_t end = next && next->lo <= hi ? next->lo - 1 : hi;
        if (lo <= end) {
            obx_sql_text_puts(sql, " OR (");
            append_range(store, sql, lo, end);
            if (count)
                append_excluded(store, sql, &rows);
            obx_sql_text_puts(sql, ")");
        }
        bool passes = next && next->hi - next->lo >= SMALL;
        lo = end == hi ? hi + 1 : passes ? next->hi + 1 : end + 1;
        rows.from = rows.to + passes;
    }
}

/* The first gap after `at` that is farther away from the one before it. */
static uint32_t next_far(const struct obx_sql_gap_list *gaps, uint32_t at, uint32_t end, int64_t distance)
{
    do
        at++;
    while (at < end && gaps->items[at].lo - gaps->items[at - 1].hi <= distance);
    return at;
}

/* How far gaps may be apart that share a range. MySQL ends at the end of a range, so rows between gaps that are far
 * apart need not be read, as long as the ranges are few. */
static int64_t distance_of(const struct sql_store *store, const struct obx_sql_gap_list *gaps, uint32_t from,
                           uint32_t end)
{
    uint32_t ranges = 0;
    for (; from < end; from = next_far(gaps, from, end, NEAR))
        ranges++;
    return mys_store_in(store)->server.mariadb || ranges > SHARED_MAX ? INT64_MAX : NEAR;
}

bool mys_append_gaps(const struct sql_store *store, struct obx_sql_text *sql, uint64_t noted_before_ns)
{
    struct choice choice = choose(store, noted_before_ns);
    const struct obx_sql_gap_list *gaps = choice.gaps;
    uint32_t first = 0, end = choice.single;
    append_small(store, sql, &choice);
    append_large(store, sql, &choice);
    while (first < end && !is_chosen(&choice, first))
        first++;
    while (end > first && !is_chosen(&choice, end - 1))
        end--;
    int64_t distance = distance_of(store, gaps, first, end);
    for (uint32_t at = first, next; at < end; at = next) {
        next = next_far(gaps, at, end, distance);
        append_together(store, sql, gaps->items[at].lo, gaps->items[next - 1].hi);
    }
    return first < end;
}
