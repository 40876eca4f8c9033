/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/result.c - see result.h; nothing else in this folder fetches rows */
#include "result.h"

#include <stdlib.h>

bool mys_has_columns(MYSQL_RES *result, unsigned columns)
{
    return result && mysql_num_fields(result) == columns;
}

uint64_t mys_count(MYSQL_RES *result)
{
    return result ? mysql_num_rows(result) : 0;
}

bool mys_fetch(MYSQL_RES *result, struct mys_row *row)
{
    *row = (struct mys_row){.values = result ? mysql_fetch_row(result) : NULL};
    if (row->values)
        row->sizes = mysql_fetch_lengths(result);
    if (row->sizes)
        row->columns = mysql_num_fields(result);
    return row->columns > 0;
}

void mys_rewind_result(MYSQL_RES *result)
{
    if (result)
        mysql_data_seek(result, 0);
}

bool mys_first(MYSQL_RES *result, struct mys_row *row)
{
    mys_rewind_result(result);
    return mys_fetch(result, row);
}

struct outbox_bytes mys_bytes_of(const struct mys_row *row, unsigned column)
{
    const char *text = mys_text_of(row, column);
    return (struct outbox_bytes){text, text ? row->sizes[column] : 0};
}

int64_t mys_integer_of(const struct mys_row *row, unsigned column, int64_t default_value)
{
    const char *text = mys_text_of(row, column);
    return text ? strtoll(text, NULL, 10) : default_value;
}

int64_t mys_value(MYSQL_RES *result, unsigned column, int64_t default_value)
{
    struct mys_row row;
    return mys_first(result, &row) ? mys_integer_of(&row, column, default_value) : default_value;
}
