/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/decimal.c - DECIMAL as text
 *
 * Groups of nine digits take four bytes each, the highest first; a shorter group at either end takes fewer. The highest
 * bit is inverted, and a negative number has all bits inverted.
 */
#include <stdio.h>

#include "row.h"

enum { GROUP = 9, PRECISION_MAX = 65, SCALE_MAX = 38, BYTES_MAX = 64 };

static unsigned bytes_of(unsigned digits)
{
    static const unsigned char bytes[GROUP + 1] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    return digits / GROUP * 4 + bytes[digits % GROUP];
}

unsigned mys_decimal_size(unsigned precision, unsigned scale)
{
    if (!precision || precision > PRECISION_MAX || scale > precision || scale > SCALE_MAX)
        return 0;
    return bytes_of(precision - scale) + bytes_of(scale);
}

static char *print_group(char *to, const unsigned char **at, unsigned digits)
{
    unsigned bytes = bytes_of(digits);
    unsigned long long number = mys_big(*at, bytes);
    *at += bytes;
    for (unsigned i = digits; i--; number /= 10)
        to[i] = (char)('0' + number % 10);
    return to + digits;
}

/* Before the point the short group comes first, after it last. */
static char *print_digits(char *to, const unsigned char **at, unsigned digits, bool short_first)
{
    if (short_first)
        to = print_group(to, at, digits % GROUP);
    for (unsigned i = 0; i < digits / GROUP; i++)
        to = print_group(to, at, GROUP);
    return short_first ? to : print_group(to, at, digits % GROUP);
}

bool mys_decimal_print(struct obx_sql_text *text, unsigned precision, unsigned scale, const unsigned char *bytes)
{
    unsigned char plain[BYTES_MAX];
    char digits[PRECISION_MAX + GROUP + 4];
    unsigned size = mys_decimal_size(precision, scale);
    if (!size || size > sizeof plain)
        return false;
    bool negative = !(bytes[0] & 0x80);
    for (unsigned i = 0; i < size; i++)
        plain[i] = (unsigned char)(negative ? ~bytes[i] : bytes[i]);
    plain[0] ^= 0x80;
    const unsigned char *at = plain;
    char *end = print_digits(digits, &at, precision - scale, true), *first = digits;
    while (first < end && *first == '0')
        first++;
    obx_sql_text_puts(text, negative ? "-" : "");
    obx_sql_text_add(text, first == end ? "0" : first, first == end ? 1 : (size_t)(end - first));
    if (scale) {
        end = print_digits(digits, &at, scale, false);
        obx_sql_text_puts(text, ".");
        obx_sql_text_add(text, digits, (size_t)(end - digits));
    }
    return !text->failed;
}
