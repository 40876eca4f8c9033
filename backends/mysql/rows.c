/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/rows.c - stored results: as a batch of rows, whose values are read in place; and for the verbs
 *
 * Times come as text in UTC, which is the session's time zone.
 */
#include <stdlib.h>
#include <string.h>

#include "binlog/date.h"
#include "store.h"

enum { ROW_OVERHEAD = 48 };

static struct outbox_value of_bytes(uint32_t type, const char *data, unsigned long size)
{
    return (struct outbox_value){.as.data = data, .size = (uint32_t)size, .type = type};
}

static struct outbox_value of_int(const char *data, unsigned long size)
{
    char *end;
    bool negative = *data == '-';
    uint64_t number = strtoull(negative ? data + 1 : data, &end, 10);
    if (end != data + size || number > INT64_MAX)
        return of_bytes(OUTBOX_TEXT, data, size);
    return (struct outbox_value){.as.integer = negative ? -(int64_t)number : (int64_t)number, .type = OUTBOX_INT};
}

static int64_t digits(const char *at, int count)
{
    int64_t number = 0;
    while (count--)
        number = number * 10 + (*at++ - '0');
    return number;
}

/* "2026-11-23 21:30:00.123456". A date that is in no calendar, such as 0000-00-00, stays text. */
static struct outbox_value of_time(const char *data, unsigned long size)
{
    if (size < 19 || !mys_is_date(digits(data, 4), digits(data + 5, 2), digits(data + 8, 2)))
        return of_bytes(OUTBOX_TEXT, data, size);
    int64_t us = mys_days(digits(data, 4), digits(data + 5, 2), digits(data + 8, 2));
    us = us * 24 + digits(data + 11, 2);
    us = us * 60 + digits(data + 14, 2);
    us = us * 60 + digits(data + 17, 2);
    us *= 1000000;
    int64_t unit = 100000;
    for (unsigned long i = 20; i < size && unit; i++, unit /= 10)
        us += (data[i] - '0') * unit;
    return (struct outbox_value){.as.integer = us, .type = OUTBOX_TIME};
}

static struct outbox_value decode(enum mys_encoding encoding, const char *data, unsigned long size)
{
    switch (encoding) {
    case MYS_AS_TEXT:
        return of_bytes(OUTBOX_TEXT, data, size);
    case MYS_AS_BYTES:
        return of_bytes(OUTBOX_BYTES, data, size);
    case MYS_AS_UUID:
        return of_bytes(OUTBOX_UUID, data, size);
    case MYS_AS_INT:
        return of_int(data, size);
    case MYS_AS_FLOAT:
        return (struct outbox_value){.as.real = strtod(data, NULL), .type = OUTBOX_FLOAT};
    case MYS_AS_SINGLE:
        return (struct outbox_value){.as.real = strtod(data, NULL), .size = OUTBOX_FLOAT_SINGLE, .type = OUTBOX_FLOAT};
    case MYS_AS_TIME:
        return of_time(data, size);
    case MYS_ABSENT:
        break;
    }
    return (struct outbox_value){.type = OUTBOX_NULL};
}

static struct outbox_value value_of(const struct mys_row *row, unsigned column, int encoding)
{
    const char *text = row->values[column];
    if (!text || (encoding == MYS_AS_UUID && row->sizes[column] != 16))
        return (struct outbox_value){.type = OUTBOX_NULL};
    return decode((enum mys_encoding)encoding, text, row->sizes[column]);
}

/* The rows of the result whose ids are in store->ids; the other rows belong to no gap. mys_columns_compare() has
 * checked the columns, and these ids were read from the same result. */
uint64_t mys_fill(const struct sql_store *store, struct obx_sql_batch *batch, const struct sql_reading *reading)
{
    struct outbox_value *value = batch->values;
    uint64_t bytes = 0;
    struct mys_row row;
    mys_rewind_result(batch->result);
    for (uint32_t r = 0; r < reading->rows && mys_fetch(batch->result, &row);) {
        if (mys_integer_of(&row, 0, 0) != store->ids[r])
            continue;
        batch->positions[r] = (struct outbox_position){.major = (uint64_t)store->ids[r]};
        r++;
        bytes += ROW_OVERHEAD;
        for (uint32_t c = 0; c < store->selected_count; c++, value++) {
            bytes += row.sizes[c + 1] + sizeof *row.values;
            *value = value_of(&row, c + 1, store->selected[c].encoding);
        }
    }
    return bytes;
}

bool mys_read_ids(struct sql_store *store, void *result, uint32_t *count)
{
    struct mys_row row;
    *count = 0;
    if (!mys_has_columns(result, 1) || !obx_sql_grow(store->host, (void **)&store->ids, &store->id_room,
                                                     (uint32_t)mys_count(result) + 1, sizeof *store->ids))
        return false;
    while (mys_fetch(result, &row))
        store->ids[(*count)++] = mys_integer_of(&row, 0, 0);
    return true;
}

void mys_free_result(void *result)
{
    mysql_free_result(result);
}

/* ---- for the verbs ----------------------------------------------------------------------------------------------- */

unsigned mys_column_count(const void *result)
{
    return result ? mysql_num_fields((MYSQL_RES *)(uintptr_t)result) : 0;
}

bool mys_next_row(struct sql_row *row)
{
    struct mys_row next;
    mys_fetch(row->result, &next);
    row->values = next.values;
    row->sizes = next.sizes;
    row->columns = next.columns;
    return next.columns > 0;
}

static struct mys_row row_of(const struct sql_row *row)
{
    return (struct mys_row){row->values, row->sizes, row->columns};
}

struct outbox_bytes mys_cell(const struct sql_row *row, unsigned column)
{
    struct mys_row own = row_of(row);
    return mys_bytes_of(&own, column);
}

int64_t mys_number(const struct sql_row *row, unsigned column, int64_t default_value)
{
    struct mys_row own = row_of(row);
    return mys_integer_of(&own, column, default_value);
}
