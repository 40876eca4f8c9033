/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/event.c - headers, checksums, and the description of a file's format
 *
 * A FORMAT_DESCRIPTION decides whether the events after it have a checksum. It has one itself, always.
 */
#include "event.h"

#include <zlib.h>

#define mys_fail outbox_error_set

enum { ALGORITHM_OFF = 0, ALGORITHM_CRC32 = 1 };

static int verify(struct outbox_bytes raw, struct outbox_error *error)
{
    const unsigned char *bytes = raw.data;
    size_t size = raw.size - MYS_CHECKSUM;
    uint32_t stored = (uint32_t)mys_little(bytes + size, MYS_CHECKSUM);
    uint32_t computed = (uint32_t)crc32_z(0, bytes, size);
    if (stored == computed)
        return OUTBOX_OK;
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the binlog: an event of type %u with %zu bytes has the checksum %08x in place of %08x; the "
                    "log or the network is damaged; compare with mysqlbinlog --verify-binlog-checksum",
                    (unsigned)bytes[4], (size_t)raw.size, computed, stored);
}

static int fail_short(size_t size, struct outbox_error *error)
{
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the binlog: an event has %zu bytes, fewer than its header and "
                    "checksum; the log is damaged",
                    size);
}

int mys_event_open(struct outbox_bytes raw, bool has_checksum, struct mys_event *event, struct outbox_error *error)
{
    const unsigned char *bytes = raw.data;
    if (raw.size < MYS_EVENT_HEADER)
        return fail_short(raw.size, error);
    uint8_t type = bytes[4];
    bool described = type == MYS_EV_FORMAT_DESCRIPTION;
    if ((has_checksum || described) && raw.size < MYS_EVENT_HEADER + MYS_CHECKSUM)
        return fail_short(raw.size, error);
    if (has_checksum && !described && verify(raw, error))
        return error->code;
    *event = (struct mys_event){.timestamp_s = (uint32_t)mys_little(bytes, 4),
                                .type = type,
                                .server_id = (uint32_t)mys_little(bytes + 5, 4),
                                .end = (uint32_t)mys_little(bytes + 13, 4)};
    event->body.at = bytes + MYS_EVENT_HEADER;
    event->body.end = bytes + raw.size - (has_checksum && !described ? MYS_CHECKSUM : 0);
    return OUTBOX_OK;
}

int mys_event_format(struct mys_cursor body, bool *has_checksum, struct outbox_error *error)
{
    enum { VERSION = 2, SERVER = 50, CREATED = 4, TAIL = 1 + MYS_CHECKSUM };
    uint64_t version = mys_take_int(&body, VERSION);
    mys_take(&body, SERVER + CREATED);
    uint64_t header = mys_take_int(&body, 1);
    if (body.bad || mys_left(&body) < TAIL || version != 4 || header != MYS_EVENT_HEADER)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "read the binlog: its format is version %u with headers of %u bytes; only version 4 with 19 "
                        "bytes is known",
                        (unsigned)version, (unsigned)header);
    unsigned algorithm = body.end[-TAIL];
    if (algorithm != ALGORITHM_OFF && algorithm != ALGORITHM_CRC32)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "read the binlog: checksum algorithm %u is unknown; set binlog_checksum to CRC32", algorithm);
    *has_checksum = algorithm == ALGORITHM_CRC32;
    return OUTBOX_OK;
}
