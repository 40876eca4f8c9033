/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/table.c - what the table looks like, and how the route's columns are read
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static const char *schema_of(const struct mys_store *store)
{
    return *store->schema ? store->schema : store->database;
}

void mys_put_table_look(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql,
                        "SELECT table_type, engine FROM information_schema.tables WHERE table_schema = %l AND "
                        "table_name = %l; "
                        "SELECT column_name, data_type, column_type, character_set_name, is_nullable, column_default, "
                        "extra FROM information_schema.columns WHERE table_schema = %l AND table_name = %l "
                        "ORDER BY ordinal_position",
                        schema_of(store), store->name, schema_of(store), store->name);
}

int mys_table_read(struct mys_store *store, MYSQL_RES *result)
{
    struct mys_table *table = &store->table;
    MYSQL_ROW row = mysql_fetch_row(result);
    table->exists = row != NULL;
    mys_copy(table->schema, sizeof table->schema, schema_of(store));
    mys_copy(table->kind, sizeof table->kind, row ? row[0] : NULL);
    mys_copy(table->engine, sizeof table->engine, row ? row[1] : NULL);
    return OUTBOX_OK;
}

void mys_table_free(struct mys_store *store)
{
    store->host->release(store->host, store->table.columns);
    store->host->release(store->host, store->wanted);
    store->table.columns = NULL;
    store->table.column_count = 0;
    store->wanted = NULL;
    store->wanted_count = 0;
}

static void read_column(struct mys_column *column, MYSQL_ROW row)
{
    const char *extra = row[6] ? row[6] : "";
    mys_copy(column->name, sizeof column->name, row[0]);
    mys_copy(column->base, sizeof column->base, row[1]);
    mys_copy(column->type, sizeof column->type, row[2]);
    mys_copy(column->charset, sizeof column->charset, row[3]);
    column->not_null = row[4] && !strcmp(row[4], "NO");
    column->generated = strstr(extra, "VIRTUAL GENERATED") || strstr(extra, "STORED GENERATED");
    column->has_default =
        (row[5] && strcmp(row[5], "NULL") != 0) || strstr(extra, "auto_increment") || column->generated;
}

int mys_columns_read(struct mys_store *store, MYSQL_RES *result, struct outbox_error *error)
{
    struct mys_table *table = &store->table;
    size_t count = (size_t)mysql_num_rows(result);
    mys_table_free(store);
    mys_copy(table->id, sizeof table->id, obx_sql_column(&store->column_names, "id"));
    table->columns = store->host->alloc(store->host, count * sizeof *table->columns + 1);
    if (!table->columns)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "look at the table: out of memory");
    for (size_t i = 0; i < count; i++)
        read_column(&table->columns[i], mysql_fetch_row(result));
    table->column_count = (uint32_t)count;
    return OUTBOX_OK;
}

