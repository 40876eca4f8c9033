/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/prepare.c - see prepare.h */
#include "prepare.h"

#include "rest.h"

/* ---- READ ---------------------------------------------------------------------------------------------------- */

static int fail_missing_column(const struct lite_conn *conn, const char *table, const char *logical,
                               const char *physical, struct outbox_error *error)
{
    bool has_meaning = lite_schema_find(logical) != COLUMN_COUNT;
    return outbox_error_set(error, OUTBOX_E_SCHEMA, LITE_OPENING " %s: table \"%s\" has no column \"%s\"; add it%s%s%s",
                            conn->path, table, physical,
                            has_meaning ? ", or name the one to use in columns: {" : ", or remove it from the route",
                            has_meaning ? logical : "", has_meaning ? ": NAME}" : "");
}

static enum lite_encoding encoding_of(enum lite_column column)
{
    return column == COLUMN_CREATED_AT ? ENCODING_TIME : column == COLUMN_EVENT_ID ? ENCODING_UUID : ENCODING_PLAIN;
}

/* The id, then the columns in the order of the host; NULL for those that the table may lack and does. */
static char *select_list(struct lite_store *store, struct lite_conn *conn, const struct outbox_store_start *start,
                         struct outbox_error *error)
{
    const struct lite_schema *schema = &store->schema;
    sqlite3_str *sql = sqlite3_str_new(conn->db);
    sqlite3_str_appendf(sql, "SELECT \"%w\"", schema->physical[COLUMN_ID]);
    for (uint32_t i = 0; i < start->column_count; i++) {
        const struct outbox_column *wanted = &start->columns[i];
        enum lite_column column = lite_schema_find(wanted->name);
        const char *physical = column == COLUMN_COUNT ? wanted->name : schema->physical[column];
        store->rows.encodings[i] = encoding_of(column);
        bool has = lite_schema_has_column(conn, schema->table, physical);
        if (!has && !(wanted->flags & OUTBOX_COLUMN_OPTIONAL))
            fail_missing_column(conn, schema->table, wanted->name, physical, error);
        sqlite3_free(store->rows.expressions[i]);
        store->rows.expressions[i] = has ? sqlite3_mprintf("\"%w\"", physical) : sqlite3_mprintf("NULL");
        sqlite3_str_appendf(sql, ", %s", store->rows.expressions[i]); /* without memory: an error of SQL */
    }
    sqlite3_str_appendf(sql, " FROM \"%w\"", schema->table);
    return sqlite3_str_finish(sql);
}

int lite_prepare_reader(struct lite_store *store, struct lite_conn *conn, const struct outbox_store_start *start,
                        struct outbox_error *error)
{
    const char *id = store->schema.physical[COLUMN_ID];
    char *list = select_list(store, conn, start, error);
    if (!list && !error->code)
        lite_fail_memory(conn, LITE_OPENING, error);
    if (!error->code) {
        char *next = sqlite3_mprintf("%s WHERE \"%w\" BETWEEN ?1 AND ?2 ORDER BY \"%w\" LIMIT ?3", list, id, id);
        char *position = sqlite3_mprintf("%s WHERE \"%w\" = ?1", list, id);
        if (!lite_prepare(conn, STATEMENT_NEXT, next, LITE_OPENING, error))
            lite_prepare(conn, STATEMENT_POSITION, position, LITE_OPENING, error);
        sqlite3_free(next);
        sqlite3_free(position);
    }
    sqlite3_free(list);
    return error->code;
}

/* ---- WRITE --------------------------------------------------------------------------------------------------- */

static char *dead_letter_sql(const struct lite_schema *schema, struct lite_conn *conn)
{
    const char *id = schema->physical[COLUMN_ID];
    bool keeps_rest = lite_rest_any(schema, conn);
    sqlite3_str *sql = sqlite3_str_new(conn->db);
    sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (topic, \"key\", reason, attempts, id", schema->dead_table);
    lite_schema_append_columns(schema, conn, sql, false, NULL);
    sqlite3_str_appendf(sql, "%s) SELECT ?2, ?3, ?4, ?5, \"%w\"", keeps_rest ? ", rest" : "", id);
    lite_schema_append_columns(schema, conn, sql, true, NULL);
    if (keeps_rest) {
        sqlite3_str_appendall(sql, ", ");
        lite_rest_append_pack(schema, conn, sql);
    }
    sqlite3_str_appendf(sql, " FROM \"%w\" WHERE \"%w\" = ?1", schema->table, id);
    return sqlite3_str_finish(sql);
}

int lite_prepare_removal(const struct lite_schema *schema, struct lite_conn *conn, const char *what,
                         struct outbox_error *error)
{
    const char *table = schema->table, *id = schema->physical[COLUMN_ID];
    char *delete_sql = sqlite3_mprintf("DELETE FROM \"%w\" WHERE \"%w\" BETWEEN ?1 AND ?2", table, id);
    char *remaining = sqlite3_mprintf("SELECT count(*) FROM \"%w\" WHERE \"%w\" BETWEEN ?1 AND ?2", table, id);
    if (!lite_prepare(conn, STATEMENT_DELETE, delete_sql, what, error))
        lite_prepare(conn, STATEMENT_REMAINING, remaining, what, error);
    sqlite3_free(delete_sql);
    sqlite3_free(remaining);
    return error->code;
}

int lite_prepare_writer(const struct lite_schema *schema, struct lite_conn *conn, struct outbox_error *error)
{
    const struct {
        enum lite_statement which;
        char *sql;
    } all[] = {
        {STATEMENT_BEGIN, sqlite3_mprintf("BEGIN IMMEDIATE")},
        {STATEMENT_COMMIT, sqlite3_mprintf("COMMIT")},
        {STATEMENT_SAVEPOINT, sqlite3_mprintf("SAVEPOINT outbox")},
        {STATEMENT_UNDO, sqlite3_mprintf("ROLLBACK TO outbox")},
        {STATEMENT_RELEASE, sqlite3_mprintf("RELEASE outbox")},
        {STATEMENT_EPOCH, sqlite3_mprintf("SELECT epoch FROM \"%w\" WHERE singleton = 1", schema->relay_name)},
        {STATEMENT_DEAD, dead_letter_sql(schema, conn)},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!error->code)
            lite_prepare(conn, all[i].which, all[i].sql, LITE_OPENING, error);
        sqlite3_free(all[i].sql);
    }
    return error->code ? error->code : lite_prepare_removal(schema, conn, LITE_OPENING, error);
}
