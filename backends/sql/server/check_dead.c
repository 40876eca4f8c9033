/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/check_dead.c - can the dead letters take every column of the outbox, and give it back unchanged?
 *
 * A column that the relay has a name for needs the same type in both tables; all others are in the column `rest`. An
 * outbox that was altered after 'outbox init' differs.
 */
#include <string.h>

#include "sql/server/table.h"
#include "sql/server/verbs.h"

/* A column of the dead-letter table. */
struct found {
    bool there;
    char type[96], charset[SQL_NAME];
};
struct dead_table {
    uint32_t columns;
    bool has_rest;
    struct found found[OBX_SQL_COLUMNS];
};

static void read_column(const struct sql_driver *driver, struct dead_table *table, const struct sql_row *row)
{
    enum { NAME, BASE, TYPE, CHARSET };
    char name[SQL_NAME];
    sql_copy_cell(name, sizeof name, driver->cell(row, NAME));
    table->columns++;
    table->has_rest = table->has_rest || !strcmp(name, "rest");
    for (int i = 0; i < OBX_SQL_COLUMNS; i++) {
        if (strcmp(name, obx_sql_columns[i]) != 0)
            continue;
        table->found[i].there = true;
        sql_copy_cell(table->found[i].type, sizeof table->found[i].type, driver->cell(row, TYPE));
        sql_copy_cell(table->found[i].charset, sizeof table->found[i].charset, driver->cell(row, CHARSET));
    }
}

/* "ALTER TABLE dead ...", which makes the column what it is in the outbox. */
static void append_cure(const struct sql_store *store, struct obx_sql_text *sql, const char *name,
                        const struct sql_column *column, bool there)
{
    bool postgres = store->driver->dialect == OBX_SQL_POSTGRES;
    obx_sql_text_puts(sql, "ALTER TABLE ");
    sql_append_dead(store, sql);
    if (postgres && there)
        obx_sql_text_format(sql, " ALTER COLUMN %n TYPE %s USING %n::%s", name, column->type, name, column->type);
    else
        obx_sql_text_format(sql, " %s %n %s", there ? "MODIFY" : "ADD COLUMN", name, column->type);
    if (*column->charset)
        obx_sql_text_format(sql, " CHARACTER SET %s", column->charset);
    obx_sql_text_puts(sql, ";");
}

static void report_column(const struct sql_op *op, const char *name, const struct sql_column *column,
                          const struct found *found)
{
    struct sql_cure cure = sql_cure(op, NULL);
    bool same = !strcmp(found->type, column->type) && !strcmp(found->charset, column->charset);
    if (found->there && same)
        return;
    append_cure(op->store, &cure.command, name, column, found->there);
    if (found->there)
        sql_check_find(op, OUTBOX_SEVERITY_WARNING, &cure,
                       "column %s of the dead letters is %s%s%s, and \"%s\" of the outbox is %s%s%s: a dead letter may "
                       "be refused, or come back changed",
                       name, found->type, *found->charset ? " in " : "", found->charset, column->name, column->type,
                       *column->charset ? " in " : "", column->charset);
    else
        sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure,
                       "the dead letters have no column %s, for \"%s\" of the outbox: no event can be dead-lettered",
                       name, column->name);
    sql_cure_free(&cure);
}

static const struct sql_column *first_of_rest(const struct sql_store *store)
{
    for (uint32_t i = 0; i < store->table.column_count; i++) {
        const struct sql_column *column = &store->table.columns[i];
        if (!obx_sql_logical(&store->column_names, column->name) && !column->generated)
            return column;
    }
    return NULL;
}

static void report_rest(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    const struct sql_column *column = first_of_rest(store);
    struct sql_cure cure = sql_cure(op, NULL);
    if (!column)
        return;
    obx_sql_text_puts(&cure.command, "ALTER TABLE ");
    sql_append_dead(store, &cure.command);
    obx_sql_text_puts(&cure.command, " ADD COLUMN rest ");
    obx_sql_text_puts(&cure.command, store->driver->dialect == OBX_SQL_POSTGRES ? "jsonb;" : "JSON;");
    sql_check_find(op, OUTBOX_SEVERITY_ERROR, &cure,
                   "the dead letters have no column rest, for \"%s\" of the outbox: no event can be dead-lettered",
                   column->name);
    sql_cure_free(&cure);
}

bool sql_put_dead_columns(struct sql_request *request)
{
    return request->store->driver->put_columns(request, &request->store->dead);
}

void sql_report_dead_columns(struct sql_op *op)
{
    const struct sql_store *store = op->store;
    struct dead_table table = {0};
    struct sql_row row = {.result = op->result};
    while (store->driver->next_row(&row))
        read_column(store->driver, &table, &row);
    if (!table.columns)
        return; /* another probe reports that there is no such table */
    for (int i = 0; i < OBX_SQL_COLUMNS; i++) {
        const struct sql_column *column = sql_column_of(store, obx_sql_columns[i]);
        if (column)
            report_column(op, obx_sql_columns[i], column, &table.found[i]);
    }
    if (!table.has_rest)
        report_rest(op);
}
