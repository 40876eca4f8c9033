/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/common/hex.c - values as hexadecimal digits, and whether they are text */
#include "hex.h"

char *mys_hex(char *to, const void *from, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = from;
    for (size_t i = 0; i < size; i++) {
        *to++ = digits[at[i] >> 4];
        *to++ = digits[at[i] & 15];
    }
    return to;
}

/* How many bytes the character at `at` has; 0: it is none. */
static size_t character(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (size <= 1 || size > left)
        return size > left ? 0 : size;
    uint32_t code = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 63);
    }
    return code < least[size] || code > 0x10ffff || code >> 11 == 27 ? 0 : size;
}

bool mys_is_utf8(struct outbox_bytes value)
{
    const unsigned char *at = value.data;
    for (size_t i = 0, size; at && i < value.size; i += size) {
        size = character(at + i, value.size - i);
        if (!size)
            return false;
    }
    return true;
}
