/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/dead.c - statements of the dead letters
 *
 * A replay locks the letters, notes their numbers, and moves exactly these: two requests, one transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/dead.h"
#include "store.h"

static void append_event_id(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct sql_column *id = sql_column_of(store, "event_id");
    if (id && !strcmp(id->type, "binary(16)"))
        obx_sql_text_puts(sql, "LOWER(CONCAT_WS('-', SUBSTR(HEX(event_id), 1, 8), SUBSTR(HEX(event_id), 9, 4), "
                               "SUBSTR(HEX(event_id), 13, 4), SUBSTR(HEX(event_id), 17, 4), "
                               "SUBSTR(HEX(event_id), 21))) AS event_id");
    else
        obx_sql_text_puts(sql, "event_id");
}

void mys_append_letter(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, ", ");
    append_event_id(store, sql);
    obx_sql_text_puts(sql, ", aggregatetype, aggregateid, type, payload, headers");
}

/* ---- replay ------------------------------------------------------------------------------------------------------ */

static void append_numbers(struct obx_sql_text *sql, MYSQL_RES *locked)
{
    struct mys_row row;
    const char *comma = " WHERE number IN (";
    mys_rewind_result(locked);
    while (mys_fetch(locked, &row)) {
        obx_sql_text_puts(sql, comma);
        obx_sql_text_int(sql, mys_integer_of(&row, 0, 0));
        comma = ", ";
    }
    obx_sql_text_puts(sql, ")");
}

/* Of a member of an object, with what follows it. */
struct path {
    char text[2 * SQL_NAME + 8];
};
static struct path path_of(const char *name, const char *after)
{
    struct path path = {"$.\""};
    size_t at = strlen(path.text);
    for (const char *c = name; *c && at + 8 < sizeof path.text; c++) {
        if (*c == '"' || *c == '\\')
            path.text[at++] = '\\';
        path.text[at++] = *c;
    }
    snprintf(path.text + at, sizeof path.text - at, "\"%s", after);
    return path;
}

/* The value of a column that was kept in `rest`; JSON's null is SQL's. Bytes are taken as the bytes of a text in the
 * character set of the column. */
void mys_append_kept_value(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_column *column)
{
    static const char *const formats[] = {
        [MYS_KEPT_BYTES] = "FROM_BASE64(JSON_UNQUOTE(JSON_EXTRACT(rest, %l)))",
        [MYS_KEPT_PRINTED] = "JSON_UNQUOTE(JSON_EXTRACT(rest, %l))",
        [MYS_KEPT_REAL] = "JSON_EXTRACT(rest, %l) * 1e0",
        [MYS_KEPT_BITS] = "CAST(JSON_UNQUOTE(JSON_EXTRACT(rest, %l)) AS UNSIGNED)",
        [MYS_KEPT_JSON] = "JSON_EXTRACT(rest, %l)",
    };
    enum mys_kept as = mys_kept_as(column);
    (void)store;
    obx_sql_text_format(sql, "IF(JSON_TYPE(JSON_EXTRACT(rest, %l)) = 'NULL', NULL, ", path_of(column->name, "").text);
    obx_sql_text_format(sql, formats[as], path_of(column->name, as == MYS_KEPT_JSON ? "[0]" : "").text);
    obx_sql_text_puts(sql, ")");
}

static bool put_move(struct sql_request *request)
{
    MYSQL_RES *locked = sql_op_of(request)->result;
    struct obx_sql_text *sql = request->sql;
    if (!mys_count(locked)) {
        obx_sql_text_puts(sql, "ROLLBACK");
        return true;
    }
    sql_append_replay(sql_op_of(request), sql);
    obx_sql_text_puts(sql, " FROM ");
    sql_append_dead(request->store, sql);
    append_numbers(sql, locked);
    obx_sql_text_puts(sql, " ORDER BY number; DELETE FROM ");
    sql_append_dead(request->store, sql);
    append_numbers(sql, locked);
    obx_sql_text_puts(sql, "; COMMIT");
    return true;
}

static void moved(struct sql_op *op)
{
    sql_dead_of(op)->affected = mys_count(op->result);
    sql_op_complete(op, NULL);
}

static void move(struct sql_op *op)
{
    op->then = moved;
    op->request.first = true;
    sql_op_submit(op, op->store->owner, obx_sql_dead_what(sql_dead_of(op)), put_move, NULL, sql_op_continue);
}

static bool put_lock(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "START TRANSACTION; SELECT number FROM ");
    sql_append_dead(request->store, request->sql);
    sql_append_which(request->arg, request->sql);
    obx_sql_text_puts(request->sql, " ORDER BY number FOR UPDATE");
    return true;
}

void mys_replay(struct sql_op *op)
{
    op->then = move;
    op->request.transaction = true;
    sql_op_submit(op, op->store->owner, obx_sql_dead_what(sql_dead_of(op)), put_lock, sql_op_store_result,
                  sql_op_continue);
}
