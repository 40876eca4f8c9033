/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/table.c - the columns of the outbox, and the encodings of the route's columns
 *
 * The server's probe lists all columns at each start. If the table lacks a column of the route, the start fails and
 * lists the existing columns, unless the route treats it as optional.
 */
#include "sql/server/table.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sql/server/op.h"

void sql_table_free(struct sql_store *store)
{
    store->host->release(store->host, store->table.columns);
    store->host->release(store->host, store->selected);
    store->table.columns = NULL;
    store->table.column_count = 0;
    store->selected = NULL;
    store->selected_count = 0;
}

static void read_column(const struct sql_driver *driver, struct sql_column *column, const struct sql_row *row)
{
    enum { NAME, BASE, TYPE, CHARSET, HAS_DEFAULT, GENERATED, DECLARED, NUMBERED, UNIQUE };
    sql_copy_cell(column->name, sizeof column->name, driver->cell(row, NAME));
    sql_copy_cell(column->base, sizeof column->base, driver->cell(row, BASE));
    sql_copy_cell(column->type, sizeof column->type, driver->cell(row, TYPE));
    sql_copy_cell(column->charset, sizeof column->charset, driver->cell(row, CHARSET));
    column->has_default = driver->number(row, HAS_DEFAULT, 0) != 0;
    column->generated = driver->number(row, GENERATED, 0) != 0;
    sql_copy_cell(column->declared, sizeof column->declared, driver->cell(row, DECLARED));
    column->numbered = driver->number(row, NUMBERED, 0) != 0;
    column->unique = driver->number(row, UNIQUE, 0) != 0;
}

/* MySQL compares names of columns without case: the column gets the spelling of the configuration, by which all else
 * compares it. */
static void adopt_name(const struct sql_store *store, struct sql_column *column)
{
    const char *name = obx_sql_column(&store->column_names, "id");
    for (int i = 0; strcasecmp(name, column->name) != 0 && i < OBX_SQL_COLUMNS; i++)
        name = obx_sql_column(&store->column_names, obx_sql_columns[i]);
    if (!strcasecmp(name, column->name))
        snprintf(column->name, sizeof column->name, "%s", name);
}

void sql_columns_read(struct sql_store *store, void *result)
{
    const struct sql_driver *driver = store->driver;
    struct sql_table *table = &store->table;
    struct sql_row row = {.result = result};
    uint32_t room = 0;
    store->host->release(store->host, table->columns);
    table->columns = NULL;
    table->column_count = 0;
    snprintf(table->id, sizeof table->id, "%s", obx_sql_column(&store->column_names, "id"));
    while (driver->next_row(&row)) {
        if (!obx_sql_grow(store->host, (void **)&table->columns, &room, table->column_count + 1,
                          sizeof *table->columns)) {
            outbox_error_set(&store->start_error, OUTBOX_E_NO_MEMORY, "inspect the table: out of memory");
            break;
        }
        read_column(driver, &table->columns[table->column_count++], &row);
        if (driver->dialect == OBX_SQL_MYSQL)
            adopt_name(store, &table->columns[table->column_count - 1]);
    }
    driver->free_result(result);
    const struct sql_column *id = sql_column_find(table, table->id);
    store->shared_ids = id && !id->unique;
}

