/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/table.c - the columns of the table, and how values of their types are read */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/server/unreadable.h"
#include "store.h"

/* A dead letter keeps the value of an ENUM or a SET as text. Unique is what `outbox check` takes for it: the first
 * column of a unique index. */
static void append_columns(struct obx_sql_text *sql, const char *schema, const char *table)
{
    obx_sql_text_format(sql,
                        "SELECT column_name, data_type, IF(data_type IN ('enum', 'set'), 'text', column_type), "
                        "character_set_name, "
                        "IFNULL(column_default <> 'NULL', 0) OR extra LIKE '%%auto_increment%%' OR "
                        "extra LIKE '%%VIRTUAL GENERATED%%' OR extra LIKE '%%STORED GENERATED%%', "
                        "extra LIKE '%%VIRTUAL GENERATED%%' OR extra LIKE '%%STORED GENERATED%%', '', "
                        "extra LIKE '%%auto_increment%%', EXISTS (SELECT 1 FROM information_schema.statistics s WHERE "
                        "s.table_schema = c.table_schema AND s.table_name = c.table_name AND s.column_name = "
                        "c.column_name AND s.seq_in_index = 1 AND s.non_unique = 0) "
                        "FROM information_schema.columns c WHERE table_schema = %l AND table_name = %l "
                        "ORDER BY ordinal_position",
                        schema, table);
}

bool mys_put_columns(struct sql_request *request, const struct sql_table_name *table)
{
    append_columns(request->sql, sql_schema_of(request->store, table), table->name);
    return true;
}

void mys_append_probe(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql,
                        "SELECT table_type, engine, UNIX_TIMESTAMP(create_time) FROM information_schema.tables WHERE "
                        "table_schema = %l AND "
                        "table_name = %l; ",
                        sql_schema_of(store, &store->outbox), store->outbox.name);
    append_columns(sql, sql_schema_of(store, &store->outbox), store->outbox.name);
}

static void read_table(struct mys_store *store, MYSQL_RES *result)
{
    struct sql_table *table = &store->sql.table;
    enum { KIND, ENGINE, CREATED };
    struct mys_row row;
    table->exists = mys_first(result, &row);
    const char *created = mys_text_of(&row, CREATED);
    mys_copy(store->kind, sizeof store->kind, mys_text_of(&row, KIND));
    mys_copy(store->engine, sizeof store->engine, mys_text_of(&row, ENGINE));
    snprintf(store->created, sizeof store->created, "%llu", created ? strtoull(created, NULL, 10) : 0);
    if (!mys_has_columns(result, CREATED + 1))
        sql_bad_shape(&store->sql.start_error, "inspect the table");
    mys_copy(table->schema, sizeof table->schema, sql_schema_of(&store->sql, &store->sql.outbox));
    table->is_table = !strcmp(store->kind, "BASE TABLE");
    mysql_free_result(result);
}

static void read_columns(struct sql_store *store, MYSQL_RES *result)
{
    enum { COLUMNS = 9 };
    if (!mys_has_columns(result, COLUMNS))
        sql_bad_shape(&store->start_error, "inspect the columns");
    sql_columns_read(store, result);
}

void mys_on_probe(struct sql_store *store, MYSQL_RES *result, unsigned index)
{
    if (index == 0)
        read_table(mys_store_of(store), result);
    else
        read_columns(store, result);
}

