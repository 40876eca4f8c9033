/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/open.c - see open.h */
#include "open.h"

static struct pg_open_entry **find(struct pg_open *open, uint32_t xid)
{
    struct pg_open_entry **at = &open->buckets[xid % PG_OPEN_BUCKETS];
    while (*at && (*at)->first.xid != xid)
        at = &(*at)->next;
    return at;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static struct pg_open_entry *entry_new(struct pg_open *open, struct pg_open_entry **at, struct pg_open_place first)
{
    const struct outbox_host *host = open->memory->host;
    struct pg_open_entry *entry = open->spare;
    if (entry) {
        open->spare = entry->next;
        open->spare_count--;
    } else if (!(entry = host->alloc(host, sizeof *entry))) {
        return NULL;
    }
    *entry = (struct pg_open_entry){.first = first, .older = open->newest};
    *at = entry;
    if (open->newest)
        open->newest->newer = entry;
    else
        open->oldest = entry;
    open->newest = entry;
    open->count++;
    open->bytes += sizeof *entry;
    return entry;
}

static void hold(struct pg_open *open, struct pg_open_entry *entry, struct sql_capture_event *event)
{
    struct sql_capture_chunk *chunk = event->chunk;
    if (!chunk->held++)
        open->bytes += chunk->size;
    if (!entry->events.tail || entry->events.tail->chunk != chunk) {
        entry->weight += chunk->size;
        open->weight += chunk->size;
    }
    sql_capture_list_append(&entry->events, event);
}

static void let_go(struct pg_open *open, struct pg_open_entry *entry)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is an entry */
    for (struct sql_capture_event *event = entry->events.head; event; event = event->next)
        if (!--event->chunk->held)
            open->bytes -= event->chunk->size;
    open->weight -= entry->weight;
}

/* Its events are in the list that the entry, which is spare now, still has. */
static struct pg_open_entry *entry_remove(struct pg_open *open, struct pg_open_entry **at)
{
    struct pg_open_entry *entry = *at;
    let_go(open, entry);
    *at = entry->next;
    *(entry->older ? &entry->older->newer : &open->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &open->newest) = entry->older;
    open->bytes -= sizeof *entry;
    open->count--;
    entry->next = open->spare;
    open->spare_count++;
    return open->spare = entry;
}

static void release_spare(struct pg_open *open, uint32_t keep)
{
    while (open->spare_count > keep) {
        struct pg_open_entry *entry = open->spare;
        open->spare = entry->next;
        open->spare_count--;
        open->memory->host->release(open->memory->host, entry);
    }
}

static void entry_drop(struct pg_open *open, struct pg_open_entry **at)
{
    sql_capture_list_drop(open->memory, &entry_remove(open, at)->events);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* Of more than half the mean weight: they have half of all at least. So however many there are, each walk pays for
 * many events; and a small transaction that is open for long is not read again because of a large one. */
static bool spill(struct pg_open *open)
{
    uint64_t least = open->weight / open->count / 2;
    for (struct pg_open_entry *entry = open->oldest, *newer; entry; entry = newer) {
        newer = entry->newer;
        if (entry->weight <= least)
            continue;
        if (!pg_spilled_add(&open->spilled, entry->first))
            return false;
        entry_drop(open, find(open, entry->first.xid));
    }
    release_spare(open, PG_OPEN_SPARE_MAX);
    return true;
}

bool pg_open_add(struct pg_open *open, uint32_t xid, uint32_t timeline, struct sql_capture_event *event)
{
    const struct pg_open_place first = {.lsn = event->order, .timeline = timeline, .xid = xid};
    struct pg_open_entry **at = find(open, xid), *entry = *at;
    bool spilled = !entry && pg_spilled_contains(&open->spilled, xid);
    if (!entry && !spilled)
        entry = entry_new(open, at, first);
    if (!entry) {
        sql_capture_event_drop(open->memory, event);
        return spilled;
    }
    hold(open, entry, event);
    return open->bytes <= open->limit || spill(open);
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

/* The lists of a transaction and its subtransactions. Each level has the events of twice as many lists as the one below
 * it: so an event is merged as often as a binary logarithm of the lists, also if all lists overlap. */
struct merge {
    struct sql_capture_list levels[32];
    unsigned count;
};

static void merge_add(struct merge *merge, struct sql_capture_list list)
{
    unsigned at = 0;
    for (; at < merge->count && merge->levels[at].head; at++) {
        sql_capture_list_merge(&merge->levels[at], &list);
        list = merge->levels[at];
        merge->levels[at] = (struct sql_capture_list){0};
    }
    merge->levels[at] = list;
    merge->count += at == merge->count;
}

static struct sql_capture_list merge_all(struct merge *merge)
{
    struct sql_capture_list all = {0};
    for (unsigned at = 0; at < merge->count; at++) {
        sql_capture_list_merge(&merge->levels[at], &all);
        all = merge->levels[at];
    }
    return all;
}

static void note_first(struct pg_open_ended *ended, struct pg_open_place first)
{
    if (!ended->first.lsn || first.lsn < ended->first.lsn)
        ended->first = first;
}

static void collect(struct pg_open *open, uint32_t xid, struct pg_open_ended *ended, struct merge *merge)
{
    struct pg_open_entry **at = find(open, xid);
    struct pg_open_place spilled = pg_spilled_take(&open->spilled, xid);
    if (spilled.lsn) {
        note_first(ended, spilled);
        ended->spilled = true;
    } else if (*at) {
        note_first(ended, (*at)->first);
        merge_add(merge, entry_remove(open, at)->events);
    }
}

struct pg_open_ended pg_open_end(struct pg_open *open, const struct pg_wal_end *end)
{
    struct pg_open_ended ended = {0};
    struct merge merge;
    merge.count = 0;
    if (!open->count && !open->spilled.count)
        return ended;
    for (uint32_t i = 0; i < end->subxid_count; i++)
        collect(open, pg_wal_xid_at(end->subxids, i), &ended, &merge);
    collect(open, end->xid, &ended, &merge);
    ended.events = merge_all(&merge);
    release_spare(open, PG_OPEN_SPARE_MAX);
    if (ended.spilled || !end->commits)
        sql_capture_list_drop(open->memory, &ended.events);
    return ended;
}

struct pg_open_place pg_open_oldest(const struct pg_open *open)
{
    struct pg_open_place spilled = pg_spilled_oldest(&open->spilled);
    if (!open->oldest || (spilled.lsn && spilled.lsn < open->oldest->first.lsn))
        return spilled;
    return open->oldest->first;
}

void pg_open_prune(struct pg_open *open, const struct pg_wal_running *running)
{
    for (struct pg_open_entry *entry = open->oldest, *newer; entry; entry = newer) {
        newer = entry->newer;
        if (!pg_wal_runs(running, entry->first.xid))
            entry_drop(open, find(open, entry->first.xid));
    }
    pg_spilled_prune(&open->spilled, running);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

void pg_open_begin(struct pg_open *open, struct sql_capture_memory *memory, uint64_t limit)
{
    open->memory = memory;
    open->limit = limit;
    open->spilled.host = memory->host;
}

void pg_open_clear(struct pg_open *open)
{
    while (open->oldest)
        entry_drop(open, find(open, open->oldest->first.xid));
    pg_spilled_clear(&open->spilled);
}

void pg_open_free(struct pg_open *open)
{
    if (!open->memory)
        return;
    pg_open_clear(open);
    release_spare(open, 0);
}
