/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/temporal.c - dates and times of rows
 *
 * DATETIME and TIMESTAMP become microseconds since 1970 in UTC; a DATETIME has no zone and counts as UTC, as in a
 * SELECT of the relay. DATE and TIME become the server's text, and so does a date that is in no calendar.
 */
#include <stdio.h>
#include <string.h>

#include "date.h"
#include "row.h"

static unsigned fraction_bytes(const struct mys_log_column *column)
{
    return (column->meta + 1u) / 2;
}

unsigned mys_temporal_size(const struct mys_log_column *column)
{
    switch (column->type) {
    case MYS_LT_DATE:
    case MYS_LT_TIME:
        return 3;
    case MYS_LT_TIMESTAMP:
        return 4;
    case MYS_LT_DATETIME:
        return 8;
    case MYS_LT_TIME2:
        return 3 + fraction_bytes(column);
    case MYS_LT_TIMESTAMP2:
        return 4 + fraction_bytes(column);
    case MYS_LT_DATETIME2:
        return 5 + fraction_bytes(column);
    default:
        return 0;
    }
}

struct moment {
    int64_t year, month, day, hour, minute, second, us;
};

static void set_text(struct outbox_value *value, const struct obx_sql_text *text)
{
    *value = (struct outbox_value){.as.data = obx_sql_text_get(text), .size = text->size, .type = OUTBOX_TEXT};
}

static void print_moment(struct obx_sql_text *text, const struct moment *at, unsigned digits)
{
    char piece[100];
    snprintf(piece, sizeof piece, "%04d-%02d-%02d %02d:%02d:%02d.%06d", (int)at->year, (int)at->month, (int)at->day,
             (int)at->hour, (int)at->minute, (int)at->second, (int)at->us);
    obx_sql_text_add(text, piece, strlen(piece) - 6 + digits - !digits);
}

static void set_moment(const struct mys_log_column *column, const struct moment *at, struct obx_sql_text *scratch,
                       struct outbox_value *value)
{
    if (!mys_is_date(at->year, at->month, at->day)) {
        bool has_digits = column->type == MYS_LT_DATETIME2 || column->type == MYS_LT_TIMESTAMP2;
        print_moment(scratch, at, has_digits && column->meta < 6 ? column->meta : has_digits ? 6 : 0);
        set_text(value, scratch);
        return;
    }
    int64_t seconds = ((mys_days(at->year, at->month, at->day) * 24 + at->hour) * 60 + at->minute) * 60 + at->second;
    *value = (struct outbox_value){.as.integer = seconds * 1000000 + at->us, .type = OUTBOX_TIME};
}

/* Digits after the second, of which two are in one byte. */
static int64_t fraction(const struct mys_log_column *column, const unsigned char *at)
{
    static const int64_t unit[] = {0, 10000, 100, 1};
    unsigned bytes = fraction_bytes(column);
    return bytes < 4 ? (int64_t)mys_big(at, bytes) * unit[bytes] : 0;
}

static struct moment unpack(int64_t packed) /* the number that MySQL has for a date and time, without its fraction */
{
    int64_t months = packed >> 22;
    return (struct moment){.year = months / 13,
                           .month = months % 13,
                           .day = packed >> 17 & 31,
                           .hour = packed >> 12 & 31,
                           .minute = packed >> 6 & 63,
                           .second = packed & 63};
}

static struct moment datetime2(const struct mys_log_column *column, const unsigned char *at)
{
    struct moment moment = unpack((int64_t)mys_big(at, 5) & 0x7fffffffff);
    moment.us = fraction(column, at + 5);
    return moment;
}

static struct moment datetime(const unsigned char *at)
{
    int64_t number = (int64_t)mys_little(at, 8), date = number / 1000000, time = number % 1000000;
    return (struct moment){.year = date / 10000,
                           .month = date / 100 % 100,
                           .day = date % 100,
                           .hour = time / 10000,
                           .minute = time / 100 % 100,
                           .second = time % 100};
}

/* The number 0 is 0000-00-00. */
static void set_timestamp(const struct mys_log_column *column, int64_t us, struct obx_sql_text *scratch,
                          struct outbox_value *value)
{
    *value = (struct outbox_value){.as.integer = us, .type = OUTBOX_TIME};
    if (!us)
        set_moment(column, &(struct moment){.year = 0}, scratch, value);
}

/* The inverse of mys_days(). */
static struct moment moment_of(int64_t us)
{
    int64_t day_us = INT64_C(86400) * 1000000, of_day = us % day_us + (us % day_us < 0 ? day_us : 0);
    int64_t day = (us - of_day) / day_us + 719468, era = (day < 0 ? day - 146096 : day) / 146097;
    int64_t of_era = day - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    struct moment at = {.day = of_year - (153 * month + 2) / 5 + 1, .us = of_day % 1000000};
    of_day /= 1000000;
    at.month = month + (month < 10 ? 3 : -9);
    at.year = year + era * 400 + (at.month <= 2);
    at.hour = of_day / 3600;
    at.minute = of_day / 60 % 60;
    at.second = of_day % 60;
    return at;
}

