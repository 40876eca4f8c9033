/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/dead_letter.c - moving rows to the dead-letter table
 *
 * One transaction, after the fence. A row that no longer exists is not inserted. A copied row is locked, so that no
 * other session deletes it first. Columns that the relay has no name for
 * are kept as one JSON object, for the replay: see enum mys_kept.
 */
#include "sql/dead.h"
#include "sql/server/dead_letter.h"
#include "store.h"

/* TO_BASE64() gives null for what is larger than a packet: then the statement must fail, which the sum makes it do. A
 * value of JSON is put into an array, where its null differs from that of SQL. */
void mys_append_json_value(struct obx_sql_text *sql, const struct sql_column *column)
{
    static const char *const formats[] = {
        [MYS_KEPT_BYTES] = "IFNULL(TO_BASE64(%n), ~0 + LENGTH(%n))",
        [MYS_KEPT_PRINTED] = "CONCAT(%n)",
        [MYS_KEPT_REAL] = "%n * 1e0",
        [MYS_KEPT_BITS] = "CONCAT(%n + 0)",
        [MYS_KEPT_JSON] = "IF(%n IS NULL, NULL, JSON_ARRAY(%n))",
    };
    obx_sql_text_format(sql, formats[mys_kept_as(column)], column->name, column->name);
}

void mys_append_dead_copy(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead_row *row)
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
    obx_sql_text_int(sql, row->attempts);
    sql_append_columns(store, sql, true, "");
    sql_append_rest(store, sql);
}

static void append_from(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_dead_row *row)
{
    obx_sql_text_puts(sql, " FROM ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " WHERE %n = ", store->table.id);
    obx_sql_text_int(sql, (int64_t)row->position.major);
}

/* It moves nothing, and fails if the dead-letter table is missing, or the right to insert. */
static void append_trial(const struct sql_store *store, struct obx_sql_text *sql)
{
    static const struct outbox_dead_row none = {.reason = ""};
    mys_append_dead_copy(store, sql, &none);
    append_from(store, sql, &none);
    obx_sql_text_puts(sql, " LIMIT 0; ");
}

bool mys_put_dead_letters(struct sql_request *request)
{
    struct sql_op *op = sql_op_of(request);
    const struct outbox_dead_letter_rows rows = sql_dead_letter_rows(op);
    bool skip = op->removal.mode == SQL_LOCKED_SKIP;
    mys_append_fence(op, request->sql, NULL);
    if (!rows.count)
        append_trial(request->store, request->sql);
    for (uint32_t i = 0; i < rows.count; i++) {
        int64_t id = (int64_t)rows.rows[i].position.major;
        mys_append_dead_copy(request->store, request->sql, &rows.rows[i]);
        append_from(request->store, request->sql, &rows.rows[i]);
        obx_sql_text_puts(request->sql, skip ? " FOR UPDATE SKIP LOCKED; " : " FOR UPDATE; ");
        mys_append_delete(op, request->sql, &(struct obx_sql_range){id, id});
    }
    obx_sql_text_puts(request->sql, "COMMIT");
    return true;
}
