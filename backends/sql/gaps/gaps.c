/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/gaps.c - the gap tracker: processes the results of claims
 *
 * One pass over the hot gaps and the claimed ids writes a scratch list, which then replaces the hot list. All memory
 * that this can need is reserved first: a failure leaves everything as it was.
 */
#include "sql/gaps/gaps.h"

void obx_sql_gaps_init(struct obx_sql_gaps *gaps, const struct outbox_host *host, uint64_t cold_after_ns)
{
    *gaps = (struct obx_sql_gaps){.host = host, .cold_after_ns = cold_after_ns, .cold_first = UINT64_MAX};
}

void obx_sql_gaps_free(struct obx_sql_gaps *gaps)
{
    const struct outbox_host *host = gaps->host;
    if (!host)
        return;
    host->release(host, gaps->hot.items);
    host->release(host, gaps->cold.items);
    host->release(host, gaps->next.items);
    host->release(host, gaps->move.items);
    host->release(host, gaps->tracked);
    host->release(host, gaps->cold_writers);
    *gaps = (struct obx_sql_gaps){0};
}

static void clear_cold(struct obx_sql_gaps *gaps)
{
    gaps->cold.count = 0;
    gaps->cold_first = UINT64_MAX;
    gaps->cold_bound = 0;
    gaps->cold_writer_count = 0;
}

void obx_sql_gaps_reset(struct obx_sql_gaps *gaps)
{
    gaps->hi = 0;
    gaps->hot.count = 0;
    gaps->tracked_count = 0;
    gaps->resolving = false;
    clear_cold(gaps);
}

static bool reserve(const struct outbox_host *host, struct obx_sql_gap_list *list, uint32_t need)
{
    return obx_sql_grow(host, (void **)&list->items, &list->room, need, sizeof *list->items);
}

/* lo .. hi, otherwise like `gap`. */
static void append(struct obx_sql_gap_list *list, int64_t lo, int64_t hi, const struct obx_sql_gap *gap)
{
    struct obx_sql_gap *to = &list->items[list->count++];
    *to = *gap;
    to->lo = lo;
    to->hi = hi;
}

static void swap(struct obx_sql_gap_list *a, struct obx_sql_gap_list *b)
{
    struct obx_sql_gap_list kept = *a;
    *a = *b;
    *b = kept;
}

/* Both lists are ascending and disjoint; `to` has room for the entries of `from`. Merges from the top down, in place,
 * and stops as soon as nothing is left to move: nearly always all of `from` lies above all of `to`. */
static void merge(struct obx_sql_gap_list *to, const struct obx_sql_gap_list *from)
{
    uint32_t i = to->count, j = from->count, at = i + j;
    to->count = at;
    while (j)
        to->items[--at] = i && to->items[i - 1].lo > from->items[j - 1].lo ? to->items[--i] : from->items[--j];
}

static bool warm_up(struct obx_sql_gaps *gaps)
{
    if (!reserve(gaps->host, &gaps->hot, gaps->hot.count + gaps->cold.count))
        return false;
    merge(&gaps->hot, &gaps->cold);
    clear_cold(gaps);
    return true;
}

/* Is each cold writer still in progress in this snapshot? */
static bool all_active(const struct obx_sql_gaps *gaps, const struct obx_sql_snapshot *snapshot)
{
    uint32_t j = 0;
    for (uint32_t i = 0; i < gaps->cold_writer_count; i++) {
        while (j < snapshot->active_count && snapshot->active[j] < gaps->cold_writers[i])
            j++;
        if (j == snapshot->active_count || snapshot->active[j] != gaps->cold_writers[i])
            return false;
    }
    return true;
}

/* Could this claim have found these ids? */
static bool plausible(const struct obx_sql_gaps *gaps, const struct obx_sql_seen *seen)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < seen->count; i++) {
        int64_t id = seen->ids[i];
        if (id < 1 || (i && id <= seen->ids[i - 1]))
            return false;
        if (id > gaps->hi)
            continue;
        while (at < gaps->hot.count && gaps->hot.items[at].hi < id)
            at++;
        if (at == gaps->hot.count || gaps->hot.items[at].lo > id)
            return false;
    }
    return true;
}

