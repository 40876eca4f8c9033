/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/unreadable.c - see unreadable.h */
#include "unreadable.h"

#include <stdio.h>

bool lite_may_be_content(int code)
{
    switch (code & 0xff) {
    case SQLITE_ERROR:
    case SQLITE_CORRUPT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
        return true;
    default:
        return false;
    }
}

/* False: there is none, or it cannot be read either. */
static bool find_id(const struct lite_claim_op *claim, struct lite_conn *conn, int64_t low, int64_t high, int64_t *id)
{
    const struct lite_schema *schema = &claim->op.store->schema;
    const char *name = schema->physical[COLUMN_ID];
    struct outbox_error error = {0};
    sqlite3_stmt *statement =
        lite_prepare_once(conn,
                          sqlite3_mprintf("SELECT \"%w\" FROM \"%w\" WHERE \"%w\" BETWEEN %lld AND %lld "
                                          "ORDER BY \"%w\" LIMIT 1",
                                          name, schema->table, name, (long long)low, (long long)high, name),
                          LITE_CLAIMING, &error);
    bool found = statement && sqlite3_step(statement) == SQLITE_ROW;
    *id = found ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return found;
}

/* Why the value cannot be read. False: it can. */
static bool try_column(const struct lite_claim_op *claim, struct lite_conn *conn, const char *expression, int64_t id,
                       char *why, size_t size)
{
    const struct lite_schema *schema = &claim->op.store->schema;
    struct outbox_error error = {0};
    sqlite3_stmt *statement =
        lite_prepare_once(conn,
                          sqlite3_mprintf("SELECT %s FROM \"%w\" WHERE \"%w\" = %lld", expression, schema->table,
                                          schema->physical[COLUMN_ID], (long long)id),
                          LITE_CLAIMING, &error);
    int code = statement ? sqlite3_step(statement) : SQLITE_DONE;
    bool fails = lite_may_be_content(code);
    if (fails && !*why)
        snprintf(why, size, "column %.*s: %.*s", OUTBOX_CUT(expression, 60), OUTBOX_CUT(sqlite3_errmsg(conn->db), 150));
    sqlite3_finalize(statement);
    return fails;
}

/* The statement of the whole row, with NULL in place of what cannot be read. NULL: everything can, or no memory. */
static char *readable_part(const struct lite_claim_op *claim, struct lite_conn *conn, int64_t id, char *why,
                           size_t size)
{
    const struct lite_schema *schema = &claim->op.store->schema;
    const struct lite_rows *rows = &claim->op.store->rows;
    sqlite3_str *sql = sqlite3_str_new(conn->db);
    sqlite3_str_appendf(sql, "SELECT \"%w\"", schema->physical[COLUMN_ID]);
    for (uint32_t i = 0; i < rows->column_count; i++) {
        bool fails = try_column(claim, conn, rows->expressions[i], id, why, size);
        sqlite3_str_appendf(sql, ", %s", fails ? "NULL" : rows->expressions[i]);
    }
    sqlite3_str_appendf(sql, " FROM \"%w\" WHERE \"%w\" = %lld", schema->table, schema->physical[COLUMN_ID],
                        (long long)id);
    char *text = sqlite3_str_finish(sql);
    if (*why)
        return text;
    sqlite3_free(text);
    return NULL;
}

bool lite_claim_unreadable(struct lite_claim_op *claim, struct lite_conn *conn, int64_t low, int64_t high)
{
    int64_t id;
    char why[240] = "";
    struct outbox_error error = {0};
    if (!find_id(claim, conn, low, high, &id))
        return false;
    char *sql = readable_part(claim, conn, id, why, sizeof why);
    sqlite3_stmt *statement = sql ? lite_prepare_once(conn, sql, LITE_CLAIMING, &error) : NULL;
    bool added = statement && sqlite3_step(statement) == SQLITE_ROW &&
                 !lite_batch_add(&claim->op.store->rows, claim->batch, statement, claim->args->max_bytes);
    sqlite3_finalize(statement);
    if (!added)
        return false;
    lite_batch_set_unreadable(claim->batch, why);
    claim->more = true; /* so that it stays alone */
    return true;
}
