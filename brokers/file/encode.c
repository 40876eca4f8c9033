/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/encode.c - one event as one line of JSON
 *
 *     {"topic":"t","key":"k","id":"..","type":"..","time":"2026-01-31T23:59:59.123456Z","headers":{"a":"b"},
 *      "payload":"{\"exact\":\"text\"}"}
 *
 * on one line. What is null is null. A payload that is not UTF-8 is "payload_base64" in the place of "payload"; any
 * other value that is not UTF-8 is {"base64":".."} in the place of the string. A header that occurs twice is written
 * twice. Nothing can fail here but the flush of the buffer.
 */
#include "encode.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define BLOCK 16u
#else
#define BLOCK 8u
#define ONES 0x0101010101010101u
#define TOPS 0x8080808080808080u
#endif

int file_flush(struct file_out *out)
{
    if (!out->failed && out->size)
        out->failed = out->flush(out->arg, out->data, out->size);
    out->size = 0;
    return out->failed;
}

/* Where `size` more bytes go; what a failed buffer takes is never written. */
static char *room_for(struct file_out *out, size_t size)
{
    if (out->room - out->size < size)
        file_flush(out);
    return out->data + out->size;
}

static void put(struct file_out *out, const char *text, size_t size)
{
    memcpy(room_for(out, size), text, size);
    out->size += size;
}
#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

/* ---- strings ----------------------------------------------------------------------------------------------------- */

/* Of the next BLOCK bytes, how many stand as they are in a JSON string? Stops at control, '"' and '\'. */
static size_t plain_prefix(const unsigned char *at)
{
#if defined(__SSE2__)
    const __m128i control = _mm_set1_epi8(0x1f), quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i stops = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
    unsigned int mask = (unsigned int)_mm_movemask_epi8(stops);
    return mask ? (size_t)__builtin_ctz(mask) : BLOCK;
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quotes = word ^ (ONES * '"'), slashes = word ^ (ONES * '\\');
    uint64_t stops = ((word - ONES * 0x20) & ~word) | ((quotes - ONES) & ~quotes) | ((slashes - ONES) & ~slashes);
    stops &= TOPS; /* the lowest mark is exact; a borrow can only spoil the ones above it */
    return stops ? (size_t)__builtin_ctzll(stops) / 8 : BLOCK;
#else
    size_t count = 0;
    while (count < BLOCK && at[count] >= 0x20 && at[count] != '"' && at[count] != '\\')
        count++;
    return count;
#endif
}

static char *put_escaped(char *to, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    *to++ = '\\';
    if (byte >= 0x20 || letters[byte]) {
        *to++ = byte >= 0x20 ? (char)byte : letters[byte];
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[byte >> 4];
    to[4] = hex[byte & 15];
    return to + 5;
}

/* At `to` there is room for six times size, and BLOCK bytes of scrap. */
static char *escape(char *to, const unsigned char *at, size_t size)
{
    const unsigned char *end = at + size;
    while ((size_t)(end - at) >= BLOCK) {
        size_t plain = plain_prefix(at);
        memcpy(to, at, BLOCK);
        to += plain;
        at += plain;
        if (plain < BLOCK)
            to = put_escaped(to, *at++);
    }
    for (; at < end; at++) {
        if (*at < 0x20 || *at == '"' || *at == '\\')
            to = put_escaped(to, *at);
        else
            *to++ = (char)*at;
    }
    return to;
}

static void put_text(struct file_out *out, struct outbox_bytes text)
{
    const unsigned char *at = text.data;
    PUT(out, "\"");
    for (size_t left = text.size, step; left; left -= step, at += step) {
        step = left < FILE_STEP ? left : FILE_STEP;
        char *to = room_for(out, 6 * step + BLOCK);
        out->size += (size_t)(escape(to, at, step) - to);
    }
    PUT(out, "\"");
}

/* ---- base64 ------------------------------------------------------------------------------------------------------ */

static char *base64(char *to, const unsigned char *at, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (; size; to += 4) {
        uint32_t bits = (uint32_t)at[0] << 16 | (size > 1 ? (uint32_t)at[1] << 8 : 0) | (size > 2 ? at[2] : 0u);
        to[0] = digits[bits >> 18];
        to[1] = digits[bits >> 12 & 63];
        to[2] = size > 1 ? digits[bits >> 6 & 63] : '=';
        to[3] = size > 2 ? digits[bits & 63] : '=';
        at += size > 3 ? 3 : size;
        size -= size > 3 ? 3 : size;
    }
    return to;
}

static void put_base64(struct file_out *out, struct outbox_bytes bytes)
{
    const unsigned char *at = bytes.data;
    PUT(out, "\"");
    for (size_t left = bytes.size, step; left; left -= step, at += step) {
        step = left < FILE_STEP / 3 * 3 ? left : FILE_STEP / 3 * 3;
        char *to = room_for(out, 2 * FILE_STEP);
        out->size += (size_t)(base64(to, at, step) - to);
    }
    PUT(out, "\"");
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

static void put_value(struct file_out *out, struct outbox_bytes value)
{
    if (!value.data) {
        PUT(out, "null");
    } else if (file_is_utf8(value.data, value.size)) {
        put_text(out, value);
    } else {
        PUT(out, "{\"base64\":");
        put_base64(out, value);
        PUT(out, "}");
    }
}

static void put_time(struct file_out *out, int64_t us)
{
    char text[FILE_TIME_SIZE];
    size_t size = us == INT64_MIN ? 0 : file_time(text, us);
    if (size)
        put_text(out, (struct outbox_bytes){text, size});
    else
        PUT(out, "null");
}

static void put_headers(struct file_out *out, const struct outbox_message *message)
{
    PUT(out, "{");
    for (uint32_t i = 0; i < message->header_count; i++) {
        if (i)
            PUT(out, ",");
        put_text(out, message->headers[i].name);
        PUT(out, ":");
        put_value(out, message->headers[i].value);
    }
    PUT(out, "}");
}

static void put_payload(struct file_out *out, struct outbox_bytes payload)
{
    if (!payload.data) {
        PUT(out, ",\"payload\":null");
    } else if (file_is_utf8(payload.data, payload.size)) {
        PUT(out, ",\"payload\":");
        put_text(out, payload);
    } else {
        PUT(out, ",\"payload_base64\":");
        put_base64(out, payload);
    }
}

void file_encode(struct file_out *out, const struct outbox_message *message)
{
    PUT(out, "{\"topic\":");
    put_value(out, message->topic);
    PUT(out, ",\"key\":");
    put_value(out, message->key);
    PUT(out, ",\"id\":");
    put_value(out, message->id);
    PUT(out, ",\"type\":");
    put_value(out, message->type);
    PUT(out, ",\"time\":");
    put_time(out, message->created_us);
    PUT(out, ",\"headers\":");
    put_headers(out, message);
    put_payload(out, message->value);
    PUT(out, "}\n");
}
