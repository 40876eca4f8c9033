/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/gaps.c - the hole tracker: taking in what claims show
 *
 * A claim's result is taken in by one pass over the hot holes and the ids, into a scratch list that then changes
 * places with the hot list. All memory that this can need is reserved first: a failure leaves everything as it was.
 */
#include "sql/gaps/gaps.h"

void obx_sql_gaps_init(struct obx_sql_gaps *holes, const struct outbox_host *host, uint64_t cold_after_ns)
{
    *holes = (struct obx_sql_gaps){.host = host, .cold_after_ns = cold_after_ns, .cold_first = UINT64_MAX};
}

void obx_sql_gaps_free(struct obx_sql_gaps *holes)
{
    const struct outbox_host *host = holes->host;
    if (!host)
        return;
    host->release(host, holes->hot.items);
    host->release(host, holes->cold.items);
    host->release(host, holes->next.items);
    host->release(host, holes->move.items);
    host->release(host, holes->followed);
    host->release(host, holes->watched);
    *holes = (struct obx_sql_gaps){0};
}

static void forget_cold(struct obx_sql_gaps *holes)
{
    holes->cold.count = 0;
    holes->cold_first = UINT64_MAX;
    holes->cold_bound = 0;
    holes->watched_count = 0;
}

void obx_sql_gaps_reset(struct obx_sql_gaps *holes)
{
    holes->hi = 0;
    holes->hot.count = 0;
    holes->followed_count = 0;
    holes->proving = false;
    forget_cold(holes);
}

static bool reserve(const struct outbox_host *host, struct obx_sql_gap_list *list, uint32_t need)
{
    return obx_sql_grow(host, (void **)&list->items, &list->room, need, sizeof *list->items);
}

/* lo .. hi, otherwise like `hole`. */
static void put(struct obx_sql_gap_list *list, int64_t lo, int64_t hi, const struct obx_sql_gap *hole)
{
    struct obx_sql_gap *to = &list->items[list->count++];
    *to = *hole;
    to->lo = lo;
    to->hi = hi;
}

static void swap(struct obx_sql_gap_list *a, struct obx_sql_gap_list *b)
{
    struct obx_sql_gap_list kept = *a;
    *a = *b;
    *b = kept;
}

/* Both lists are ascending, and apart; `to` has room for what is in `from`. Works from the top down, in place, and
 * stops as soon as nothing is left to be moved: nearly always all of `from` lies above all of `to`. */
static void merge(struct obx_sql_gap_list *to, const struct obx_sql_gap_list *from)
{
    uint32_t i = to->count, j = from->count, at = i + j;
    to->count = at;
    while (j)
        to->items[--at] = i && to->items[i - 1].lo > from->items[j - 1].lo ? to->items[--i] : from->items[--j];
}

static bool warm_up(struct obx_sql_gaps *holes)
{
    if (!reserve(holes->host, &holes->hot, holes->hot.count + holes->cold.count))
        return false;
    merge(&holes->hot, &holes->cold);
    forget_cold(holes);
    return true;
}

/* Is each watched transaction still in progress in this snapshot? */
static bool all_active(const struct obx_sql_gaps *holes, const struct obx_sql_snapshot *snapshot)
{
    uint32_t j = 0;
    for (uint32_t i = 0; i < holes->watched_count; i++) {
        while (j < snapshot->active_count && snapshot->active[j] < holes->watched[i])
            j++;
        if (j == snapshot->active_count || snapshot->active[j] != holes->watched[i])
            return false;
    }
    return true;
}

/* Could this claim have given these ids? */
static bool plausible(const struct obx_sql_gaps *holes, const struct obx_sql_seen *seen)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < seen->count; i++) {
        int64_t id = seen->ids[i];
        if (id < 1 || (i && id <= seen->ids[i - 1]))
            return false;
        if (id > holes->hi)
            continue;
        while (at < holes->hot.count && holes->hot.items[at].hi < id)
            at++;
        if (at == holes->hot.count || holes->hot.items[at].lo > id)
            return false;
    }
    return true;
}

/* Cut the ids seen out of the holes, and note the new holes above hi. Returns the new hi. */
static int64_t cut(const struct obx_sql_gaps *holes, const struct obx_sql_seen *seen, struct obx_sql_gap_list *to)
{
    uint32_t i = 0;
    to->count = 0;
    for (uint32_t h = 0; h < holes->hot.count; h++) {
        const struct obx_sql_gap *hole = &holes->hot.items[h];
        int64_t lo = hole->lo;
        for (; i < seen->count && seen->ids[i] <= hole->hi; i++) {
            if (seen->ids[i] > lo)
                put(to, lo, seen->ids[i] - 1, hole);
            lo = seen->ids[i] + 1;
        }
        if (lo <= hole->hi)
            put(to, lo, hole->hi, hole);
    }
    int64_t hi = holes->hi;
    const struct obx_sql_gap noted = {.noted_ns = seen->now_ns};
    for (; i < seen->count; i++) {
        if (seen->ids[i] > hi + 1)
            put(to, hi + 1, seen->ids[i] - 1, &noted);
        hi = seen->ids[i];
    }
    return hi;
}

