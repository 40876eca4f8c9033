/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/binlog/date.h - the Gregorian calendar, also before its introduction, as MySQL counts */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_DATE_H
#define OBX_BACKENDS_MYSQL_BINLOG_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* Days since 1970-01-01. */
static inline int64_t mys_days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year < 0 ? year - 399 : year) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* False: 0000-00-00, a month or day 0, and days that a month does not have, which ALLOW_INVALID_DATES lets in. */
static inline bool mys_is_date(int64_t year, int64_t month, int64_t day)
{
    return month >= 1 && month <= 12 && day >= 1 &&
           (day <= 28 || day <= mys_days(year + (month == 12), month % 12 + 1, 1) - mys_days(year, month, 1));
}

#endif
