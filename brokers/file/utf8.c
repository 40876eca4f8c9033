/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/utf8.c - is it UTF-8? Decides whether a value is written as text or as base64
 *
 * Runs of ASCII are skipped many bytes at a time. Overlong forms, surrogates and what lies above U+10FFFF are not
 * UTF-8: a reader of the file would refuse the line.
 */
#include "encode.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>

static bool is_ascii_block(const unsigned char *at)
{
    const __m128i *blocks = (const __m128i *)(const void *)at;
    __m128i low = _mm_or_si128(_mm_loadu_si128(blocks), _mm_loadu_si128(blocks + 1));
    __m128i high = _mm_or_si128(_mm_loadu_si128(blocks + 2), _mm_loadu_si128(blocks + 3));
    return !_mm_movemask_epi8(_mm_or_si128(low, high));
}

static const unsigned char *skip_blocks(const unsigned char *at, const unsigned char *end)
{
    while (end - at >= 64 && is_ascii_block(at))
        at += 64;
    return at;
}
#else
static const unsigned char *skip_blocks(const unsigned char *at, const unsigned char *end)
{
    (void)end;
    return at;
}
#endif

static size_t skip_ascii(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *start = at;
    uint64_t word;
    at = skip_blocks(at, end);
    for (; (size_t)(end - at) >= sizeof word; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        if (word & 0x8080808080808080u)
            break;
    }
    while (at < end && *at < 0x80)
        at++;
    return (size_t)(at - start);
}

static bool in_range(unsigned char byte, unsigned char low, unsigned char high)
{
    return byte >= low && byte <= high;
}

/* Length of the sequence at `at`, whose first byte is not ASCII; 0: not UTF-8. */
static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    if (in_range(at[0], 0xc2, 0xdf)) {
        length = 2;
    } else if (in_range(at[0], 0xe0, 0xef)) {
        length = 3;
        low = at[0] == 0xe0 ? 0xa0 : 0x80;
        high = at[0] == 0xed ? 0x9f : 0xbf;
    } else if (in_range(at[0], 0xf0, 0xf4)) {
        length = 4;
        low = at[0] == 0xf0 ? 0x90 : 0x80;
        high = at[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (left < length || !in_range(at[1], low, high))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!in_range(at[i], 0x80, 0xbf))
            return 0;
    return length;
}

bool file_is_utf8(const void *data, size_t size)
{
    if (!size)
        return true;
    const unsigned char *at = data, *end = at + size;
    for (at += skip_ascii(at, end); at < end; at += skip_ascii(at, end)) {
        size_t length = sequence(at, (size_t)(end - at));
        if (!length)
            return false;
        at += length;
    }
    return true;
}
