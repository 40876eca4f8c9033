/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/dead_letter.c - moving rows to the dead-letter table
 *
 * One transaction, behind the fence. A row that is gone already is not inserted. Columns that the relay has no name for
 * are kept as one JSON object, for the replay; bytes in it are in base64.
 */
#include "sql/dead.h"
#include "store.h"

static void put_rest(const struct mys_store *store, struct obx_sql_text *sql)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->table.column_count; i++) {
        const struct mys_column *column = &store->table.columns[i];
        if (obx_sql_logical(&store->column_names, column->name) || column->generated)
            continue;
        obx_sql_text_format(sql, mys_column_is_binary(column) ? "%s%l, TO_BASE64(%n)" : "%s%l, %n",
                            count++ ? ", " : ", JSON_OBJECT(", column->name, column->name);
    }
    obx_sql_text_puts(sql, count ? ")" : ", NULL");
}

static void put_copy(const struct mys_store *store, struct obx_sql_text *sql, const struct outbox_dead_row *row)
{
    obx_sql_text_puts(sql, "INSERT INTO ");
    mys_dead_put(store, sql);
    obx_sql_text_puts(sql, " (outbox_id, topic, `key`, reason, attempts");
    for (int i = 0; i < OBX_SQL_COLUMNS; i++)
        if (mys_column_of(store, obx_sql_columns[i]))
            obx_sql_text_format(sql, ", %n", obx_sql_columns[i]);
    obx_sql_text_format(sql, ", rest) SELECT %n, ", store->table.id);
    mys_put_string(sql, obx_sql_dead_topic(row));
    obx_sql_text_puts(sql, ", ");
    mys_put_hex(sql, row->key);
    obx_sql_text_puts(sql, ", ");
    mys_put_string(sql, obx_sql_dead_reason(row));
    obx_sql_text_puts(sql, ", ");
    mys_put_int(sql, row->attempts);
    for (int i = 0; i < OBX_SQL_COLUMNS; i++)
        if (mys_column_of(store, obx_sql_columns[i]))
            obx_sql_text_format(sql, ", %n", mys_column_of(store, obx_sql_columns[i])->name);
    put_rest(store, sql);
}

static void put_from(const struct mys_store *store, struct obx_sql_text *sql, const struct outbox_dead_row *row)
{
    obx_sql_text_puts(sql, " FROM ");
    mys_table_put(store, sql);
    obx_sql_text_format(sql, " WHERE %n = ", store->table.id);
    mys_put_int(sql, (int64_t)row->position.major);
    obx_sql_text_puts(sql, "; ");
}

static void parked(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    struct mys_store *store = op->store;
    struct outbox_error wrong = *error;
    if (wrong.code && mys_fenced(store, &wrong))
        store->owns = false;
    if (!wrong.code)
        obx_sql_outstanding_remove_parked(&store->given, op->in);
    obx_sql_outstanding_removed(&store->given);
    mys_op_finish(op, &wrong);
}

void mys_park(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *park)
{
    struct mys_op *op = mys_op(self, id);
    struct mys_store *store = op->store;
    struct outbox_error error;
    op->in = park;
    if (!store->owns) {
        mys_fail(&error, OUTBOX_E_FENCED, "park rows of %s: this relay does not own the outbox", store->table_name);
        mys_op_finish(op, &error);
        return;
    }
    mys_fence_put(store, &op->sql);
    for (uint32_t i = 0; i < park->count; i++) {
        put_copy(store, &op->sql, &park->rows[i]);
        put_from(store, &op->sql, &park->rows[i]);
        obx_sql_text_puts(&op->sql, "DELETE");
        put_from(store, &op->sql, &park->rows[i]);
    }
    obx_sql_text_puts(&op->sql, "COMMIT");
    op->request.transaction = true;
    obx_sql_outstanding_removing(&store->given);
    mys_op_submit(op, &store->owner, "park rows", NULL, parked);
    OUTBOX_FAILPOINT(store->host, mysql, dead_letter_sent);
}
