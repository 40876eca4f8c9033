/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/check_rows.c - the values that some columns have in pending rows, each combination once
 *
 * A worker copies them; the loop thread reports them. A column that the table lacks is a finding of its own.
 */
#include "check_rows.h"

#include <string.h>

enum { ROWS_READ = 100000, COMBINATIONS = 1000, MOST_COLUMNS = 32 };

static bool is_requested(const struct outbox_check *args)
{
    return OUTBOX_HAS_MEMBER(args, row_arg) && args->columns && args->columns[0] && args->row;
}

static const char *physical(const struct lite_schema *schema, const char *logical)
{
    enum lite_column column = lite_schema_find(logical);
    return column == COLUMN_COUNT ? logical : schema->physical[column];
}

/* NULL: no memory, or a column is missing. */
static char *rows_sql(const struct lite_schema *schema, struct lite_conn *conn, const struct outbox_check *args)
{
    sqlite3_str *sql = sqlite3_str_new(conn->db);
    sqlite3_str_appendall(sql, "SELECT DISTINCT ");
    for (unsigned i = 0; args->columns[i]; i++) {
        const char *name = physical(schema, args->columns[i]);
        if (i == MOST_COLUMNS || !lite_schema_has_column(conn, schema->table, name)) {
            sqlite3_free(sqlite3_str_finish(sql));
            return NULL;
        }
        sqlite3_str_appendf(sql, "%sCAST(\"%w\" AS TEXT) COLLATE BINARY", i ? ", " : "", name);
    }
    sqlite3_str_appendf(sql, " FROM (SELECT * FROM \"%w\" ORDER BY \"%w\" LIMIT %d) LIMIT %d", schema->table,
                        schema->physical[COLUMN_ID], ROWS_READ, COMBINATIONS);
    return sqlite3_str_finish(sql);
}

static bool copy_row(struct lite_check_rows *rows, sqlite3_stmt *statement)
{
    char **grown = sqlite3_realloc64(rows->cells, ((size_t)rows->count + 1) * rows->columns * sizeof *grown);
    if (!grown)
        return false;
    rows->cells = grown;
    for (uint32_t i = 0; i < rows->columns; i++) {
        const unsigned char *text = sqlite3_column_text(statement, (int)i);
        rows->cells[rows->count * rows->columns + i] = text ? sqlite3_mprintf("%s", text) : NULL;
    }
    rows->count++;
    return true;
}

void lite_check_rows_read(struct lite_check_rows *rows, const struct lite_schema *schema, struct lite_conn *conn,
                          const struct outbox_check *args, const char *what, struct outbox_error *error)
{
    if (!is_requested(args))
        return;
    char *sql = rows_sql(schema, conn, args);
    sqlite3_stmt *statement = sql ? lite_prepare_once(conn, sql, what, error) : NULL;
    if (!statement)
        return;
    rows->columns = (uint32_t)sqlite3_column_count(statement);
    while (sqlite3_step(statement) == SQLITE_ROW && copy_row(rows, statement))
        ;
    sqlite3_finalize(statement);
}

void lite_check_rows_report(struct lite_check_rows *rows, const struct outbox_check *args)
{
    for (uint32_t r = 0; r < rows->count; r++) {
        struct outbox_bytes texts[MOST_COLUMNS];
        char **cells = &rows->cells[(size_t)r * rows->columns];
        for (uint32_t i = 0; i < rows->columns; i++)
            texts[i] = (struct outbox_bytes){cells[i], cells[i] ? strlen(cells[i]) : 0};
        args->row(args->row_arg, texts);
    }
    for (uint32_t i = 0; i < rows->count * rows->columns; i++)
        sqlite3_free(rows->cells[i]);
    sqlite3_free(rows->cells);
    *rows = (struct lite_check_rows){0};
}
