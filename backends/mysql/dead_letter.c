/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/dead_letter.c - moving rows to the dead-letter table
 *
 * One transaction, after the fence. A row that is gone already is not inserted. Columns that the relay has no name for
 * are kept as one JSON object, for the replay; bytes in it are in base64.
 */
#include "sql/dead.h"
#include "store.h"

static void append_rest(const struct sql_store *store, struct obx_sql_text *sql)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->table.column_count; i++) {
        const struct sql_column *column = &store->table.columns[i];
        if (obx_sql_logical(&store->column_names, column->name) || column->generated)
            continue;
        obx_sql_text_format(sql, mys_column_is_binary(column) ? "%s%l, TO_BASE64(%n)" : "%s%l, %n",
                            count++ ? ", " : ", JSON_OBJECT(", column->name, column->name);
    }
    obx_sql_text_puts(sql, count ? ")" : ", NULL");
}

static void append_copy(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead_row *row)
{
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, " (outbox_id, topic, `key`, reason, attempts");
    sql_append_columns(store, sql, false, "");
    obx_sql_text_format(sql, ", rest) SELECT %n, ", store->table.id);
    mys_append_string(sql, obx_sql_dead_topic(row));
    obx_sql_text_puts(sql, ", ");
    mys_append_hex(sql, row->key);
    obx_sql_text_puts(sql, ", ");
    mys_append_string(sql, obx_sql_dead_reason(row));
    obx_sql_text_puts(sql, ", ");
    mys_append_int(sql, row->attempts);
    sql_append_columns(store, sql, true, "");
    append_rest(store, sql);
}

static void append_from(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead_row *row)
{
    obx_sql_text_puts(sql, " FROM ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " WHERE %n = ", store->table.id);
    mys_append_int(sql, (int64_t)row->position.major);
    obx_sql_text_puts(sql, "; ");
}

bool mys_put_dead_letters(struct sql_request *request)
{
    const struct outbox_dead_letter_rows *rows = sql_op_of(request)->in;
    mys_append_fence(request->store, request->sql);
    for (uint32_t i = 0; i < rows->count; i++) {
        append_copy(request->store, request->sql, &rows->rows[i]);
        append_from(request->store, request->sql, &rows->rows[i]);
        obx_sql_text_puts(request->sql, "DELETE");
        append_from(request->store, request->sql, &rows->rows[i]);
    }
    obx_sql_text_puts(request->sql, "COMMIT");
    return true;
}
