/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/columns.h - the names of a table and its columns: configured, or the default */
#ifndef OBX_BACKENDS_SQL_COLUMNS_H
#define OBX_BACKENDS_SQL_COLUMNS_H

#include <outbox/plugin.h>

/* The logical columns, in the order of the default table. `id` is not among them: it is the position. */
enum { OBX_SQL_COLUMNS = 7 };
extern const char *const obx_sql_columns[OBX_SQL_COLUMNS];

/* The column that stands for a logical name: from `columns:`, else the name itself. */
const char *obx_sql_column(const struct outbox_map *columns, const char *logical);

/* The logical name (`id` included) of a column of the table; NULL: the column has none. */
const char *obx_sql_logical(const struct outbox_map *columns, const char *column);

/* May its values be large? Keys and names are short. */
bool obx_sql_may_be_large(const char *logical);

/* Every key of `columns:` must be a logical name or id. Returns the first that is not, or NULL. */
const char *obx_sql_columns_unknown(const struct outbox_map *columns);

/* "schema.table" in two; schema is "" without a dot. False if a part is empty or too long for `size`. */
bool obx_sql_split_table(const char *table, char *schema, char *name, size_t size);

#endif
