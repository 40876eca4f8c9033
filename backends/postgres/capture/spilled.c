/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/spilled.c - see spilled.h */
#include "spilled.h"

static struct pg_spilled_group **find(struct pg_spilled *spilled, uint32_t xid)
{
    uint32_t number = xid / PG_SPILLED_GROUP;
    struct pg_spilled_group **at = &spilled->buckets[number % PG_SPILLED_BUCKETS];
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static uint64_t *word_of(struct pg_spilled_group *group, uint32_t xid)
{
    return &group->bits[xid % PG_SPILLED_GROUP / 64];
}

static uint64_t bit_of(uint32_t xid)
{
    return UINT64_C(1) << xid % 64;
}

static bool has(struct pg_spilled_group *group, uint32_t xid)
{
    return group && *word_of(group, xid) & bit_of(xid);
}

bool pg_spilled_contains(struct pg_spilled *spilled, uint32_t xid)
{
    return spilled->count && has(*find(spilled, xid), xid);
}

bool pg_spilled_add(struct pg_spilled *spilled, struct pg_open_place first)
{
    struct pg_spilled_group **at = find(spilled, first.xid), *group = *at;
    if (!group) {
        if (!(group = *at = spilled->host->alloc(spilled->host, sizeof *group)))
            return false;
        *group = (struct pg_spilled_group){.number = first.xid / PG_SPILLED_GROUP, .first = first};
    }
    if (has(group, first.xid))
        return true;
    if (first.lsn < group->first.lsn)
        group->first = first;
    *word_of(group, first.xid) |= bit_of(first.xid);
    group->count++;
    spilled->count++;
    return true;
}

static void remove_one(struct pg_spilled *spilled, struct pg_spilled_group **at, uint32_t xid)
{
    struct pg_spilled_group *group = *at;
    *word_of(group, xid) &= ~bit_of(xid);
    spilled->count--;
    if (--group->count)
        return;
    *at = group->next;
    spilled->host->release(spilled->host, group);
}

struct pg_open_place pg_spilled_take(struct pg_spilled *spilled, uint32_t xid)
{
    struct pg_open_place first = {0};
    struct pg_spilled_group **at = find(spilled, xid);
    if (!*at || !pg_spilled_contains(spilled, xid))
        return first;
    first = (*at)->first;
    remove_one(spilled, at, xid);
    return first;
}

struct pg_open_place pg_spilled_oldest(const struct pg_spilled *spilled)
{
    struct pg_open_place oldest = {0};
    for (unsigned b = 0; spilled->count && b < PG_SPILLED_BUCKETS; b++)
        for (const struct pg_spilled_group *group = spilled->buckets[b]; group; group = group->next)
            if (!oldest.lsn || group->first.lsn < oldest.lsn)
                oldest = group->first;
    return oldest;
}

/* running NULL: all of them. */
static void prune_group(struct pg_spilled *spilled, struct pg_spilled_group **at, const struct pg_wal_running *running)
{
    const struct pg_spilled_group *group = *at;
    uint32_t first = group->number * PG_SPILLED_GROUP, left = group->count;
    for (uint32_t i = 0; left; i++) {
        if (!has(*at, first + i))
            continue;
        left--;
        if (!running || !pg_wal_runs(running, first + i))
            remove_one(spilled, at, first + i);
    }
}

void pg_spilled_prune(struct pg_spilled *spilled, const struct pg_wal_running *running)
{
    for (unsigned b = 0; spilled->count && b < PG_SPILLED_BUCKETS; b++)
        for (struct pg_spilled_group **at = &spilled->buckets[b], *group; (group = *at);) {
            prune_group(spilled, at, running);
            if (*at == group)
                at = &group->next;
        }
}

void pg_spilled_clear(struct pg_spilled *spilled)
{
    pg_spilled_prune(spilled, NULL);
}
