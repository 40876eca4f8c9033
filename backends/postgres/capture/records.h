/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/records.h - WAL records -> what they mean for an outbox
 *
 * Pure. A record of an unknown form is none of ours and is left out, but for ends of transactions: those are errors.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_RECORDS_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_RECORDS_H

#include "pages.h"

/* A transactional message of pg_logical_emit_message(). */
struct pg_wal_message {
    uint32_t xid; /* of the subtransaction, if it was one */
    uint32_t database;
    struct outbox_bytes prefix, content;
};

/* The end of a transaction, or the abort of a subtransaction. */
struct pg_wal_end {
    bool commits;
    uint32_t xid;
    const unsigned char *subxids; /* 4 bytes each, unaligned */
    uint32_t subxid_count;
};

/* The transactions that run: all others below `next` have ended, perhaps without a record, as the server crashed. */
struct pg_wal_running {
    uint32_t next, oldest;
    const unsigned char *xids; /* as above; top and sub */
    uint32_t count;
    bool complete; /* false: subtransactions are missing in the list */
};

enum pg_wal_kind { PG_WAL_OTHER = 0, PG_WAL_MESSAGE, PG_WAL_END, PG_WAL_RUNNING, PG_WAL_UNKNOWN };
struct pg_wal_meaning {
    struct pg_wal_message message;
    struct pg_wal_end end;
    struct pg_wal_running running;
};
/* UNKNOWN: the end of a transaction that cannot be read. Pointers are into the record. */
enum pg_wal_kind pg_wal_record_read(const struct pg_wal_record *record, unsigned major, struct pg_wal_meaning *meaning);

static inline uint32_t pg_wal_xid_at(const unsigned char *xids, uint32_t index)
{
    return pg_wal_u32(xids + (size_t)index * 4);
}
/* Does a precede b? Transaction ids are a circle. */
static inline bool pg_wal_precedes(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}
bool pg_wal_runs(const struct pg_wal_running *running, uint32_t xid);

#endif
