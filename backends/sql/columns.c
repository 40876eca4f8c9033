/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/columns.c - names of tables and columns */
#include "sql/columns.h"

#include <string.h>

const char *const obx_sql_columns[OBX_SQL_COLUMNS] = {"event_id", "aggregatetype", "aggregateid", "type",
                                                      "payload",  "headers",       "created_at"};

const char *obx_sql_column(const struct outbox_map *columns, const char *logical)
{
    for (uint32_t i = 0; i < columns->count; i++)
        if (!strcmp(columns->items[i].name, logical))
            return columns->items[i].value;
    return logical;
}

const char *obx_sql_logical(const struct outbox_map *columns, const char *column)
{
    for (int i = 0; i < OBX_SQL_COLUMNS; i++)
        if (!strcmp(column, obx_sql_column(columns, obx_sql_columns[i])))
            return obx_sql_columns[i];
    return strcmp(column, obx_sql_column(columns, "id")) ? NULL : "id";
}

bool obx_sql_may_be_large(const char *logical)
{
    static const char *const small[] = {"event_id", "aggregatetype", "aggregateid", "type"};
    for (unsigned i = 0; i < sizeof small / sizeof *small; i++)
        if (!strcmp(logical, small[i]))
            return false;
    return true;
}

const char *obx_sql_columns_unknown(const struct outbox_map *columns)
{
    static const struct outbox_map none;
    for (uint32_t i = 0; i < columns->count; i++)
        if (!obx_sql_logical(&none, columns->items[i].name))
            return columns->items[i].name;
    return NULL;
}

static bool part(const char *from, size_t length, char *to, size_t size)
{
    if (!length || length >= size)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

bool obx_sql_split_table(const char *table, char *schema, char *name, size_t size)
{
    const char *dot = strchr(table, '.');
    schema[0] = '\0';
    if (!dot)
        return part(table, strlen(table), name, size);
    return part(table, (size_t)(dot - table), schema, size) && part(dot + 1, strlen(dot + 1), name, size);
}
