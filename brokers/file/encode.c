/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/encode.c - one event as one line of JSON
 *
 *     {"topic":"t","key":"k","id":"..","type":"..","time":"2026-01-31T23:59:59.123456Z","headers":{"a":"b"},
 *      "payload":"{\"exact\":\"text\"}"}
 *
 * on one line. A payload that is not UTF-8 becomes "payload_base64" instead of "payload"; any other value that is not
 * UTF-8 becomes {"base64":".."} instead of a string. Line separators of Unicode are escaped, because some readers end a
 * line there. A header that occurs twice is written twice. Only the flush of the buffer can fail.
 */
#include "encode.h"

#include <string.h>

#include <outbox/plugin_util.h>

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

/* Where `size` more bytes go. A failed buffer takes them and never writes them. */
static char *room_for(struct file_out *out, size_t size)
{
    if (out->room - out->size < size)
        file_flush(out);
    return out->data + out->size;
}

static void append(struct file_out *out, const char *text, size_t size)
{
    memcpy(room_for(out, size), text, size);
    out->size += size;
}
#define APPEND(out, literal) append(out, literal, sizeof(literal) - 1)

/* ---- strings ----------------------------------------------------------------------------------------------------- */

static bool is_special(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\' || byte == 0xc2 || byte == 0xe2;
}

/* Of the next BLOCK bytes, how many are written as they are? Stops at controls, '"', '\', and at the first bytes of
 * U+0085, U+2028 and U+2029, at which some readers end a line. */
static size_t plain_prefix(const unsigned char *at)
{
#if defined(__SSE2__)
    const __m128i control = _mm_set1_epi8(0x1f), quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i stops = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xe2)));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xc2)));
    unsigned int mask = (unsigned int)_mm_movemask_epi8(stops);
    return mask ? (size_t)__builtin_ctz(mask) : BLOCK;
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quotes = word ^ (ONES * '"'), slashes = word ^ (ONES * '\\');
    uint64_t stops = ((word - ONES * 0x20) & ~word) | ((quotes - ONES) & ~quotes) | ((slashes - ONES) & ~slashes);
    uint64_t e2 = word ^ (ONES * 0xe2), c2 = word ^ (ONES * 0xc2);
    stops |= ((e2 - ONES) & ~e2) | ((c2 - ONES) & ~c2);
    stops &= TOPS; /* the lowest mark is exact; a borrow can only spoil the ones above it */
    return stops ? (size_t)__builtin_ctzll(stops) / 8 : BLOCK;
#else
    size_t count = 0;
    while (count < BLOCK && !is_special(at[count]))
        count++;
    return count;
#endif
}

static char *append_escaped(char *to, unsigned char byte)
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

/* The length of a U+0085, U+2028 or U+2029 at `at`; 0: something else. */
static size_t line_separator(const unsigned char *at, size_t left)
{
    if (left >= 2 && at[0] == 0xc2 && at[1] == 0x85)
        return 2;
    return left >= 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9) ? 3 : 0;
}

/* One character that may need escaping; `at` moves past it. */
static char *append_special(char *to, const unsigned char **at, const unsigned char *end)
{
    size_t length = line_separator(*at, (size_t)(end - *at));
    if (!length && **at < 0x80)
        return append_escaped(to, *(*at)++);
    if (!length) {
        *to++ = (char)*(*at)++;
        return to;
    }
    memcpy(to, length == 2 ? "\\u0085" : (*at)[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    *at += length;
    return to + 6;
}

/* At `to` there is room for six times size plus BLOCK bytes. Characters are complete. */
static char *escape(char *to, const unsigned char *at, size_t size)
{
    const unsigned char *end = at + size;
    while ((size_t)(end - at) >= BLOCK) {
        size_t plain = plain_prefix(at);
        memcpy(to, at, BLOCK);
        to += plain;
        at += plain;
        if (plain < BLOCK)
            to = append_special(to, &at, end);
    }
    while (at < end) {
        if (is_special(*at))
            to = append_special(to, &at, end);
        else
            *to++ = (char)*at++;
    }
    return to;
}

/* The size of the next step, which ends between two characters. */
static size_t whole_characters(const unsigned char *at, size_t left)
{
    size_t step = left < FILE_STEP ? left : FILE_STEP;
    while (step < left && step > FILE_STEP - 4 && (at[step] & 0xc0) == 0x80)
        step--;
    return step;
}

static void append_text(struct file_out *out, struct outbox_bytes text)
{
    const unsigned char *at = text.data;
    APPEND(out, "\"");
    for (size_t left = text.size, step; left; left -= step, at += step) {
        step = whole_characters(at, left);
        char *to = room_for(out, 6 * step + BLOCK);
        out->size += (size_t)(escape(to, at, step) - to);
    }
    APPEND(out, "\"");
}

/* ---- base64 ------------------------------------------------------------------------------------------------------ */

static void append_base64(struct file_out *out, struct outbox_bytes bytes)
{
    const unsigned char *at = bytes.data;
    APPEND(out, "\"");
    for (size_t left = bytes.size, step; left; left -= step, at += step) {
        step = left < FILE_STEP / 3 * 3 ? left : FILE_STEP / 3 * 3;
        char *to = room_for(out, 2 * FILE_STEP);
        out->size += outbox_base64(to, at, step);
    }
    APPEND(out, "\"");
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

static void append_value(struct file_out *out, struct outbox_bytes value)
{
    if (!value.data) {
        APPEND(out, "null");
    } else if (file_is_utf8(value.data, value.size)) {
        append_text(out, value);
    } else {
        APPEND(out, "{\"base64\":");
        append_base64(out, value);
        APPEND(out, "}");
    }
}

static void append_time(struct file_out *out, int64_t us)
{
    char text[FILE_TIME_SIZE];
    size_t size = us == INT64_MIN ? 0 : file_time(text, us);
    if (size)
        append_text(out, (struct outbox_bytes){text, size});
    else
        APPEND(out, "null");
}

static void append_headers(struct file_out *out, const struct outbox_message *message)
{
    APPEND(out, "{");
    for (uint32_t i = 0; i < message->header_count; i++) {
        if (i)
            APPEND(out, ",");
        append_text(out, message->headers[i].name);
        APPEND(out, ":");
        append_value(out, message->headers[i].value);
    }
    APPEND(out, "}");
}

static void append_payload(struct file_out *out, struct outbox_bytes payload)
{
    if (!payload.data) {
        APPEND(out, ",\"payload\":null");
    } else if (file_is_utf8(payload.data, payload.size)) {
        APPEND(out, ",\"payload\":");
        append_text(out, payload);
    } else {
        APPEND(out, ",\"payload_base64\":");
        append_base64(out, payload);
    }
}

void file_encode(struct file_out *out, const struct outbox_message *message)
{
    APPEND(out, "{\"topic\":");
    append_value(out, message->topic);
    APPEND(out, ",\"key\":");
    append_value(out, message->key);
    APPEND(out, ",\"id\":");
    append_value(out, message->id);
    APPEND(out, ",\"type\":");
    append_value(out, message->type);
    APPEND(out, ",\"time\":");
    append_time(out, message->created_us);
    APPEND(out, ",\"headers\":");
    append_headers(out, message);
    append_payload(out, message->value);
    APPEND(out, "}\n");
}
