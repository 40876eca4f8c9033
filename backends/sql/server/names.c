/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/names.c - the names of the tables: configured, made up, quoted */
#include <stdio.h>
#include <string.h>

#include "sql/dead.h"
#include "sql/event.h"
#include "sql/server/op.h"
#include "sql/server/table.h"
#include "sql/server/verbs.h"

int sql_name_split(const struct sql_store *store, const char *option, const char *value, const char *suffix,
                   struct sql_table_name *name, struct outbox_error *error)
{
    char full[2 * SQL_NAME + 16];
    snprintf(full, sizeof full, "%s%s", value ? value : store->table_name, value ? "" : suffix);
    if (obx_sql_split_table(full, name->schema, name->name, SQL_NAME))
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_CONFIG, "%s: \"%s\" is not a table name; write TABLE or %s.TABLE", option,
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
const char *sql_schema_of(const struct sql_store *store, const struct sql_table_name *name)
{
    const char *candidates[] = {name->schema, store->outbox.schema, store->table.schema, store->default_schema};
    for (unsigned i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i] && *candidates[i])
            return candidates[i];
    return NULL;
}

void sql_append_table(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_table_name *name)
{
    obx_sql_text_table(sql, sql_schema_of(store, name), name->name);
}

void sql_append_table_literal(const struct sql_store *store, struct obx_sql_text *sql,
                              const struct sql_table_name *name)
{
    struct obx_sql_text quoted = sql_text(store);
    sql_append_table(store, &quoted, name);
    obx_sql_text_literal(sql, obx_sql_text_get(&quoted));
    sql->failed = sql->failed || quoted.failed;
    obx_sql_text_free(&quoted);
}

void sql_append_outbox(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_append_table(store, sql, &store->outbox);
}

void sql_append_inserts(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_append_table(store, sql, store->inserts ? store->inserts : &store->outbox);
}

/* This needs no server, and a table of the application may lack the last two: so each is a statement of its own. */
void sql_append_writer_grants(const struct sql_store *store, struct obx_sql_text *sql, const char *grantee)
{
    static const char *const filled_in[] = {"id", "event_id", "created_at"};
    obx_sql_text_puts(sql, "GRANT INSERT ON ");
    sql_append_inserts(store, sql);
    obx_sql_text_format(sql,
                        " TO %s;\n-- object mappers read back what the database fills in: of these, the columns that "
                        "the table has",
                        grantee);
    for (size_t i = 0; i < sizeof filled_in / sizeof *filled_in; i++) {
        obx_sql_text_format(sql, "\nGRANT SELECT (%n) ON ", obx_sql_column(&store->column_names, filled_in[i]));
        sql_append_inserts(store, sql);
        obx_sql_text_format(sql, " TO %s;", grantee);
    }
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

void sql_append_rest(const struct sql_store *store, struct obx_sql_text *sql)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->table.column_count; i++) {
        const struct sql_column *column = &store->table.columns[i];
        if (obx_sql_logical(&store->column_names, column->name) || column->generated)
            continue;
        obx_sql_text_format(sql, ", %s%l, ", count ? "" : store->driver->object_begin, column->name);
        store->driver->append_json_value(sql, column);
        count++;
    }
    obx_sql_text_format(sql, count ? store->driver->object_end : ", NULL", store->table.id);
}

/* Of a replay, for one column: its value in the dead letter, or the text that it is set to. */
static void append_replayed(const struct sql_op *op, const struct sql_column *column, const char *logical,
                            struct obx_sql_text *sql)
{
    const struct outbox_dead *dead = sql_dead_of(op);
    const char *set = obx_sql_dead_set_column(dead);
    if (set && !strcmp(set, logical ? logical : column->name))
        obx_sql_text_literal(sql, dead->set_text);
    else if (logical)
        obx_sql_text_name(sql, logical);
    else
        op->store->driver->append_kept_value(op->store, sql, column);
}

void sql_append_replay(const struct sql_op *op, struct obx_sql_text *sql)
{
    const struct sql_store *store = op->store;
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_append_inserts(store, sql);
    for (int pass = 0; pass < 2; pass++) {
        const char *comma = pass ? " SELECT " : " (";
        for (uint32_t i = 0; i < store->table.column_count; i++) {
            const struct sql_column *column = &store->table.columns[i];
            const char *logical = obx_sql_logical(&store->column_names, column->name);
            if (!strcmp(column->name, store->table.id) || column->generated)
                continue;
            obx_sql_text_puts(sql, comma);
            comma = ", ";
            if (pass)
                append_replayed(op, column, logical, sql);
            else
                obx_sql_text_name(sql, column->name);
        }
        if (!pass)
            obx_sql_text_format(sql, ")%s", store->driver->insert_as_given);
    }
}

void sql_append_fields(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *comma = " (";
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_append_inserts(store, sql);
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        const struct sql_column *column = sql_column_of(store, obx_sql_columns[i]);
        if (!column)
            continue;
        obx_sql_text_format(sql, "%s%n", comma, column->name);
        comma = ", ";
    }
    obx_sql_text_puts(sql, ")");
}
