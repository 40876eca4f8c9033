/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/pages.h - WAL as bytes -> whole records
 *
 * WAL is pages of 8 KiB. Each begins with a header, and a record continues after the header of the next page. Records
 * begin at multiples of 8 bytes. A record that lies in the input as a whole is given in place; another is put together
 * in a buffer, if it is one of those that matter. The checksum of each record is verified.
 *
 * Pure: bytes in, records out; no I/O. Memory: one record, of those that matter.
 *
 * Failure modes, each with a text: a page of another major version or another place, a length that is impossible, a
 * checksum that is wrong, no memory. The log is not read further then.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_PAGES_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_PAGES_H

#include <outbox/plugin.h>

enum { PG_WAL_PAGE = 8192, PG_WAL_RECORD_HEAD = 24, PG_WAL_PAGE_HEAD_MAX = 40 };

/* Resource managers and their records, the same in 14 to 18. */
enum { PG_RM_XLOG = 0, PG_RM_XACT = 1, PG_RM_STANDBY = 8, PG_RM_MESSAGE = 21 };
enum {
    PG_XLOG_SWITCH = 0x40,
    PG_XACT_COMMIT = 0x00,
    PG_XACT_ABORT = 0x20,
    PG_XACT_COMMIT_PREPARED = 0x30,
    PG_XACT_ABORT_PREPARED = 0x40,
    PG_XACT_OPERATION = 0x70, /* mask */
    PG_XACT_HAS_INFO = 0x80,
    PG_STANDBY_RUNNING = 0x10
};

struct pg_wal_record {
    uint64_t lsn; /* where it begins */
    uint64_t end; /* where the next one begins, but for a page's header */
    uint32_t xid;
    uint8_t manager, info;
    const unsigned char *body; /* after the record's header */
    uint32_t size;
};

struct pg_wal_pages {
    const struct outbox_host *host;
    /* false: stop here; the rest of the input is not read */
    bool (*record)(void *arg, const struct pg_wal_record *record);
    void *arg;
    unsigned major;    /* 14 to 18 */
    uint32_t segment;  /* bytes, a power of two */
    uint64_t from;     /* records that begin before it are not given */
    uint64_t lsn;      /* of the next byte of input */
    uint32_t timeline; /* of the last page; 0 at first */

    /* private */
    unsigned char page_head[PG_WAL_PAGE_HEAD_MAX];
    uint32_t page_head_have;
    bool in_sync;  /* the begin of a record was found */
    uint64_t skip; /* bytes of input that belong to nothing: padding, a record that began before, after a switch */
    bool skip_to_segment;
    uint64_t record_lsn;
    unsigned char head[PG_WAL_RECORD_HEAD]; /* of a record that is put together */
    uint32_t have, length;                  /* bytes of it, its header included; length 0: it is not known yet */
    uint32_t crc;
    unsigned char *body; /* owned */
    uint32_t body_room;
};

/* The input will begin at the page of `from`: pg_wal_page_of(). */
void pg_wal_pages_begin(struct pg_wal_pages *pages, uint64_t from);
static inline uint64_t pg_wal_page_of(uint64_t lsn)
{
    return lsn - lsn % PG_WAL_PAGE;
}
/* Where to begin in order to read all records from `end` on, the end of a record. The log may end there: a server that
 * was promoted has the page before such a place in its history, and need not have the page after it. */
static inline uint64_t pg_wal_restart_at(uint64_t end)
{
    return end - (end % PG_WAL_PAGE == 0);
}
/* False: the log cannot be read further, for the reason in error; or record() has stopped it: error->code is 0. */
bool pg_wal_pages_read(struct pg_wal_pages *pages, const unsigned char *bytes, size_t size, struct outbox_error *error);
/* All before it was given: where reading may begin again. */
uint64_t pg_wal_pages_end(const struct pg_wal_pages *pages);
void pg_wal_pages_free(struct pg_wal_pages *pages);

/* The number at the begin of each page, by major version; 0: unknown. */
unsigned pg_wal_magic(unsigned major);

static inline uint16_t pg_wal_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}
static inline uint32_t pg_wal_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}
static inline uint64_t pg_wal_u64(const unsigned char *at)
{
    return pg_wal_u32(at) | (uint64_t)pg_wal_u32(at + 4) << 32;
}

#endif