/* Cut the ids seen out of the gaps, and note the new gaps above hi. Returns the new hi. */
static int64_t cut(const struct obx_sql_gaps *gaps, const struct obx_sql_seen *seen, struct obx_sql_gap_list *to)
{
    uint32_t i = 0;
    to->count = 0;
    for (uint32_t h = 0; h < gaps->hot.count; h++) {
        const struct obx_sql_gap *gap = &gaps->hot.items[h];
        int64_t lo = gap->lo;
        for (; i < seen->count && seen->ids[i] <= gap->hi; i++) {
            if (seen->ids[i] > lo)
                append(to, lo, seen->ids[i] - 1, gap);
            lo = seen->ids[i] + 1;
        }
        if (lo <= gap->hi)
            append(to, lo, gap->hi, gap);
    }
    int64_t hi = gaps->hi;
    const struct obx_sql_gap noted = {.noted_ns = seen->now_ns};
    for (; i < seen->count; i++) {
        if (seen->ids[i] > hi + 1)
            append(to, hi + 1, seen->ids[i] - 1, &noted);
        hi = seen->ids[i];
    }
    return hi;
}

/* Is no transaction that can fill this resolved gap still in progress? */
static bool is_unfillable(const struct obx_sql_gap *gap, const struct obx_sql_snapshot *snapshot)
{
    if (gap->first >= gap->bound || gap->bound <= snapshot->xmin)
        return true;
    if (gap->bound > snapshot->xmax)
        return false;
    uint32_t low = 0, high = snapshot->active_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (snapshot->active[middle] < gap->first)
            low = middle + 1;
        else
            high = middle;
    }
    return low == snapshot->active_count || snapshot->active[low] >= gap->bound;
}

/* Of the gaps that this claim has read: retire those that no transaction can fill, and let old ones go cold. */
static void retire_unfillable(struct obx_sql_gaps *gaps, const struct obx_sql_seen *seen, struct obx_sql_gap_list *list)
{
    int64_t read_to = seen->truncated ? (seen->count ? seen->ids[seen->count - 1] : 0) : INT64_MAX;
    uint32_t kept = 0;
    gaps->move.count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        struct obx_sql_gap gap = list->items[i];
        bool through = gap.hi <= read_to && gap.resolution == OBX_SQL_RESOLVED;
        bool old = seen->now_ns - gap.noted_ns >= gaps->cold_after_ns && gap.bound <= seen->snapshot.xmax;
        if (through && is_unfillable(&gap, &seen->snapshot))
            continue;
        if (through && old)
            append(&gaps->move, gap.lo, gap.hi, &gap);
        else
            list->items[kept++] = gap;
    }
    list->count = kept;
}

/* Add the gaps that go cold; there is room. */
static void cool(struct obx_sql_gaps *gaps)
{
    for (uint32_t i = 0; i < gaps->move.count; i++) {
        const struct obx_sql_gap *gap = &gaps->move.items[i];
        if (gap->first < gaps->cold_first)
            gaps->cold_first = gap->first;
        if (gap->bound > gaps->cold_bound)
            gaps->cold_bound = gap->bound;
    }
    merge(&gaps->cold, &gaps->move);
}

/* The transactions in progress in this snapshot that could fill a cold gap. */
static void note_cold_writers(struct obx_sql_gaps *gaps, const struct obx_sql_snapshot *snapshot)
{
    gaps->cold_writer_count = 0;
    for (uint32_t i = 0; i < snapshot->active_count; i++)
        if (snapshot->active[i] >= gaps->cold_first && snapshot->active[i] < gaps->cold_bound)
            gaps->cold_writers[gaps->cold_writer_count++] = snapshot->active[i];
}

static bool reserve_all(struct obx_sql_gaps *gaps, const struct obx_sql_seen *seen)
{
    const struct outbox_host *host = gaps->host;
    uint32_t most = gaps->hot.count + seen->count;
    return reserve(host, &gaps->next, most) && reserve(host, &gaps->move, most) &&
           reserve(host, &gaps->cold, gaps->cold.count + most) &&
           obx_sql_grow(host, (void **)&gaps->cold_writers, &gaps->cold_writer_room, seen->snapshot.active_count,
                        sizeof *gaps->cold_writers);
}

