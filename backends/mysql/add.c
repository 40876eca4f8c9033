/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/add.c - adding events: one INSERT, in the order given */
#include <string.h>

#include "sql/event.h"
#include "store.h"

/* A uuid as text, or as 16 bytes where that is what the column holds. */
static void append_event_id(const struct sql_column *column, struct obx_sql_text *sql, struct outbox_bytes id)
{
    bool packed = !strcmp(column->type, "binary(16)");
    if (!id.data && column->has_default) {
        obx_sql_text_puts(sql, "DEFAULT");
        return;
    }
    obx_sql_text_puts(sql, packed ? "UNHEX(REPLACE(" : "");
    if (id.data)
        mys_append_string(sql, id);
    else
        obx_sql_text_puts(sql, "UUID()");
    obx_sql_text_puts(sql, packed ? ", '-', ''))" : "");
}

static void append_values(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_event *event)
{
    const char *comma = "(";
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        const struct sql_column *column = sql_column_of(store, obx_sql_columns[i]);
        if (!column)
            continue;
        obx_sql_text_puts(sql, comma);
        comma = ", ";
        if (i == 0)
            append_event_id(column, sql, obx_sql_field(event, i));
        else if (mys_column_is_binary(column))
            mys_append_hex(sql, obx_sql_field(event, i));
        else
            mys_append_string(sql, obx_sql_field(event, i));
    }
    obx_sql_text_puts(sql, ")");
}

bool mys_put_add(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const struct outbox_add *add = sql_op_of(request)->in;
    struct obx_sql_text *sql = request->sql;
    sql_append_fields(store, sql);
    obx_sql_text_puts(sql, " VALUES ");
    for (uint32_t e = 0; e < add->count; e++) {
        obx_sql_text_puts(sql, e ? ", " : "");
        append_values(store, sql, add->events[e]);
    }
    return true;
}