/* Is none of those that can fill this proven hole still in progress? */
static bool is_dead(const struct obx_sql_gap *hole, const struct obx_sql_snapshot *snapshot)
{
    if (hole->first >= hole->bound || hole->bound <= snapshot->xmin)
        return true;
    if (hole->bound > snapshot->xmax)
        return false;
    uint32_t low = 0, high = snapshot->active_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (snapshot->active[middle] < hole->first)
            low = middle + 1;
        else
            high = middle;
    }
    return low == snapshot->active_count || snapshot->active[low] >= hole->bound;
}

/* Of the holes that this claim has looked through: drop those that nobody can fill, and let old ones go cold. */
static void sort_out(struct obx_sql_gaps *holes, const struct obx_sql_seen *seen, struct obx_sql_gap_list *list)
{
    int64_t looked = seen->truncated ? (seen->count ? seen->ids[seen->count - 1] : 0) : INT64_MAX;
    uint32_t kept = 0;
    holes->move.count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        struct obx_sql_gap hole = list->items[i];
        bool through = hole.hi <= looked && hole.proof == OBX_SQL_PROVEN;
        bool old = seen->now_ns - hole.noted_ns >= holes->cold_after_ns && hole.bound <= seen->snapshot.xmax;
        if (through && is_dead(&hole, &seen->snapshot))
            continue;
        if (through && old)
            put(&holes->move, hole.lo, hole.hi, &hole);
        else
            list->items[kept++] = hole;
    }
    list->count = kept;
}

/* Take in what goes cold; there is room. */
static void cool(struct obx_sql_gaps *holes)
{
    for (uint32_t i = 0; i < holes->move.count; i++) {
        const struct obx_sql_gap *hole = &holes->move.items[i];
        if (hole->first < holes->cold_first)
            holes->cold_first = hole->first;
        if (hole->bound > holes->cold_bound)
            holes->cold_bound = hole->bound;
    }
    merge(&holes->cold, &holes->move);
}

/* The transactions in progress in this snapshot that could fill a cold hole. */
static void watch(struct obx_sql_gaps *holes, const struct obx_sql_snapshot *snapshot)
{
    holes->watched_count = 0;
    for (uint32_t i = 0; i < snapshot->active_count; i++)
        if (snapshot->active[i] >= holes->cold_first && snapshot->active[i] < holes->cold_bound)
            holes->watched[holes->watched_count++] = snapshot->active[i];
}

static bool reserve_all(struct obx_sql_gaps *holes, const struct obx_sql_seen *seen)
{
    const struct outbox_host *host = holes->host;
    uint32_t most = holes->hot.count + seen->count;
    return reserve(host, &holes->next, most) && reserve(host, &holes->move, most) &&
           reserve(host, &holes->cold, holes->cold.count + most) &&
           obx_sql_grow(host, (void **)&holes->watched, &holes->watched_room, seen->snapshot.active_count,
                        sizeof *holes->watched);
}

enum obx_sql_accepted obx_sql_gaps_accept(struct obx_sql_gaps *holes, const struct obx_sql_seen *seen)
{
    if (!all_active(holes, &seen->snapshot))
        return warm_up(holes) ? OBX_SQL_ASK_AGAIN : OBX_SQL_NO_MEMORY;
    if (!plausible(holes, seen))
        return OBX_SQL_IMPOSSIBLE;
    if (!reserve_all(holes, seen))
        return OBX_SQL_NO_MEMORY;
    holes->hi = cut(holes, seen, &holes->next);
    swap(&holes->next, &holes->hot);
    sort_out(holes, seen, &holes->hot);
    if (holes->move.count)
        cool(holes);
    if (holes->cold.count)
        watch(holes, &seen->snapshot);
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

bool obx_sql_gaps_contain(const struct obx_sql_gaps *holes, int64_t id)
{
    return list_contains(&holes->hot, id) || list_contains(&holes->cold, id);
}

/* lo .. hi without the holes there are and without `given`, as a set. */
static bool find_new(const struct obx_sql_gaps *holes, int64_t lo, int64_t hi, const struct obx_sql_ranges *given,
                     struct obx_sql_ranges *found)
{
    bool fine = obx_sql_ranges_add(holes->host, found, lo, hi);
    for (uint32_t i = 0; fine && i < holes->hot.count; i++)
        fine = obx_sql_ranges_remove(holes->host, found, holes->hot.items[i].lo, holes->hot.items[i].hi);
    for (uint32_t i = 0; fine && given && i < given->count; i++)
        fine = obx_sql_ranges_remove(holes->host, found, given->items[i].lo, given->items[i].hi);
    return fine;
}

bool obx_sql_gaps_reopen(struct obx_sql_gaps *holes, int64_t lo, int64_t hi, uint64_t now_ns,
                         const struct obx_sql_ranges *given)
{
    const struct obx_sql_gap noted = {.noted_ns = now_ns};
    struct obx_sql_ranges found = {0};
    if (hi > holes->hi)
        hi = holes->hi;
    bool fine = warm_up(holes) && (lo > hi || find_new(holes, lo, hi, given, &found)) &&
                reserve(holes->host, &holes->next, found.count) &&
                reserve(holes->host, &holes->hot, holes->hot.count + found.count);
    holes->next.count = 0;
    for (uint32_t i = 0; fine && i < found.count; i++)
        put(&holes->next, found.items[i].lo, found.items[i].hi, &noted);
    if (fine)
        merge(&holes->hot, &holes->next);
    obx_sql_ranges_free(holes->host, &found);
    return fine;
}
