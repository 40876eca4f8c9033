/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/names.c - the names of the tables: configured, made up, quoted */
#include <stdio.h>

#include "sql/server/table.h"

int sql_name_split(const struct sql_store *store, const char *option, const char *value, const char *suffix,
                   struct sql_table_name *name, struct outbox_error *error)
{
    char full[2 * SQL_NAME + 16];
    snprintf(full, sizeof full, "%s%s", value ? value : store->table_name, value ? "" : suffix);
    if (obx_sql_split_table(full, name->schema, name->name, SQL_NAME))
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_CONFIG, "%s: \"%s\" is no name of a table; write TABLE or %s.TABLE", option,
                            full, store->driver->SCHEMA);
}

int sql_names_init(struct sql_store *store, struct outbox_error *error)
{
    const char *unknown = obx_sql_columns_unknown(&store->column_names);
    if (unknown)
        return outbox_error_set(
            error, OUTBOX_E_CONFIG,
            "columns: there is no logical column \"%s\"; they are id, event_id, aggregatetype, aggregateid, type, "
            "payload, headers, created_at",
            unknown);
    if (sql_name_split(store, "table", store->table_name, "", &store->outbox, error))
        return error->code;
    return sql_name_split(store, "dead_table", store->dead_name, "_dead", &store->dead, error);
}

/* Tables that name no schema are where the outbox is. */
void sql_append_table(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_table_name *name)
{
    const char *candidates[] = {name->schema, store->outbox.schema, store->table.schema, store->default_schema};
    const char *schema = NULL;
    for (unsigned i = 0; i < sizeof candidates / sizeof *candidates && !schema; i++)
        if (candidates[i] && *candidates[i])
            schema = candidates[i];
    obx_sql_text_table(sql, schema, name->name);
}

void sql_append_outbox(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_append_table(store, sql, &store->outbox);
}

void sql_append_dead(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_append_table(store, sql, &store->dead);
}

void sql_append_columns(const struct sql_store *store, struct obx_sql_text *sql, bool of_outbox, const char *prefix)
{
    for (int i = 0; i < OBX_SQL_COLUMNS; i++) {
        const struct sql_column *column = sql_column_of(store, obx_sql_columns[i]);
        if (column)
            obx_sql_text_format(sql, ", %s%n", prefix, of_outbox ? column->name : obx_sql_columns[i]);
    }
}
