/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/add.c - adding events: one INSERT, so one transaction, in the order given
 */
#include <string.h>

#include "sql/event.h"
#include "store.h"

/* A uuid as text, or as 16 bytes where that is what the column holds. */
static void put_event_id(const struct mys_column *column, struct obx_sql_text *sql, struct outbox_bytes id)
{
    bool packed = !strcmp(column->type, "binary(16)");
    if (!id.data && column->has_default) {
        obx_sql_text_puts(sql, "DEFAULT");
        return;
    }
    obx_sql_text_puts(sql, packed ? "UNHEX(REPLACE(" : "");
    if (id.data)
        mys_put_string(sql, id);
    else
        obx_sql_text_puts(sql, "UUID()");
    obx_sql_text_puts(sql, packed ? ", '-', ''))" : "");
}

static void put_values(const struct mys_store *store, struct obx_sql_text *sql, const struct outbox_event *event)
{
    const char *comma = "(";
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        const struct mys_column *column = mys_column_of(store, obx_sql_columns[i]);
        if (!column)
            continue;
        obx_sql_text_puts(sql, comma);
        comma = ", ";
        if (i == 0)
            put_event_id(column, sql, obx_sql_field(event, i));
        else if (mys_column_is_binary(column))
            mys_put_hex(sql, obx_sql_field(event, i));
        else
            mys_put_string(sql, obx_sql_field(event, i));
    }
    obx_sql_text_puts(sql, ")");
}

static void put_insert(const struct mys_store *store, struct obx_sql_text *sql, const struct outbox_add *add)
{
    const char *comma = " (";
    obx_sql_text_puts(sql, "INSERT INTO ");
    mys_table_put(store, sql);
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        if (!mys_column_of(store, obx_sql_columns[i]))
            continue;
        obx_sql_text_format(sql, "%s%n", comma, mys_column_of(store, obx_sql_columns[i])->name);
        comma = ", ";
    }
    obx_sql_text_puts(sql, ") VALUES ");
    for (uint32_t e = 0; e < add->count; e++) {
        obx_sql_text_puts(sql, e ? ", " : "");
        put_values(store, sql, add->events[e]);
    }
}

static int judge(const struct mys_store *store, const struct outbox_add *add, struct outbox_error *error)
{
    if (!store->table.exists)
        return mys_fail(error, OUTBOX_E_NOT_FOUND, "add events: there is no table %s; run 'outbox init'",
                        store->table_name);
    for (int i = 0; i < OBX_SQL_FIELDS; i++)
        if (obx_sql_field_required(i) && !mys_column_of(store, obx_sql_columns[i]))
            return mys_fail(error, OUTBOX_E_SCHEMA, "add events: table %s.%s has no column for %s; see 'outbox check'",
                            store->table.schema, store->name, obx_sql_columns[i]);
    return obx_sql_add_judge(add, error);
}

void mys_add(void *self, outbox_op_t id, const struct outbox_add *add)
{
    struct mys_op *op = mys_op(self, id);
    struct mys_store *store = op->store;
    struct outbox_error error = {.code = OUTBOX_OK};
    if (judge(store, add, &error) || !add->count) {
        mys_op_finish(op, &error);
        return;
    }
    put_insert(store, &op->sql, add);
    if (op->sql.size + 1024ull > store->server.max_packet) {
        mys_fail(&error, OUTBOX_E_INVALID,
                 "add events: they make a statement of %u bytes, and the server takes %llu; raise its "
                 "max_allowed_packet, or add fewer at a time",
                 op->sql.size, (unsigned long long)store->server.max_packet);
        mys_op_finish(op, &error);
        return;
    }
    mys_op_submit(op, &store->owner, "add events", NULL, mys_done);
}
