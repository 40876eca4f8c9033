/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/float_text.c - see float_text.h */
#include "base/float_text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number of up to so many digits always survives; more may be needed, up to the second. */
enum { SURE_DIGITS = 15, MAX_DIGITS = 17, SURE_DIGITS_SINGLE = 6, MAX_DIGITS_SINGLE = 9 };
enum { MIN_PLAIN_EXPONENT = -4 }; /* below it, and from SURE_DIGITS on, the text has an exponent */

struct decimal {
    bool negative;
    char digits[MAX_DIGITS + 1]; /* no zeros at the end */
    int count;
    int exponent; /* of the first digit */
};

static bool reads_back(const char *text, double value, bool single)
{
    return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* text is "-d.ddde+xx"; the character between the digits is the locale's. */
static struct decimal parse(const char *text)
{
    struct decimal decimal = {.negative = *text == '-'};
    const char *at = text + decimal.negative;
    for (; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            decimal.digits[decimal.count++] = *at;
    decimal.exponent = (int)strtol(at + 1, NULL, 10);
    while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0')
        decimal.count--;
    return decimal;
}

static struct decimal shortest(double value, bool single)
{
    char text[OBX_FLOAT_TEXT_SIZE];
    int digits = single ? SURE_DIGITS_SINGLE : SURE_DIGITS, most = single ? MAX_DIGITS_SINGLE : MAX_DIGITS;
    if (fabs(value) < (single ? (double)FLT_MIN : DBL_MIN))
        digits = 1; /* a subnormal number has fewer */
    do
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
    while (!reads_back(text, value, single) && ++digits <= most);
    return parse(text);
}

static char *put_digits(char *to, const struct decimal *decimal, int from, int count)
{
    for (int i = from; i < from + count; i++)
        *to++ = i >= 0 && i < decimal->count ? decimal->digits[i] : '0';
    return to;
}

static char *put_plain(char *to, const struct decimal *decimal)
{
    int whole = decimal->exponent + 1; /* digits before the point; below 1: zeros after it */
    to = whole > 0 ? put_digits(to, decimal, 0, whole) : put_digits(to, decimal, -1, 1);
    if (decimal->count <= whole)
        return to;
    *to++ = '.';
    return put_digits(to, decimal, whole, decimal->count - whole);
}

static char *put_scientific(char *to, const struct decimal *decimal)
{
    to = put_digits(to, decimal, 0, 1);
    if (decimal->count > 1) {
        *to++ = '.';
        to = put_digits(to, decimal, 1, decimal->count - 1);
    }
    return to + sprintf(to, "e%c%02d", decimal->exponent < 0 ? '-' : '+', abs(decimal->exponent));
}

size_t obx_float_text(double value, bool single, char text[OBX_FLOAT_TEXT_SIZE])
{
    char *to = text;
    if (isnan(value) || isinf(value))
        return (size_t)snprintf(text, OBX_FLOAT_TEXT_SIZE, "%s",
                                isnan(value) ? "NaN"
                                : value > 0  ? "Infinity"
                                             : "-Infinity");
    struct decimal decimal = shortest(value, single);
    int limit = single ? SURE_DIGITS_SINGLE : SURE_DIGITS;
    bool plain = decimal.exponent >= MIN_PLAIN_EXPONENT && decimal.exponent < limit;
    if (decimal.negative)
        *to++ = '-';
    to = plain ? put_plain(to, &decimal) : put_scientific(to, &decimal);
    *to = '\0';
    return (size_t)(to - text);
}
