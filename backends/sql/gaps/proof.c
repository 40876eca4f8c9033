/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/proof.c - the hole tracker: finding out who can still fill a hole
 *
 * One generation of holes at a time: those unproven at the first look. Later looks follow the holders that had no
 * transaction id then; new holes wait for the next generation. Under constant load there is nearly always somebody
 * between his lock and his transaction id, so it would not do to wait for a moment when nobody is.
 */
#include "sql/gaps/gaps.h"

bool obx_sql_gaps_want_proof(const struct obx_sql_gaps *holes, uint64_t now_ns, uint64_t age_ns)
{
    for (uint32_t i = 0; i < holes->hot.count; i++) {
        const struct obx_sql_gap *hole = &holes->hot.items[i];
        if (hole->proof != OBX_SQL_PROVEN && now_ns - hole->noted_ns >= age_ns)
            return true;
    }
    return false;
}

static void widen(struct obx_sql_gaps *holes, uint64_t xid)
{
    if (xid < holes->first)
        holes->first = xid;
    if (xid >= holes->bound)
        holes->bound = xid + 1;
}

static void mark(struct obx_sql_gaps *holes, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < holes->hot.count; i++) {
        struct obx_sql_gap *hole = &holes->hot.items[i];
        if (hole->proof != from)
            continue;
        hole->proof = to;
        hole->first = holes->first;
        hole->bound = holes->bound;
    }
}

static void first_look(struct obx_sql_gaps *holes, const struct obx_sql_holder *holders, uint32_t count)
{
    holes->proving = true;
    holes->first = UINT64_MAX;
    holes->bound = 0;
    holes->followed_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (holders[i].xid)
            widen(holes, holders[i].xid);
        else
            holes->followed[holes->followed_count++] = (struct obx_sql_followed){holders[i].name, holders[i].session};
    }
    mark(holes, OBX_SQL_UNPROVEN, OBX_SQL_PROVING);
}

/* The name that it goes on under, if it has ended under its own and its session bears a later one; or 0. */
static uint64_t next_name(const struct obx_sql_followed *followed, const struct obx_sql_holder *holders, uint32_t count)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < count && followed->session; i++)
        if (holders[i].session == followed->session && holders[i].name > followed->name &&
            (!next || holders[i].name < next))
            next = holders[i].name;
    return next;
}

/* Does it still hold the lock without a transaction id? What bears its second name may be another transaction, and is
 * waited for all the same; there is no third. */
static bool still_waits(struct obx_sql_followed *followed, const struct obx_sql_holder *holders, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (holders[i].name == followed->name)
            return !holders[i].xid;
    followed->name = next_name(followed, holders, count);
    followed->session = 0;
    return followed->name != 0;
}

/* All that have a transaction id by now widen the range, newcomers too: one that is followed may have got its id and
 * then another name, by being prepared. */
static void next_look(struct obx_sql_gaps *holes, const struct obx_sql_holder *holders, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (holders[i].xid)
            widen(holes, holders[i].xid);
    for (uint32_t i = 0; i < holes->followed_count; i++)
        if (still_waits(&holes->followed[i], holders, count))
            holes->followed[kept++] = holes->followed[i];
    holes->followed_count = kept;
}

bool obx_sql_gaps_prove(struct obx_sql_gaps *holes, const struct obx_sql_holder *holders, uint32_t count)
{
    if (!holes->proving) {
        if (!obx_sql_grow(holes->host, (void **)&holes->followed, &holes->followed_room, count,
                          sizeof *holes->followed))
            return false;
        first_look(holes, holders, count);
    } else {
        next_look(holes, holders, count);
    }
    if (!holes->followed_count) {
        mark(holes, OBX_SQL_PROVING, OBX_SQL_PROVEN);
        holes->proving = false;
    }
    return true;
}

bool obx_sql_gaps_expire(struct obx_sql_gaps *holes, uint64_t before_ns, const int64_t *flying, uint32_t count)
{
    struct obx_sql_gap_list *to = &holes->next, kept = holes->hot;
    uint32_t i = 0;
    if (!obx_sql_grow(holes->host, (void **)&to->items, &to->room, holes->hot.count + count, sizeof *to->items))
        return false;
    to->count = 0;
    for (uint32_t h = 0; h < holes->hot.count; h++) {
        struct obx_sql_gap hole = holes->hot.items[h];
        if (hole.noted_ns > before_ns) {
            to->items[to->count++] = hole;
            continue;
        }
        int64_t end = hole.hi;
        while (i < count && flying[i] < hole.lo)
            i++;
        for (; i < count && flying[i] <= end; i++) {
            hole.lo = hole.hi = flying[i];
            to->items[to->count++] = hole;
        }
    }
    holes->hot = *to;
    holes->next = kept;
    return true;
}