const struct sql_column *sql_column_find(const struct sql_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!strcmp(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

const struct sql_column *sql_column_of(const struct sql_store *store, const char *logical)
{
    return sql_column_find(&store->table, obx_sql_column(&store->column_names, logical));
}

int sql_table_validate(const struct sql_store *store, const char *user, const char *database,
                       struct outbox_error *error)
{
    const struct sql_table *table = &store->table;
    if (!table->exists)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND,
                                "inspect table %s: database %s has no such table that user %s can see; run 'outbox "
                                "init', or name the %s: table: %s.%s",
                                store->table_name, database, user, store->driver->schema, store->driver->SCHEMA,
                                store->outbox.name);
    if (!table->is_table)
        return outbox_error_set(error, OUTBOX_E_UNSUPPORTED,
                                "inspect %s.%s: it is not a table, and the relay must delete rows from it",
                                table->schema, store->outbox.name);
    return OUTBOX_OK;
}

/* ---- the columns of the route ------------------------------------------------------------------------------------ */

static void choose_encoding(const struct sql_store *store, struct sql_selected *selected,
                            const struct sql_column *column, const char *logical)
{
    const struct sql_column_type *type = store->driver->types;
    while (type->base && ((strcmp(type->base, column->base) && strcmp(type->base, column->type)) ||
                          (type->only_for && strcmp(type->only_for, logical))))
        type++;
    selected->as_text = !type->base;
    selected->encoding = type->base ? type->encoding : store->driver->default_encoding;
    selected->counts = (type->counts || selected->as_text) && obx_sql_may_be_large(logical);
    snprintf(selected->type, sizeof selected->type, "%s", selected->as_text ? "text" : column->type);
}

static int missing(const struct sql_store *store, const char *name, struct outbox_error *error)
{
    const struct sql_table *table = &store->table;
    char list[160] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < table->column_count && at + 1 < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", table->columns[i].name);
    return outbox_error_set(
        error, OUTBOX_E_SCHEMA,
        "table %s.%s has no column \"%s\"; it has %s; name the right one under columns:, or change the route",
        table->schema, store->outbox.name, name, list);
}

static int validate_id(const struct sql_store *store, struct outbox_error *error)
{
    const struct sql_driver *driver = store->driver;
    const struct sql_table *table = &store->table;
    const struct sql_column *id = sql_column_find(table, table->id);
    if (!id)
        return outbox_error_set(
            error, OUTBOX_E_SCHEMA,
            "table %s.%s has no column \"%s\" that orders its rows; 'outbox check' names what to do", table->schema,
            store->outbox.name, table->id);
    if (strcmp(id->base, driver->id_base) != 0)
        return outbox_error_set(error, OUTBOX_E_SCHEMA,
                                "column \"%s\" of table %s.%s is of type %s, which cannot order an outbox; it must be "
                                "%s; 'outbox check' names "
                                "what to do",
                                table->id, table->schema, store->outbox.name, id->type, driver->id_type);
    return OUTBOX_OK;
}

static const struct sql_column *find_as_server(const struct sql_store *store, const char *name)
{
    const struct sql_table *table = &store->table;
    const struct sql_column *found = sql_column_find(table, name);
    for (uint32_t i = 0; !found && store->driver->dialect == OBX_SQL_MYSQL && i < table->column_count; i++)
        if (!strcasecmp(table->columns[i].name, name))
            found = &table->columns[i];
    return found;
}

static int choose(struct sql_store *store, struct sql_selected *selected, const struct outbox_column *wish,
                  struct outbox_error *error)
{
    snprintf(selected->name, sizeof selected->name, "%s", obx_sql_column(&store->column_names, wish->name));
    const struct sql_column *column = find_as_server(store, selected->name);
    if (column)
        choose_encoding(store, selected, column, wish->name);
    else if (!(wish->flags & OUTBOX_COLUMN_OPTIONAL))
        return missing(store, selected->name, error);
    return OUTBOX_OK;
}

int sql_columns_choose(struct sql_store *store, struct outbox_error *error)
{
    const struct outbox_store_start *start = store->start;
    if (validate_id(store, error))
        return error->code;
    store->host->release(store->host, store->selected);
    store->selected_count = 0;
    store->selected = store->host->alloc(store->host, start->column_count * sizeof *store->selected + 1);
    if (!store->selected)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "read the columns: out of memory");
    store->selected_count = start->column_count;
    for (uint32_t i = 0; i < start->column_count; i++)
        if (choose(store, &store->selected[i], &start->columns[i], error))
            return error->code;
    return OUTBOX_OK;
}
