/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/open.c - see open.h */
#include "open.h"

static struct pg_open_entry **find(struct pg_open *open, uint32_t xid)
{
    struct pg_open_entry **at = &open->buckets[xid % PG_OPEN_BUCKETS];
    while (*at && (*at)->xid != xid)
        at = &(*at)->next;
    return at;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static struct pg_open_entry *entry_new(struct pg_open *open, struct pg_open_entry **at, uint32_t xid)
{
    const struct outbox_host *host = open->memory->host;
    struct pg_open_entry *entry = open->spare;
    if (entry)
        open->spare = entry->next;
    else if (!(entry = host->alloc(host, sizeof *entry)))
        return NULL;
    *entry = (struct pg_open_entry){.xid = xid, .older = open->newest};
    *at = entry;
    if (open->newest)
        open->newest->newer = entry;
    else
        open->oldest = entry;
    open->newest = entry;
    open->count++;
    return entry;
}

static void entry_remove(struct pg_open *open, struct pg_open_entry **at)
{
    struct pg_open_entry *entry = *at;
    *at = entry->next; /* NOLINT(clang-analyzer-core.NullDereference): at points to an entry */
    *(entry->older ? &entry->older->newer : &open->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &open->newest) = entry->older;
    open->bytes -= entry->events.bytes;
    open->count--;
    entry->next = open->spare;
    open->spare = entry;
}

static void entry_drop(struct pg_open *open, struct pg_open_entry **at)
{
    struct pg_open_entry *entry = *at;
    entry_remove(open, at);
    sql_capture_list_drop(open->memory, &entry->events);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void spill(struct pg_open *open, struct pg_open_entry *entry)
{
    open->bytes -= entry->events.bytes; /* NOLINT(clang-analyzer-core.NullDereference): there is one with events */
    sql_capture_list_drop(open->memory, &entry->events);
    entry->spilled = true;
}

static void keep_limit(struct pg_open *open)
{
    struct pg_open_entry *largest = open->oldest;
    if (open->bytes <= open->limit)
        return;
    for (struct pg_open_entry *entry = open->oldest; entry; entry = entry->newer)
        if (entry->events.bytes > largest->events.bytes)
            largest = entry;
    spill(open, largest);
}

bool pg_open_add(struct pg_open *open, uint32_t xid, uint32_t timeline, struct sql_capture_event *event)
{
    struct pg_open_entry **at = find(open, xid), *entry = *at ? *at : entry_new(open, at, xid);
    if (!entry) {
        sql_capture_event_drop(open->memory, event);
        return false;
    }
    if (!entry->first_lsn) {
        entry->first_lsn = event->order;
        entry->timeline = timeline;
    }
    if (entry->spilled) {
        sql_capture_event_drop(open->memory, event);
        return true;
    }
    sql_capture_list_append(&entry->events, event);
    open->bytes += sql_capture_event_bytes(event);
    keep_limit(open);
    return true;
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void collect(struct pg_open *open, uint32_t xid, struct pg_open_ended *ended)
{
    struct pg_open_entry **at = find(open, xid), *entry = *at;
    if (!entry)
        return;
    if (!ended->any || entry->first_lsn < ended->first_lsn) {
        ended->first_lsn = entry->first_lsn;
        ended->timeline = entry->timeline;
    }
    ended->any = true;
    ended->spilled = ended->spilled || entry->spilled;
    entry_remove(open, at);
    sql_capture_list_merge(&ended->events, &entry->events);
}

struct pg_open_ended pg_open_end(struct pg_open *open, const struct pg_wal_end *end)
{
    struct pg_open_ended ended = {0};
    if (!open->count)
        return ended;
    for (uint32_t i = 0; i < end->subxid_count && open->count; i++)
        collect(open, pg_wal_xid_at(end->subxids, i), &ended);
    collect(open, end->xid, &ended); /* last: else each merge would walk over its events */
    if (ended.spilled || !end->commits)
        sql_capture_list_drop(open->memory, &ended.events);
    return ended;
}

static bool runs(const struct pg_wal_running *running, uint32_t xid)
{
    if (!pg_wal_precedes(xid, running->next) || (!running->complete && !pg_wal_precedes(xid, running->oldest)))
        return true;
    for (uint32_t i = 0; i < running->count; i++)
        if (pg_wal_xid_at(running->xids, i) == xid)
            return true;
    return false;
}

void pg_open_prune(struct pg_open *open, const struct pg_wal_running *running)
{
    for (struct pg_open_entry *entry = open->oldest, *newer; entry; entry = newer) {
        newer = entry->newer;
        if (!runs(running, entry->xid))
            entry_drop(open, find(open, entry->xid));
    }
}

void pg_open_clear(struct pg_open *open)
{
    while (open->oldest)
        entry_drop(open, find(open, open->oldest->xid));
}

void pg_open_free(struct pg_open *open)
{
    if (!open->memory)
        return;
    pg_open_clear(open);
    for (struct pg_open_entry *entry; (entry = open->spare);) {
        open->spare = entry->next;
        open->memory->host->release(open->memory->host, entry);
    }
}
