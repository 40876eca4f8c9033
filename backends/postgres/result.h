/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/result.h - reading results, whatever the server has answered
 *
 * A server, or something on the way to it, may answer anything. So every statement has a shape, which its reader asks
 * for first: the types of the columns, and how many rows there may be. A result of another shape is never read further.
 * The accessors check each index and each length again: what is not there is null, "" or the default.
 */
#ifndef OBX_BACKENDS_POSTGRES_RESULT_H
#define OBX_BACKENDS_POSTGRES_RESULT_H

#include <libpq-fe.h>
#include <limits.h>

#include <outbox/plugin_util.h>

enum { PG_ANY_ROWS = INT_MAX };

/*
 * columns: a letter for each: b bool, 4 int4, 8 int8, o oid, t text, O oid[], * any. In binary form, and of the length
 * that the type has; every value may be null. result NULL: false.
 */
bool pg_has_shape(const PGresult *result, int rows_min, int rows_max, const char *columns);

struct outbox_bytes pg_value(const PGresult *result, int row, int column); /* data NULL: null, or not there */
const char *pg_text(const PGresult *result, int row, int column);          /* "": null, or not there */
/* Of int8, int4, int2, oid and bool. */
int64_t pg_integer(const PGresult *result, int row, int column, int64_t default_value);

#endif
