/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/spilled.h - the ids of open transactions whose events are to be read again
 *
 * A bit for each id: the 4,096 ids of a group share a bitmap, and the place of the first event of all of them. So a
 * transaction with a million savepoints costs 140 KB. The place may precede the first event of a transaction: then
 * more of the log is read again than needed. Pure; all on the loop thread.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_SPILLED_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_SPILLED_H

#include "records.h"

enum { PG_SPILLED_BUCKETS = 64, PG_SPILLED_GROUP = 4096 };

/* A place in the log, and the transaction that has its first event there. */
struct pg_open_place {
    uint64_t lsn; /* 0: none */
    uint32_t timeline, xid;
};

struct pg_spilled_group {
    struct pg_spilled_group *next; /* of its bucket */
    uint32_t number, count;        /* its ids divided by PG_SPILLED_GROUP; how many of them are in the set */
    struct pg_open_place first;
    uint64_t bits[PG_SPILLED_GROUP / 64];
};

struct pg_spilled {
    const struct outbox_host *host;
    uint32_t count;
    struct pg_spilled_group *buckets[PG_SPILLED_BUCKETS];
};

/* first.xid is the id. False: no memory. */
bool pg_spilled_add(struct pg_spilled *spilled, struct pg_open_place first);
bool pg_spilled_contains(struct pg_spilled *spilled, uint32_t xid);
/* The place of its group; lsn 0: it is not in the set. */
struct pg_open_place pg_spilled_take(struct pg_spilled *spilled, uint32_t xid);
struct pg_open_place pg_spilled_oldest(const struct pg_spilled *spilled);
/* Removes those that do not run any more. */
void pg_spilled_prune(struct pg_spilled *spilled, const struct pg_wal_running *running);
void pg_spilled_clear(struct pg_spilled *spilled);

#endif
