/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/inflate.c - unpacking events
 *
 * A TRANSACTION_PAYLOAD has fields (type, size, value) up to a zero, then the packed events. zstd allocates its state
 * once. A frame that requests a window above 128 MiB is refused: no server makes one.
 */
#include "inflate.h"

#include <zlib.h>
#ifdef OBX_WITH_ZSTD
#include <zstd.h>
#endif

#include "sql/memory.h"

#define mys_fail outbox_error_set

enum { WINDOW_LOG_MAX = 27, EVENT_MAX = 1 << 30, CHUNK = 128 << 10 };

void mys_payload_init(struct mys_payload *payload, const struct outbox_host *host)
{
    *payload = (struct mys_payload){.host = host};
}

static int fail_damaged(struct outbox_error *error)
{
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the binlog: a compressed transaction cannot be unpacked; the log is "
                    "damaged, or of a newer server");
}

#ifdef OBX_WITH_ZSTD
static void end_zstd(struct mys_payload *payload)
{
    ZSTD_freeDCtx(payload->zstd);
}

static int begin_zstd(struct mys_payload *payload, struct outbox_error *error)
{
    if (!payload->zstd)
        payload->zstd = ZSTD_createDCtx();
    if (!payload->zstd)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory to unpack a transaction");
    ZSTD_DCtx_reset(payload->zstd, ZSTD_reset_session_only);
    ZSTD_DCtx_setParameter(payload->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return OUTBOX_OK;
}

static bool unpack_zstd(struct mys_payload *payload, unsigned char *to, size_t room)
{
    ZSTD_outBuffer out = {to, room, 0};
    ZSTD_inBuffer in = {payload->packed.at, mys_left(&payload->packed), 0};
    size_t result = ZSTD_decompressStream(payload->zstd, &out, &in);
    payload->packed.at += in.pos;
    payload->have += out.pos;
    return !ZSTD_isError(result) && (out.pos || in.pos);
}
#else
static void end_zstd(struct mys_payload *payload)
{
    (void)payload;
}

static int begin_zstd(struct mys_payload *payload, struct outbox_error *error)
{
    (void)payload;
    return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                    "read the binlog: a transaction is compressed, and this build has no libzstd; build with it, or "
                    "set binlog_transaction_compression to OFF");
}

static bool unpack_zstd(struct mys_payload *payload, unsigned char *to, size_t room)
{
    (void)payload, (void)to, (void)room;
    return false;
}
#endif

void mys_payload_free(struct mys_payload *payload)
{
    if (!payload->host)
        return;
    end_zstd(payload);
    payload->host->release(payload->host, payload->buffer);
    mys_payload_init(payload, payload->host);
}

void mys_payload_shrink(struct mys_payload *payload, uint32_t room)
{
    if (payload->room <= room)
        return;
    payload->host->release(payload->host, payload->buffer);
    payload->buffer = NULL;
    payload->room = 0;
}

int mys_payload_open(struct mys_payload *payload, struct mys_cursor body, struct outbox_error *error)
{
    enum { END = 0, COMPRESSION = 2, ZSTD = 0, NONE = 255 };
    uint64_t field, compression = ZSTD;
    while ((field = mys_take_packed(&body)) != END && !body.bad) {
        struct mys_cursor value = mys_take_part(&body, mys_take_packed(&body));
        if (field == COMPRESSION)
            compression = mys_take_packed(&value);
        body.bad |= value.bad;
    }
    if (body.bad)
        return fail_damaged(error);
    if (compression != ZSTD && compression != NONE)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "read the binlog: a transaction is compressed in way %u, which is unknown",
                        (unsigned)compression);
    payload->packed = body;
    payload->plain = compression == NONE;
    payload->at = payload->have = 0;
    return payload->plain ? OUTBOX_OK : begin_zstd(payload, error);
}

/* Adds unpacked bytes to the buffer. False: they are damaged. */
static bool unpack_some(struct mys_payload *payload)
{
    unsigned char *to = payload->buffer + payload->have;
    size_t room = payload->room - payload->have;
    if (payload->plain) {
        size_t size = mys_left(&payload->packed) < room ? mys_left(&payload->packed) : room;
        memcpy(to, payload->packed.at, size);
        payload->packed.at += size;
        payload->have += size;
        return true;
    }
    return unpack_zstd(payload, to, room);
}