enum obx_sql_accepted obx_sql_gaps_accept(struct obx_sql_gaps *gaps, const struct obx_sql_seen *seen)
{
    if (!all_active(gaps, &seen->snapshot))
        return warm_up(gaps) ? OBX_SQL_ASK_AGAIN : OBX_SQL_NO_MEMORY;
    if (!plausible(gaps, seen))
        return OBX_SQL_IMPOSSIBLE;
    if (!reserve_all(gaps, seen))
        return OBX_SQL_NO_MEMORY;
    gaps->hi = cut(gaps, seen, &gaps->next);
    swap(&gaps->next, &gaps->hot);
    retire_unfillable(gaps, seen, &gaps->hot);
    if (gaps->move.count)
        cool(gaps);
    if (gaps->cold.count)
        note_cold_writers(gaps, &seen->snapshot);
    return OBX_SQL_ACCEPTED;
}

static bool list_contains(const struct obx_sql_gap_list *list, int64_t id)
{
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->items[middle].hi < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->items[low].lo <= id;
}

int64_t obx_sql_gaps_floor(const struct obx_sql_gaps *gaps)
{
    int64_t floor = gaps->hi + 1;
    const struct obx_sql_gap_list *const lists[] = {&gaps->hot, &gaps->cold};
    for (size_t i = 0; i < 2; i++)
        if (lists[i]->count && lists[i]->items[0].lo < floor)
            floor = lists[i]->items[0].lo;
    return floor;
}

bool obx_sql_gaps_contain(const struct obx_sql_gaps *gaps, int64_t id)
{
    return list_contains(&gaps->hot, id) || list_contains(&gaps->cold, id);
}

/* lo .. hi without the existing gaps and without `outstanding`, as a set. */
static bool find_new(const struct obx_sql_gaps *gaps, int64_t lo, int64_t hi, const struct obx_sql_ranges *outstanding,
                     struct obx_sql_ranges *found)
{
    bool fine = obx_sql_ranges_add(gaps->host, found, lo, hi);
    for (uint32_t i = 0; fine && i < gaps->hot.count; i++)
        fine = obx_sql_ranges_remove(gaps->host, found, gaps->hot.items[i].lo, gaps->hot.items[i].hi);
    for (uint32_t i = 0; fine && outstanding && i < outstanding->count; i++)
        fine = obx_sql_ranges_remove(gaps->host, found, outstanding->items[i].lo, outstanding->items[i].hi);
    return fine;
}

bool obx_sql_gaps_reopen(struct obx_sql_gaps *gaps, int64_t lo, int64_t hi, uint64_t now_ns,
                         const struct obx_sql_ranges *outstanding)
{
    const struct obx_sql_gap noted = {.noted_ns = now_ns};
    struct obx_sql_ranges found = {0};
    if (hi > gaps->hi)
        hi = gaps->hi;
    bool fine = warm_up(gaps) && (lo > hi || find_new(gaps, lo, hi, outstanding, &found)) &&
                reserve(gaps->host, &gaps->next, found.count) &&
                reserve(gaps->host, &gaps->hot, gaps->hot.count + found.count);
    gaps->next.count = 0;
    for (uint32_t i = 0; fine && i < found.count; i++)
        append(&gaps->next, found.items[i].lo, found.items[i].hi, &noted);
    if (fine)
        merge(&gaps->hot, &gaps->next);
    obx_sql_ranges_free(gaps->host, &found);
    return fine;
}

static void cut_off(struct obx_sql_gap_list *list, int64_t hi)
{
    while (list->count && list->items[list->count - 1].lo > hi)
        list->count--;
    if (list->count && list->items[list->count - 1].hi > hi)
        list->items[list->count - 1].hi = hi;
}

void obx_sql_gaps_lower(struct obx_sql_gaps *gaps, int64_t hi)
{
    if (hi >= gaps->hi)
        return;
    gaps->hi = hi;
    cut_off(&gaps->hot, hi);
    cut_off(&gaps->cold, hi);
}
