/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/created_at.c - see created_at.h */
#include "created_at.h"

#include <stdbool.h>

#define SECOND INT64_C(1000000)

static bool digits(const char **at, int count, int64_t *number)
{
    *number = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *number = *number * 10 + (**at - '0');
    }
    return true;
}

static bool skip(const char **at, char c)
{
    bool there = **at == c;
    *at += there;
    return there;
}

/* Days since 1970 of a date of the Gregorian calendar; years begin in March here, so that leap days come last. */
static int64_t days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t fraction(const char **at)
{
    int64_t micros = 0, unit = SECOND / 10;
    for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        micros += unit * (**at - '0');
    return micros;
}

static bool zone(const char **at, int64_t *seconds)
{
    int64_t hours, minutes, sign = **at == '-' ? -1 : 1;
    *seconds = 0;
    if (skip(at, 'Z') || !**at)
        return true;
    if (!skip(at, '+') && !skip(at, '-'))
        return false;
    if (!digits(at, 2, &hours) || !skip(at, ':') || !digits(at, 2, &minutes))
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int64_t parse(const char *at)
{
    int64_t year, month, day, hour = 0, minute = 0, second = 0, micros = 0, offset;
    if (!digits(&at, 4, &year) || !skip(&at, '-') || !digits(&at, 2, &month) || !skip(&at, '-') ||
        !digits(&at, 2, &day) || month < 1 || month > 12 || day < 1 || day > 31)
        return LITE_NO_TIME;
    if (skip(&at, 'T') || skip(&at, ' ')) {
        if (!digits(&at, 2, &hour) || !skip(&at, ':') || !digits(&at, 2, &minute))
            return LITE_NO_TIME;
        if (skip(&at, ':') && !digits(&at, 2, &second))
            return LITE_NO_TIME;
        if (skip(&at, '.'))
            micros = fraction(&at);
    }
    if (!zone(&at, &offset) || *at)
        return LITE_NO_TIME;
    return (days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset) * SECOND + micros;
}

static int64_t scale(int64_t number)
{
    int64_t size = number < 0 ? -(number + 1) : number;
    if (size < INT64_C(100000000000)) /* seconds */
        return number * SECOND;
    if (size < INT64_C(100000000000000)) /* milliseconds */
        return number * 1000;
    return number;
}

int64_t lite_time(sqlite3_stmt *statement, int column)
{
    double real;
    const char *text;
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return scale(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
        real = sqlite3_column_double(statement, column);
        if (real >= 0 && real < 5373485) /* the Julian day of 9999-12-31 */
            real = (real - 2440587.5) * 86400;
        return real > -1e12 && real < 1e12 ? (int64_t)(real * SECOND) : LITE_NO_TIME;
    case SQLITE_TEXT:
        text = (const char *)sqlite3_column_text(statement, column);
        return text ? parse(text) : LITE_NO_TIME;
    default:
        return LITE_NO_TIME;
    }
}
