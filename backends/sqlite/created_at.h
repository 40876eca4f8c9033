/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/created_at.h - created_at in each form that a table may have
 *
 * Text is 'YYYY-MM-DD', then optionally 'T' or a space and 'HH:MM', ':SS', '.fraction', and 'Z' or '+HH:MM'.
 * An integer is seconds, milliseconds or microseconds since 1970, distinguished by its size: correct from 1970-01-12
 * (in microseconds) to the year 5138 (in seconds). A real is seconds, or a Julian day if it is below 5373485.
 */
#ifndef OBX_BACKENDS_SQLITE_CREATED_AT_H
#define OBX_BACKENDS_SQLITE_CREATED_AT_H

#include <stdint.h>

#include <sqlite3.h>

#define LITE_NO_TIME INT64_MIN

/* Microseconds since 1970 UTC; LITE_NO_TIME: the value is not a time. */
int64_t lite_time(sqlite3_stmt *statement, int column);

#endif