/* Until the buffer has `size` bytes from `at` on. Short: the packed bytes have ended. */
static int fill(struct mys_payload *payload, size_t size, struct outbox_error *error)
{
    if (payload->have - payload->at >= size)
        return OUTBOX_OK;
    memmove(payload->buffer, payload->buffer + payload->at, payload->have - payload->at);
    payload->have -= payload->at;
    payload->at = 0;
    uint32_t need = size > CHUNK ? (uint32_t)size : CHUNK;
    if (!obx_sql_grow(payload->host, (void **)&payload->buffer, &payload->room, need, 1))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory to unpack an event");
    while (payload->have < size) {
        size_t before = payload->have;
        bool drained = !mys_left(&payload->packed);
        if (!unpack_some(payload) && !drained)
            return fail_damaged(error);
        if (payload->have == before && drained)
            return OUTBOX_OK;
    }
    return OUTBOX_OK;
}

int mys_payload_next(struct mys_payload *payload, struct outbox_bytes *event, struct outbox_error *error)
{
    enum { SIZE_AT = 9 };
    *event = (struct outbox_bytes){0};
    if (!payload->buffer && !obx_sql_grow(payload->host, (void **)&payload->buffer, &payload->room, CHUNK, 1))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory to unpack an event");
    if (fill(payload, MYS_EVENT_HEADER, error))
        return error->code;
    size_t have = payload->have - payload->at;
    if (!have)
        return OUTBOX_OK;
    size_t size = have >= MYS_EVENT_HEADER ? (size_t)mys_little(payload->buffer + payload->at + SIZE_AT, 4) : 0;
    if (size < MYS_EVENT_HEADER || size > EVENT_MAX)
        return fail_damaged(error);
    if (fill(payload, size, error))
        return error->code;
    if (payload->have - payload->at < size)
        return fail_damaged(error);
    *event = (struct outbox_bytes){payload->buffer + payload->at, size};
    payload->at += size;
    return OUTBOX_OK;
}

/* ---- MariaDB ----------------------------------------------------------------------------------------------------- */

size_t mys_packed_rows_head(struct mys_cursor body, bool v2)
{
    const unsigned char *begin = body.at;
    mys_take(&body, 8); /* the table's number, flags */
    uint64_t extra = v2 ? mys_take_int(&body, 2) : 2;
    mys_take(&body, extra < 2 ? SIZE_MAX : (size_t)(extra - 2));
    uint64_t columns = mys_take_packed(&body);
    mys_take(&body, columns < UINT16_MAX ? (size_t)(columns + 7) / 8 : SIZE_MAX);
    return body.bad ? 0 : (size_t)(body.at - begin);
}

size_t mys_packed_query_head(struct mys_cursor body)
{
    const unsigned char *begin = body.at;
    mys_take(&body, 8);
    uint64_t schema = mys_take_int(&body, 1);
    mys_take(&body, 2);
    uint64_t status = mys_take_int(&body, 2);
    mys_take(&body, (size_t)(status + schema + 1));
    return body.bad ? 0 : (size_t)(body.at - begin);
}

/* A byte: 0x80, the algorithm in the next three bits, and how many bytes the size has; the size, highest byte first. */
int mys_unpack(const struct outbox_host *host, struct mys_cursor body, size_t head, unsigned char **buffer,
               uint32_t *room, struct mys_cursor *unpacked, struct outbox_error *error)
{
    const unsigned char *begin = mys_take(&body, head);
    unsigned form = (unsigned)mys_take_int(&body, 1);
    const unsigned char *digits = mys_take(&body, form & 7);
    if (!head || !begin || !digits || (form & 0xf0) != 0x80 || (form & 7) > 4)
        return fail_damaged(error);
    uLongf size = (uLongf)mys_big(digits, form & 7);
    if (size > EVENT_MAX)
        return fail_damaged(error);
    if (!obx_sql_grow(host, (void **)buffer, room, (uint32_t)(head + size + 1), 1))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory to unpack an event");
    memcpy(*buffer, begin, head);
    if (uncompress(*buffer + head, &size, body.at, (uLong)mys_left(&body)) != Z_OK)
        return fail_damaged(error);
    *unpacked = (struct mys_cursor){.at = *buffer, .end = *buffer + head + size};
    return OUTBOX_OK;
}