int mys_table_validate(const struct mys_store *store, struct outbox_error *error)
{
    const char *schema = store->sql.table.schema, *name = store->sql.outbox.name;
    if (sql_table_validate(&store->sql, store->server.user, schema, error))
        return error->code;
    if (!store->sql.table.column_count) /* the server hides them from a user without rights */
        return mys_fail(error, OUTBOX_E_PERMISSION,
                        "inspect table %s.%s: user %s may not read its columns; grant what 'outbox init "
                        "--print-grants' prints",
                        schema, name, store->server.user);
    if (strcmp(store->engine, "InnoDB") != 0)
        return mys_fail(
            error, OUTBOX_E_UNSUPPORTED,
            "inspect table %s.%s: its engine is %s, which has no transactions; run ALTER TABLE %s.%s ENGINE = InnoDB",
            schema, name, store->engine, schema, name);
    return OUTBOX_OK;
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

const struct sql_column_type mys_types[] = {{"binary(16)", MYS_AS_UUID, true, "event_id"},
                                            {"char", MYS_AS_TEXT, true, NULL},
                                            {"varchar", MYS_AS_TEXT, true, NULL},
                                            {"tinytext", MYS_AS_TEXT, false, NULL},
                                            {"text", MYS_AS_TEXT, true, NULL},
                                            {"mediumtext", MYS_AS_TEXT, true, NULL},
                                            {"longtext", MYS_AS_TEXT, true, NULL},
                                            {"json", MYS_AS_TEXT, true, NULL},
                                            {"binary", MYS_AS_BYTES, true, NULL},
                                            {"varbinary", MYS_AS_BYTES, true, NULL},
                                            {"tinyblob", MYS_AS_BYTES, false, NULL},
                                            {"blob", MYS_AS_BYTES, true, NULL},
                                            {"mediumblob", MYS_AS_BYTES, true, NULL},
                                            {"longblob", MYS_AS_BYTES, true, NULL},
                                            {"bit", MYS_AS_BYTES, false, NULL},
                                            {"tinyint", MYS_AS_INT, false, NULL},
                                            {"smallint", MYS_AS_INT, false, NULL},
                                            {"mediumint", MYS_AS_INT, false, NULL},
                                            {"int", MYS_AS_INT, false, NULL},
                                            {"bigint", MYS_AS_INT, false, NULL},
                                            {"year", MYS_AS_INT, false, NULL},
                                            {"float", MYS_AS_SINGLE, false, NULL},
                                            {"double", MYS_AS_FLOAT, false, NULL},
                                            {"timestamp", MYS_AS_TIME, false, NULL},
                                            {"datetime", MYS_AS_TIME, false, NULL},
                                            {NULL, 0, false, NULL}};

bool mys_column_is_binary(const struct sql_column *column)
{
    const struct sql_column_type *type = mys_types;
    while (type->base && strcmp(type->base, column->base) != 0)
        type++;
    return type->base && type->encoding == MYS_AS_BYTES;
}

/* All other types are kept as their bytes. */
static const struct {
    const char *base;
    enum mys_kept as;
} kept[] = {{"json", MYS_KEPT_JSON},        {"bit", MYS_KEPT_BITS},          {"float", MYS_KEPT_REAL},
            {"double", MYS_KEPT_REAL},      {"decimal", MYS_KEPT_PRINTED},   {"tinyint", MYS_KEPT_PRINTED},
            {"smallint", MYS_KEPT_PRINTED}, {"mediumint", MYS_KEPT_PRINTED}, {"int", MYS_KEPT_PRINTED},
            {"bigint", MYS_KEPT_PRINTED},   {"year", MYS_KEPT_PRINTED},      {"date", MYS_KEPT_PRINTED},
            {"time", MYS_KEPT_PRINTED},     {"datetime", MYS_KEPT_PRINTED},  {"timestamp", MYS_KEPT_PRINTED},
            {"uuid", MYS_KEPT_PRINTED},     {"inet4", MYS_KEPT_PRINTED},     {"inet6", MYS_KEPT_PRINTED}};

enum mys_kept mys_kept_as(const struct sql_column *column)
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (!strcmp(kept[i].base, column->base))
            return kept[i].as;
    return MYS_KEPT_BYTES;
}

/* ---- a table that was altered ------------------------------------------------------------------------------------ */

/* Does a column of a result still have the type that the table's column had at the start? */
static bool is_readable(const struct sql_selected *selected, const MYSQL_FIELD *field)
{
    enum { BINARY = 63 }; /* the character set `binary` */
    int encoding = selected->encoding;
    switch ((int)field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        return encoding == MYS_AS_INT;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
        return encoding == MYS_AS_FLOAT || encoding == MYS_AS_SINGLE;
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_DATETIME:
        return encoding == MYS_AS_TIME;
    case MYSQL_TYPE_JSON:
        return encoding == MYS_AS_TEXT;
    default:
        if (encoding == MYS_AS_UUID)
            return field->charsetnr == BINARY && field->length == 16;
        return selected->as_text || encoding == (field->charsetnr == BINARY ? MYS_AS_BYTES : MYS_AS_TEXT);
    }
}

int mys_columns_compare(const struct sql_store *store, MYSQL_RES *result, struct outbox_error *error)
{
    if (!mys_has_columns(result, store->selected_count + 2))
        return sql_bad_shape(error, "claim rows");
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    for (uint32_t i = 0; i < store->selected_count; i++)
        if (!sql_is_left_out(&store->selected[i]) && !is_readable(&store->selected[i], &fields[i + 1]))
            return mys_fail(error, OUTBOX_E_SCHEMA,
                            "claim rows: column \"%s\" of table %s.%s has another type than when the relay connected; "
                            "the relay connects again",
                            store->selected[i].name, store->table.schema, store->outbox.name);
    return OUTBOX_OK;
}
