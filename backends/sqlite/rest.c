/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/rest.c - see rest.h */
#include "rest.h"

#define PAIRS_MAX 50 /* of one call: SQLite takes 127 arguments */

static bool has_name(const struct lite_schema *schema, const char *column)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (!sqlite3_stricmp(column, schema->physical[i]))
            return true;
    return false;
}

/* Those that can be inserted: no generated ones. Without memory there are none, and the statement fails, too. */
static void each_column(const struct lite_schema *schema, struct lite_conn *conn,
                        void (*each)(void *arg, const char *name, const char *default_value), void *arg)
{
    sqlite3_stmt *columns = NULL;
    char *sql = sqlite3_mprintf("SELECT name, dflt_value FROM pragma_table_xinfo(%Q) WHERE hidden = 0", schema->table);
    if (sql && sqlite3_prepare_v2(conn->db, sql, -1, &columns, NULL) == SQLITE_OK)
        while (sqlite3_step(columns) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(columns, 0);
            if (name && !has_name(schema, name))
                each(arg, name, (const char *)sqlite3_column_text(columns, 1));
        }
    sqlite3_finalize(columns);
    sqlite3_free(sql);
}

struct list {
    sqlite3_str *sql;
    int count;
    bool values;
    struct lite_set *set;
};

static void count_column(void *arg, const char *name, const char *default_value)
{
    (void)name;
    (void)default_value;
    ++*(int *)arg;
}

bool lite_rest_any(const struct lite_schema *schema, struct lite_conn *conn)
{
    int count = 0;
    each_column(schema, conn, count_column, &count);
    return count > 0;
}

static void append_pair(void *arg, const char *name, const char *default_value)
{
    struct list *list = arg;
    (void)default_value;
    if (list->count && list->count % PAIRS_MAX == 0)
        sqlite3_str_appendall(list->sql, ")");
    sqlite3_str_appendf(list->sql, ", %Q, \"%w\"", name, name);
    list->count++;
}

/* The innermost call has the first pairs. */
void lite_rest_append_pack(const struct lite_schema *schema, struct lite_conn *conn, sqlite3_str *sql)
{
    struct list list = {.sql = sql};
    int count = 0;
    each_column(schema, conn, count_column, &count);
    for (int calls = (count + PAIRS_MAX - 1) / PAIRS_MAX; calls > 0; calls--)
        sqlite3_str_appendall(sql, "outbox_pack(");
    sqlite3_str_appendall(sql, "NULL");
    each_column(schema, conn, append_pair, &list);
    sqlite3_str_appendall(sql, count ? ")" : "");
}

static void append_column(void *arg, const char *name, const char *default_value)
{
    const struct list *list = arg;
    if (lite_set_append(list->set, name, list->sql))
        return;
    if (list->values)
        sqlite3_str_appendf(list->sql, ", outbox_unpack(rest, %Q, (%s))", name, default_value ? default_value : "NULL");
    else
        sqlite3_str_appendf(list->sql, ", \"%w\"", name);
}

void lite_rest_append_columns(const struct lite_schema *schema, struct lite_conn *conn, sqlite3_str *sql, bool values,
                              struct lite_set *set)
{
    struct list list = {.sql = sql, .values = values, .set = set};
    each_column(schema, conn, append_column, &list);
}
