/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/dead.c - statements of the dead letters
 *
 * A replay locks the letters, notes their numbers, and moves exactly these: two requests, one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "sql/dead.h"
#include "store.h"

static void append_which(struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    if (!dead->count) {
        obx_sql_text_puts(sql, "1 = 1");
        return;
    }
    obx_sql_text_puts(sql, "number IN (");
    for (uint32_t i = 0; i < dead->count; i++) {
        obx_sql_text_puts(sql, i ? ", " : "");
        mys_append_int(sql, (int64_t)dead->numbers[i]);
    }
    obx_sql_text_puts(sql, ")");
}

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

static void append_letters(const struct sql_op *op, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT number, topic, `key`, reason, attempts, "
                           "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', died_at), ");
    append_event_id(op->store, sql);
    obx_sql_text_puts(sql, ", aggregatetype, aggregateid, type, payload, headers FROM ");
    sql_append_dead(op->store, sql);
    obx_sql_text_puts(sql, " WHERE number > ");
    mys_append_int(sql, (int64_t)op->cursor);
    obx_sql_text_puts(sql, " AND ");
    append_which(sql, sql_dead_of(op));
    obx_sql_text_format(sql, " ORDER BY number LIMIT %d", OBX_SQL_LETTERS_PAGE);
}

static void append_keys(const struct sql_op *op, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT MIN(number), topic, `key` FROM ");
    sql_append_dead(op->store, sql);
    obx_sql_text_puts(sql, " GROUP BY topic, `key` HAVING MIN(number) > ");
    mys_append_int(sql, (int64_t)op->cursor);
    obx_sql_text_format(sql, " ORDER BY 1 LIMIT %d", OBX_SQL_KEYS_PAGE);
}

bool mys_put_letters(struct sql_request *request)
{
    const struct sql_op *op = request->arg;
    if (sql_dead_of(op)->action == OUTBOX_DEAD_KEYS)
        append_keys(op, request->sql);
    else
        append_letters(op, request->sql);
    return true;
}

bool mys_put_drop(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "DELETE FROM ");
    sql_append_dead(request->store, request->sql);
    obx_sql_text_puts(request->sql, " WHERE ");
    append_which(request->sql, sql_dead_of(request->arg));
    return true;
}

/* ---- replay ------------------------------------------------------------------------------------------------------ */

static void append_numbers(struct obx_sql_text *sql, MYSQL_RES *locked)
{
    MYSQL_ROW row;
    const char *comma = " WHERE number IN (";
    mysql_data_seek(locked, 0);
    while ((row = mysql_fetch_row(locked))) {
        obx_sql_text_puts(sql, comma);
        mys_append_int(sql, strtoll(row[0], NULL, 10));
        comma = ", ";
    }
    obx_sql_text_puts(sql, ")");
}

/* The value of a column that was kept in `rest`; JSON's null is SQL's. */
static void append_kept(struct obx_sql_text *sql, const struct sql_column *column)
{
    char path[2 * SQL_NAME + 8] = "$.\"";
    size_t at = strlen(path);
    for (const char *c = column->name; *c && at + 4 < sizeof path; c++) {
        if (*c == '"' || *c == '\\')
            path[at++] = '\\';
        path[at++] = *c;
    }
    memcpy(path + at, "\"", 2);
    obx_sql_text_format(
        sql, "IF(JSON_TYPE(JSON_EXTRACT(rest, %l)) = 'NULL', NULL, %sJSON_UNQUOTE(JSON_EXTRACT(rest, %l)%s))", path,
        mys_column_is_binary(column) ? "FROM_BASE64(" : "", path, mys_column_is_binary(column) ? ")" : "");
}

static void append_insert(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct sql_table *table = &store->table;
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_append_outbox(store, sql);
    for (int pass = 0; pass < 2; pass++) {
        const char *comma = pass ? ") SELECT " : " (";
        for (uint32_t i = 0; i < table->column_count; i++) {
            const struct sql_column *column = &table->columns[i];
            const char *logical = obx_sql_logical(&store->column_names, column->name);
            if (!strcmp(column->name, table->id) || column->generated)
                continue;
            obx_sql_text_puts(sql, comma);
            comma = ", ";
            if (pass && !logical)
                append_kept(sql, column);
            else
                obx_sql_text_name(sql, pass ? logical : column->name);
        }
    }
}

static bool put_move(struct sql_request *request)
{
    MYSQL_RES *locked = sql_op_of(request)->result;
    struct obx_sql_text *sql = request->sql;
    if (!mysql_num_rows(locked)) {
        obx_sql_text_puts(sql, "ROLLBACK");
        return true;
    }
    append_insert(request->store, sql);
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
    sql_dead_of(op)->affected = mysql_num_rows(op->result);
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
    obx_sql_text_puts(request->sql, " WHERE ");
    append_which(request->sql, sql_dead_of(request->arg));
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