const struct mys_column *mys_column_find(const struct mys_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!strcmp(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

const struct mys_column *mys_column_of(const struct mys_store *store, const char *logical)
{
    return mys_column_find(&store->table, obx_sql_column(&store->column_names, logical));
}

static const struct {
    const char *base;
    enum mys_wire wire;
    bool sized;
} wires[] = {
    {"char", MYS_AS_TEXT, true},       {"varchar", MYS_AS_TEXT, true},    {"tinytext", MYS_AS_TEXT, false},
    {"text", MYS_AS_TEXT, true},       {"mediumtext", MYS_AS_TEXT, true}, {"longtext", MYS_AS_TEXT, true},
    {"json", MYS_AS_TEXT, true},       {"binary", MYS_AS_BYTES, true},    {"varbinary", MYS_AS_BYTES, true},
    {"tinyblob", MYS_AS_BYTES, false}, {"blob", MYS_AS_BYTES, true},      {"mediumblob", MYS_AS_BYTES, true},
    {"longblob", MYS_AS_BYTES, true},  {"bit", MYS_AS_BYTES, false},      {"tinyint", MYS_AS_INT, false},
    {"smallint", MYS_AS_INT, false},   {"mediumint", MYS_AS_INT, false},  {"int", MYS_AS_INT, false},
    {"bigint", MYS_AS_INT, false},     {"year", MYS_AS_INT, false},       {"float", MYS_AS_FLOAT, false},
    {"double", MYS_AS_FLOAT, false},   {"timestamp", MYS_AS_TIME, false}, {"datetime", MYS_AS_TIME, false},
};

bool mys_column_is_binary(const struct mys_column *column)
{
    for (unsigned i = 0; i < sizeof wires / sizeof *wires; i++)
        if (!strcmp(column->base, wires[i].base))
            return wires[i].wire == MYS_AS_BYTES;
    return false;
}

static void choose_wire(struct mys_wanted *wanted, const struct mys_column *column, const char *logical)
{
    wanted->wire = MYS_AS_TEXT; /* uuid, decimal, enum, set, what not: as the server prints them */
    wanted->printed = true;
    for (unsigned i = 0; i < sizeof wires / sizeof *wires; i++) {
        if (strcmp(column->base, wires[i].base) != 0)
            continue;
        wanted->wire = wires[i].wire;
        wanted->sized = wires[i].sized;
        wanted->printed = false;
    }
    if (!strcmp(logical, "event_id") && !strcmp(column->type, "binary(16)"))
        wanted->wire = MYS_AS_UUID;
}

/* Whether a column of an answer can be read as the table's columns said at the start. */
static bool is_readable(const struct mys_wanted *wanted, const MYSQL_FIELD *field)
{
    enum { BINARY = 63 }; /* the character set that is none */
    switch ((int)field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        return wanted->wire == MYS_AS_INT;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
        return wanted->wire == MYS_AS_FLOAT;
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_DATETIME:
        return wanted->wire == MYS_AS_TIME;
    case MYSQL_TYPE_JSON:
        return wanted->wire == MYS_AS_TEXT;
    default:
        if (wanted->wire == MYS_AS_UUID)
            return field->charsetnr == BINARY && field->length == 16;
        return wanted->printed || wanted->wire == (field->charsetnr == BINARY ? MYS_AS_BYTES : MYS_AS_TEXT);
    }
}

int mys_columns_compare(const struct mys_store *store, MYSQL_RES *result, struct outbox_error *error)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    for (uint32_t i = 0; i < store->wanted_count; i++)
        if (store->wanted[i].wire != MYS_ABSENT && !is_readable(&store->wanted[i], &fields[i + 1]))
            return mys_fail(error, OUTBOX_E_SCHEMA,
                            "claim rows: column \"%s\" of table %s.%s has another type than when the relay connected; "
                            "it is looked at again",
                            store->wanted[i].name, store->table.schema, store->name);
    return OUTBOX_OK;
}

static int missing(const struct mys_store *store, const struct mys_wanted *wanted, struct outbox_error *error)
{
    const struct mys_table *table = &store->table;
    char list[160] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < table->column_count && at + 1 < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", table->columns[i].name);
    return mys_fail(
        error, OUTBOX_E_SCHEMA,
        "table %s.%s has no column \"%s\"; it has %s; name the right one under columns:, or change the route",
        table->schema, store->name, wanted->name, list);
}

static int check_id(struct mys_store *store, struct outbox_error *error)
{
    const struct mys_table *table = &store->table;
    const struct mys_column *id = mys_column_find(table, table->id);
    if (!id)
        return mys_fail(
            error, OUTBOX_E_SCHEMA,
            "table %s.%s has no column \"%s\" that orders its rows; add one: ALTER TABLE %s.%s ADD COLUMN %s "
            "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE, and name it under columns: { id: ... } if it is not id",
            table->schema, store->name, table->id, table->schema, store->name, table->id);
    if (strcmp(id->base, "bigint") != 0)
        return mys_fail(
            error, OUTBOX_E_SCHEMA,
            "column \"%s\" of table %s.%s is of type %s, which cannot order an outbox; it must be BIGINT: add "
            "seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE and set columns: { id: seq, event_id: %s }",
            table->id, table->schema, store->name, id->type, table->id);
    return OUTBOX_OK;
}

int mys_columns_choose(struct mys_store *store, const struct outbox_store_start *start, struct outbox_error *error)
{
    if (check_id(store, error))
        return error->code;
    store->wanted = store->host->alloc(store->host, start->column_count * sizeof *store->wanted + 1);
    if (!store->wanted)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "look at the columns: out of memory");
    store->wanted_count = start->column_count;
    for (uint32_t i = 0; i < start->column_count; i++) {
        struct mys_wanted *wanted = &store->wanted[i];
        const char *logical = start->columns[i].name;
        mys_copy(wanted->name, sizeof wanted->name, obx_sql_column(&store->column_names, logical));
        const struct mys_column *column = mys_column_find(&store->table, wanted->name);
        if (column)
            choose_wire(wanted, column, logical);
        else if (!(start->columns[i].flags & OUTBOX_COLUMN_OPTIONAL))
            return missing(store, wanted, error);
        wanted->sized = wanted->sized && obx_sql_may_be_large(logical);
    }
    return OUTBOX_OK;
}
