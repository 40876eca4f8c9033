/* backends/sql/columns.h - the names of a table and its columns: configured, or the default */
#ifndef OBX_SQL_COLUMNS_H
#define OBX_SQL_COLUMNS_H

#include <outbox/plugin.h>

/* X(name): the logical columns, in the order of the default table. `id` is not among them: it is the position. */
#define OBX_SQL_COLUMNS(X) X(event_id) X(aggregatetype) X(aggregateid) X(type) X(payload) X(headers) X(created_at)

/* The column that stands for a logical name: what `columns:` says, else the name itself. */
const char *obx_sql_column(const struct outbox_map *columns, const char *logical);

/* The logical name, `id` among them, of a column of the table; NULL for one that the relay has no name for. */
const char *obx_sql_logical(const struct outbox_map *columns, const char *column);

/* Every key of `columns:` must be a logical name or id. Returns the first that is not, or NULL. */
const char *obx_sql_columns_unknown(const struct outbox_map *columns);

/* "schema.table" in two; schema is "" without a dot. False if a part is empty or too long for `size`. */
bool obx_sql_split_table(const char *table, char *schema, char *name, size_t size);

#endif
