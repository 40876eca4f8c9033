/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/open.h - the transactions with events that have not ended yet
 *
 * Each transaction and subtransaction has an entry with its events. The end of a transaction names all its committed
 * subtransactions: their events are merged by their places in the log. The place of the oldest first event shows from
 * where the log must be read again.
 *
 * Memory: what open transactions hold has a limit. That is whole chunks: an event that stays keeps its chunk, also if
 * all others of it are gone. Beyond the limit large transactions are *spilled*: their events are dropped, and read
 * again from the log after the commit. Entries are used again. Pure; all on the loop thread.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_OPEN_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_OPEN_H

#include "spilled.h"
#include "sql/capture/memory.h"

enum { PG_OPEN_BUCKETS = 8192, PG_OPEN_SPARE_MAX = 1024 };

struct pg_open_entry {
    struct pg_open_entry *next;          /* of its bucket, or of the spare ones */
    struct pg_open_entry *older, *newer; /* by place */
    struct pg_open_place first;
    uint64_t weight; /* bytes of the chunks that its events are in */
    struct sql_capture_list events;
};

struct pg_open {
    struct sql_capture_memory *memory;
    uint64_t limit;  /* of bytes */
    uint64_t bytes;  /* that are held: entries, and chunks with an event of any of them */
    uint64_t weight; /* of all entries: a chunk counts for each entry that has events in it */
    uint32_t count;  /* entries */
    struct pg_open_entry *buckets[PG_OPEN_BUCKETS], *oldest, *newest, *spare;
    uint32_t spare_count;
    struct pg_spilled spilled;
};

void pg_open_begin(struct pg_open *open, struct sql_capture_memory *memory, uint64_t limit);
/* The event's order is its place in the log. The open transactions own it then. False: no memory. */
bool pg_open_add(struct pg_open *open, uint32_t xid, uint32_t timeline, struct sql_capture_event *event);
/* What a transaction had: the events, merged; or, spilled: none, and they must be read again from `first` on. */
struct pg_open_ended {
    struct sql_capture_list events;
    bool spilled;
    struct pg_open_place first; /* lsn 0: it had none */
};
struct pg_open_ended pg_open_end(struct pg_open *open, const struct pg_wal_end *end);
/* Of all that are open. */
struct pg_open_place pg_open_oldest(const struct pg_open *open);
/* Drops transactions that ended without a record. */
void pg_open_prune(struct pg_open *open, const struct pg_wal_running *running);
void pg_open_clear(struct pg_open *open);
void pg_open_free(struct pg_open *open);

#endif
