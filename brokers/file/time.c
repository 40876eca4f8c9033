/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/file/time.c - microseconds since 1970 as RFC 3339 in UTC; years 0000 to 9999, the proleptic calendar */
#include "encode.h"

#define US_PER_DAY 86400000000ll
#define FIRST_DAY (-719528ll) /* 0000-01-01 */
#define LAST_DAY 2932896ll    /* 9999-12-31 */

static char *append_digits(char *at, uint32_t value, int digits, char then)
{
    for (int i = digits; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    at[digits] = then;
    return at + digits + 1;
}

struct date {
    uint32_t year, month, day;
};

/* Years that begin in March make the leap day the last one; eras of 400 years make every step exact. */
static struct date to_date(int64_t days)
{
    int64_t shifted = days - FIRST_DAY - 60 + 146097; /* since 0000-03-01, one era up so as to stay positive */
    uint32_t era = (uint32_t)(shifted / 146097);
    uint32_t day_of_era = (uint32_t)(shifted % 146097);
    uint32_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    uint32_t march_month = (5 * day_of_year + 2) / 153;
    uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct date){
        .year = year + era * 400 - 400 + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
    };
}

size_t file_time(char text[FILE_TIME_SIZE], int64_t us)
{
    int64_t days = us / US_PER_DAY, rest = us % US_PER_DAY;
    if (rest < 0) {
        days--;
        rest += US_PER_DAY;
    }
    if (days < FIRST_DAY || days > LAST_DAY)
        return 0;
    struct date date = to_date(days);
    uint32_t seconds = (uint32_t)(rest / 1000000);
    char *at = append_digits(text, date.year, 4, '-');
    at = append_digits(at, date.month, 2, '-');
    at = append_digits(at, date.day, 2, 'T');
    at = append_digits(at, seconds / 3600, 2, ':');
    at = append_digits(at, seconds / 60 % 60, 2, ':');
    at = append_digits(at, seconds % 60, 2, '.');
    append_digits(at, (uint32_t)(rest % 1000000), 6, 'Z');
    return FILE_TIME_SIZE;
}
