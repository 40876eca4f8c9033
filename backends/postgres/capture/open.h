/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/open.h - the transactions with events that have not ended yet
 *
 * Each transaction and subtransaction has an entry with its events. The end of a transaction names all its committed
 * subtransactions: their events are merged by their places in the log. The oldest first event says from where the log
 * must be read again.
 *
 * Memory: events of open transactions are held up to a limit. Beyond it the largest transaction is *spilled*: its
 * events are dropped, and read again from the log after its commit. Entries are used again. Pure; all on the loop
 * thread.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_OPEN_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_OPEN_H

#include "records.h"
#include "sql/capture/memory.h"

enum { PG_OPEN_BUCKETS = 1024 };

struct pg_open_entry {
    struct pg_open_entry *next;          /* of its bucket, or of the spare ones */
    struct pg_open_entry *older, *newer; /* by first_lsn */
    uint32_t xid, timeline;
    uint64_t first_lsn;
    struct sql_capture_list events;
    bool spilled;
};

struct pg_open {
    struct sql_capture_memory *memory;
    uint64_t limit; /* bytes of events */
    uint64_t bytes;
    uint32_t count; /* entries */
    struct pg_open_entry *buckets[PG_OPEN_BUCKETS], *oldest, *newest, *spare;
};

/* The event's order is its place in the log. The open transactions own it then. False: no memory. */
bool pg_open_add(struct pg_open *open, uint32_t xid, uint32_t timeline, struct sql_capture_event *event);
/* What a transaction had: the events, merged; or, spilled: none, and they must be read again from first_lsn on. */
struct pg_open_ended {
    struct sql_capture_list events;
    bool any, spilled;
    uint64_t first_lsn;
    uint32_t timeline;
};
struct pg_open_ended pg_open_end(struct pg_open *open, const struct pg_wal_end *end);
/* Drops transactions that ended without a record. */
void pg_open_prune(struct pg_open *open, const struct pg_wal_running *running);
void pg_open_clear(struct pg_open *open);
void pg_open_free(struct pg_open *open);

#endif
