/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/utf8.c - validates UTF-8 by table 3-7 of the Unicode standard (well-formed byte sequences) */
#include "base/utf8.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The bounds of the second byte exclude overlong forms, surrogates and values above U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0;
    case 0xed:
        return second <= 0x9f;
    case 0xf0:
        return second >= 0x90;
    case 0xf4:
        return second <= 0x8f;
    default:
        return true;
    }
}

static size_t length_by_first_byte(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0;
    if (first < 0xe0)
        return 2;
    if (first < 0xf0)
        return 3;
    return first < 0xf5 ? 4 : 0;
}

size_t obx_utf8_length(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    if (!size)
        return 0;
    size_t length = length_by_first_byte(at[0]);
    if (length > size || (length > 1 && !second_fits(at[0], at[1])))
        return 0;
    for (size_t i = 1; i < length; i++)
        if (!is_tail(at[i]))
            return 0;
    return length;
}

size_t obx_utf8_prefix(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    size_t done = 0;
    while (done < size) {
        size_t length = obx_utf8_length(at + done, size - done);
        if (!length)
            break;
        done += length;
    }
    return done;
}

bool obx_utf8_valid(const void *bytes, size_t size)
{
    return obx_utf8_prefix(bytes, size) == size;
}

size_t obx_utf8_count(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += !is_tail(at[i]);
    return count;
}

/* Of characters of three bytes that begin with e2: U+2028 and U+2029 end lines, the others change the direction. */
static bool is_layout(const unsigned char *at)
{
    return (at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae))) ||
           (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
}

bool obx_utf8_is_control(const void *character)
{
    const unsigned char *at = character;
    return *at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0) || (*at == 0xd8 && at[1] == 0x9c) ||
           (*at == 0xe2 && is_layout(at));
}