void mys_temporal_print(struct obx_sql_text *text, int64_t us)
{
    struct moment at = moment_of(us);
    print_moment(text, &at, 6);
}

/* ---- as text ----------------------------------------------------------------------------------------------------- */

static void print_time(struct obx_sql_text *text, bool negative, int64_t hms, int64_t us, unsigned digits)
{
    char piece[48];
    snprintf(piece, sizeof piece, "%s%02d:%02d:%02d", negative ? "-" : "", (int)(hms >> 12 & 1023),
             (int)(hms >> 6 & 63), (int)(hms & 63));
    obx_sql_text_puts(text, piece);
    if (!digits)
        return;
    snprintf(piece, sizeof piece, ".%06d", (int)(us % 1000000));
    obx_sql_text_add(text, piece, 1 + (digits < 6 ? digits : 6));
}

/* The whole is one number, with the fraction in its lowest bytes; negative ones are below the middle. */
static void read_time2(const struct mys_log_column *column, const unsigned char *at, struct obx_sql_text *text)
{
    static const int64_t unit[] = {0, 10000, 100, 1};
    unsigned bytes = fraction_bytes(column) < 4 ? fraction_bytes(column) : 3;
    int64_t whole = (int64_t)mys_big(at, 3 + bytes) - ((int64_t)0x800000 << 8 * bytes);
    bool negative = whole < 0;
    whole = negative ? -whole : whole;
    int64_t part = whole & (((int64_t)1 << 8 * bytes) - 1);
    print_time(text, negative, whole >> 8 * bytes, part * unit[bytes], column->meta);
}

static void read_time(const unsigned char *at, struct obx_sql_text *text)
{
    int64_t number = (int64_t)mys_little(at, 3);
    number = number >= 0x800000 ? number - 0x1000000 : number;
    bool negative = number < 0;
    number = negative ? -number : number;
    print_time(text, negative, number / 10000 << 12 | number / 100 % 100 << 6 | number % 100, 0, 0);
}

static void read_date(const unsigned char *at, struct obx_sql_text *text)
{
    char piece[32];
    unsigned number = (unsigned)mys_little(at, 3);
    snprintf(piece, sizeof piece, "%04u-%02u-%02u", number >> 9, number >> 5 & 15, number & 31);
    obx_sql_text_puts(text, piece);
}

void mys_temporal_print_packed(struct obx_sql_text *text, unsigned kind, int64_t packed)
{
    char piece[64];
    bool negative = packed < 0;
    uint64_t whole = negative ? 0 - (uint64_t)packed : (uint64_t)packed;
    int64_t us = (int64_t)(whole & 0xffffff);
    struct moment at = unpack((int64_t)(whole >> 24));
    if (kind == MYS_LT_TIME) {
        print_time(text, negative, (int64_t)(whole >> 24), us, 6);
        return;
    }
    snprintf(piece, sizeof piece, "%04d-%02d-%02d", (int)at.year, (int)at.month, (int)at.day);
    obx_sql_text_puts(text, piece);
    if (kind == MYS_LT_DATE)
        return;
    snprintf(piece, sizeof piece, " %02d:%02d:%02d.%06d", (int)at.hour, (int)at.minute, (int)at.second,
             (int)(us % 1000000));
    obx_sql_text_puts(text, piece);
}

void mys_temporal_read(const struct mys_log_column *column, struct mys_cursor part, struct obx_sql_text *scratch,
                       struct outbox_value *value)
{
    const unsigned char *at = part.at;
    struct moment moment;
    switch (column->type) {
    case MYS_LT_TIMESTAMP:
        set_timestamp(column, (int64_t)mys_little(at, 4) * 1000000, scratch, value);
        return;
    case MYS_LT_TIMESTAMP2:
        set_timestamp(column, (int64_t)mys_big(at, 4) * 1000000 + fraction(column, at + 4), scratch, value);
        return;
    case MYS_LT_DATETIME:
        moment = datetime(at);
        set_moment(column, &moment, scratch, value);
        return;
    case MYS_LT_DATETIME2:
        moment = datetime2(column, at);
        set_moment(column, &moment, scratch, value);
        return;
    case MYS_LT_DATE:
        read_date(at, scratch);
        break;
    case MYS_LT_TIME:
        read_time(at, scratch);
        break;
    default:
        read_time2(column, at, scratch);
        break;
    }
    set_text(value, scratch);
}
