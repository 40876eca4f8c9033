/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wal/writer.h - writes WAL as a server does: pages with headers, records over pages, checksums */
#ifndef OBX_TESTS_UNIT_WAL_WRITER_H
#define OBX_TESTS_UNIT_WAL_WRITER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/capture/crc32c.h"
#include "postgres/capture/records.h"

enum { WAL_SEGMENT = 1 << 20, WAL_ROOM = 3 * WAL_SEGMENT };
#define WAL_BEGIN (UINT64_C(5) * WAL_SEGMENT)

struct wal {
    unsigned major;
    unsigned char *bytes; /* from WAL_BEGIN on; WAL_ROOM of them */
    uint64_t lsn;         /* where the next byte goes */
    uint64_t record_lsn;  /* of the last record */
};

static inline void wal_put(unsigned char *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static inline unsigned char *wal_at(const struct wal *wal, uint64_t lsn)
{
    return wal->bytes + (lsn - WAL_BEGIN);
}

static inline struct wal wal_new(unsigned major)
{
    return (struct wal){.major = major, .bytes = calloc(1, WAL_ROOM), .lsn = WAL_BEGIN};
}

/* rest: bytes of the present record that go on behind the header */
static inline void wal_page_head(struct wal *wal, uint32_t rest)
{
    unsigned char *at = wal_at(wal, wal->lsn);
    wal_put(at, pg_wal_magic(wal->major), 2);
    wal_put(at + 2, (rest ? 1u : 0u) | (wal->lsn % WAL_SEGMENT ? 0u : 2u), 2);
    wal_put(at + 4, 1, 4);
    wal_put(at + 8, wal->lsn, 8);
    wal_put(at + 16, rest, 4);
    wal->lsn += wal->lsn % WAL_SEGMENT ? 24 : 40;
}

static inline void wal_bytes(struct wal *wal, const unsigned char *bytes, uint32_t size)
{
    while (size) {
        if (wal->lsn % PG_WAL_PAGE == 0)
            wal_page_head(wal, size);
        uint32_t room = (uint32_t)(PG_WAL_PAGE - wal->lsn % PG_WAL_PAGE), count = size < room ? size : room;
        memcpy(wal_at(wal, wal->lsn), bytes, count);
        wal->lsn += count;
        bytes += count;
        size -= count;
    }
}

static inline void wal_record(struct wal *wal, uint8_t manager, uint8_t info, uint32_t xid, const unsigned char *data,
                              uint32_t size)
{
    uint32_t total = 24 + size;
    unsigned char *record = calloc(1, total);
    if (wal->lsn % PG_WAL_PAGE == 0)
        wal_page_head(wal, 0);
    wal->record_lsn = wal->lsn;
    wal_put(record, total, 4);
    wal_put(record + 4, xid, 4);
    record[16] = info;
    record[17] = manager;
    memcpy(record + 24, data, size);
    uint32_t crc = ~pg_crc32c(pg_crc32c(~UINT32_C(0), record + 24, size), record, 20);
    wal_put(record + 20, crc, 4);
    wal_bytes(wal, record, total);
    wal->lsn += -wal->lsn & 7u;
    free(record);
}

/* With the id of the main data before it. */
static inline void wal_main(struct wal *wal, uint8_t manager, uint8_t info, uint32_t xid, const unsigned char *data,
                            uint32_t size)
{
    unsigned char *body = malloc(size + 5);
    uint32_t head = size < 256 ? 2 : 5;
    body[0] = head == 2 ? 255 : 254;
    wal_put(body + 1, size, head - 1);
    memcpy(body + head, data, size);
    wal_record(wal, manager, info, xid, body, head + size);
    free(body);
}

static inline void wal_message(struct wal *wal, uint32_t xid, bool transactional, const char *prefix, uint32_t size,
                               unsigned char fill)
{
    uint32_t prefix_size = (uint32_t)strlen(prefix) + 1;
    unsigned char *data = calloc(1, 24 + prefix_size + size);
    wal_put(data, 77, 4);
    data[4] = transactional;
    wal_put(data + 8, prefix_size, 8);
    wal_put(data + 16, size, 8);
    memcpy(data + 24, prefix, prefix_size);
    memset(data + 24 + prefix_size, fill, size);
    wal_main(wal, PG_RM_MESSAGE, 0, xid, data, 24 + prefix_size + size);
    free(data);
}

/* A commit or an abort, with its subtransactions; prepared: with that id, and nothing in the record's header. */
static inline void wal_end(struct wal *wal, uint8_t operation, uint32_t xid, const uint32_t *subxids, uint32_t count,
                           uint32_t prepared)
{
    unsigned char data[1024] = {0};
    uint32_t at = 8, parts = 1 | (count ? 2u : 0u) | 4 | (prepared ? 16u : 0u) | (wal->major >= 15 ? 256u : 0u);
    bool commits = operation == PG_XACT_COMMIT || operation == PG_XACT_COMMIT_PREPARED;
    parts |= commits ? 8u : 0;
    wal_put(data + at, parts, 4);
    at += 4 + 8;
    if (count)
        wal_put(data + at, count, 4), at += 4;
    for (uint32_t i = 0; i < count; i++, at += 4)
        wal_put(data + at, subxids[i], 4);
    wal_put(data + at, 2, 4); /* two files */
    at += 4 + 24;
    if (wal->major >= 15) {
        wal_put(data + at, 1, 4);
        at += 4 + (wal->major >= 18 ? 16 : 12);
    }
    if (commits) {
        wal_put(data + at, 3, 4); /* three invalidations */
        at += 4 + 48;
    }
    if (prepared)
        wal_put(data + at, prepared, 4), at += 4;
    wal_main(wal, PG_RM_XACT, operation | PG_XACT_HAS_INFO, prepared ? 0 : xid, data, at);
}

static inline void wal_filler(struct wal *wal, uint32_t size)
{
    unsigned char *data = calloc(1, size);
    wal_main(wal, 10, 0, 3, data, size);
    free(data);
}

static inline void wal_switch(struct wal *wal)
{
    wal_record(wal, PG_RM_XLOG, PG_XLOG_SWITCH, 0, (const unsigned char *)"", 0);
    wal->lsn += WAL_SEGMENT - 1;
    wal->lsn -= wal->lsn % WAL_SEGMENT;
}

#endif
