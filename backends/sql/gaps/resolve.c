/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/resolve.c - determines which transactions can still fill a gap
 *
 * One generation of gaps at a time: those unresolved at the first inspection. Later inspections track the writers that
 * had no transaction id then; new gaps wait for the next generation. Under constant load there is nearly always a
 * writer between its lock and its transaction id, so waiting for a moment without such a writer would not end.
 */
#include "sql/gaps/gaps.h"

bool obx_sql_gaps_resolution_due(const struct obx_sql_gaps *gaps, uint64_t now_ns, uint64_t age_ns)
{
    for (uint32_t i = 0; i < gaps->hot.count; i++) {
        const struct obx_sql_gap *gap = &gaps->hot.items[i];
        if (gap->resolution != OBX_SQL_RESOLVED && now_ns - gap->noted_ns >= age_ns)
            return true;
    }
    return false;
}

static void widen(struct obx_sql_gaps *gaps, uint64_t xid)
{
    if (xid < gaps->first)
        gaps->first = xid;
    if (xid >= gaps->bound)
        gaps->bound = xid + 1;
}

static void mark(struct obx_sql_gaps *gaps, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < gaps->hot.count; i++) {
        struct obx_sql_gap *gap = &gaps->hot.items[i];
        if (gap->resolution != from)
            continue;
        gap->resolution = to;
        gap->first = gaps->first;
        gap->bound = gaps->bound;
    }
}

static void first_inspection(struct obx_sql_gaps *gaps, const struct obx_sql_writer *writers, uint32_t count)
{
    gaps->resolving = true;
    gaps->first = UINT64_MAX;
    gaps->bound = 0;
    gaps->tracked_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (writers[i].xid)
            widen(gaps, writers[i].xid);
        else
            gaps->tracked[gaps->tracked_count++] = (struct obx_sql_tracked_writer){writers[i].name, writers[i].session};
    }
    mark(gaps, OBX_SQL_UNRESOLVED, OBX_SQL_RESOLVING);
}

/* The name under which the transaction continues, if its own has ended and its session has a later one; or 0. */
static uint64_t next_name(const struct obx_sql_tracked_writer *tracked, const struct obx_sql_writer *writers,
                          uint32_t count)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < count && tracked->session; i++)
        if (writers[i].session == tracked->session && writers[i].name > tracked->name &&
            (!next || writers[i].name < next))
            next = writers[i].name;
    return next;
}

/* Does it still hold the lock without a transaction id? Another transaction may have its second name; the tracker waits
 * for that one, too. There is no third name. */
static bool still_waits(struct obx_sql_tracked_writer *tracked, const struct obx_sql_writer *writers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (writers[i].name == tracked->name)
            return !writers[i].xid;
    tracked->name = next_name(tracked, writers, count);
    tracked->session = 0;
    return tracked->name != 0;
}

/* All writers that have a transaction id by now widen the range, new ones too: a tracked writer may have got its id and
 * then another name, by being prepared. */
static void next_inspection(struct obx_sql_gaps *gaps, const struct obx_sql_writer *writers, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (writers[i].xid)
            widen(gaps, writers[i].xid);
    for (uint32_t i = 0; i < gaps->tracked_count; i++)
        if (still_waits(&gaps->tracked[i], writers, count))
            gaps->tracked[kept++] = gaps->tracked[i];
    gaps->tracked_count = kept;
}

bool obx_sql_gaps_resolve(struct obx_sql_gaps *gaps, const struct obx_sql_writer *writers, uint32_t count)
{
    if (!gaps->resolving) {
        if (!obx_sql_grow(gaps->host, (void **)&gaps->tracked, &gaps->tracked_room, count, sizeof *gaps->tracked))
            return false;
        first_inspection(gaps, writers, count);
    } else {
        next_inspection(gaps, writers, count);
    }
    if (!gaps->tracked_count) {
        mark(gaps, OBX_SQL_RESOLVING, OBX_SQL_RESOLVED);
        gaps->resolving = false;
    }
    return true;
}

bool obx_sql_gaps_expire(struct obx_sql_gaps *gaps, uint64_t before_ns, const int64_t *in_flight, uint32_t count)
{
    struct obx_sql_gap_list *to = &gaps->next, kept = gaps->hot;
    uint32_t i = 0;
    if (!obx_sql_grow(gaps->host, (void **)&to->items, &to->room, gaps->hot.count + count, sizeof *to->items))
        return false;
    to->count = 0;
    for (uint32_t h = 0; h < gaps->hot.count; h++) {
        struct obx_sql_gap gap = gaps->hot.items[h];
        if (gap.noted_ns > before_ns) {
            to->items[to->count++] = gap;
            continue;
        }
        int64_t end = gap.hi;
        while (i < count && in_flight[i] < gap.lo)
            i++;
        for (; i < count && in_flight[i] <= end; i++) {
            gap.lo = gap.hi = in_flight[i];
            to->items[to->count++] = gap;
        }
    }
    gaps->hot = *to;
    gaps->next = kept;
    return true;
}
