/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/result.h - reading stored results, whatever the server has answered
 *
 * A server, or something on the way to it, may answer anything: fewer columns, none, or no result at all. So every
 * reader requests the number of columns that its statement has, and reads values through these functions only: what is
 * not there is NULL or the default.
 */
#ifndef OBX_BACKENDS_MYSQL_RESULT_H
#define OBX_BACKENDS_MYSQL_RESULT_H

#include <mysql.h>

#include <outbox/plugin_util.h>

struct mys_row {
    MYSQL_ROW values;
    const unsigned long *sizes;
    unsigned columns;
};

bool mys_has_columns(MYSQL_RES *result, unsigned columns); /* result NULL: false */
uint64_t mys_count(MYSQL_RES *result);                     /* rows; NULL: 0 */
/* The next row. False: there is none more; then the row has no columns. */
bool mys_fetch(MYSQL_RES *result, struct mys_row *row);
void mys_rewind_result(MYSQL_RES *result);
/* Its first row, whatever was fetched before. */
bool mys_first(MYSQL_RES *result, struct mys_row *row);

static inline const char *mys_text_of(const struct mys_row *row, unsigned column) /* NULL: null, or not there */
{
    return column < row->columns ? row->values[column] : NULL;
}
struct outbox_bytes mys_bytes_of(const struct mys_row *row, unsigned column);
int64_t mys_integer_of(const struct mys_row *row, unsigned column, int64_t default_value);
/* Of the first row. */
int64_t mys_value(MYSQL_RES *result, unsigned column, int64_t default_value);

#endif
