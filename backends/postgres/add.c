/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/add.c - adding events: one statement over arrays, in the order given */
#include <string.h>

#include "sql/event.h"
#include "store.h"

static const struct sql_column *column_of(const struct sql_store *store, int index)
{
    return sql_column_of(store, obx_sql_columns[index]);
}

static bool is_bytea(const struct sql_store *store, int index)
{
    const struct sql_column *column = column_of(store, index);
    return column && !strcmp(column->base, PG_BASE_BYTEA);
}

static void append_insert(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *comma = " SELECT ";
    sql_append_fields(store, sql);
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        const struct sql_column *column = column_of(store, i);
        if (!column)
            continue;
        obx_sql_text_format(sql, i ? "%se.f%d::%s" : "%scoalesce(e.f%d::%s, gen_random_uuid()::%s)", comma, i,
                            column->type, column->type);
        comma = ", ";
    }
}

static void append_arrays(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, " FROM ROWS FROM (");
    for (int i = 0; i < OBX_SQL_FIELDS; i++)
        obx_sql_text_format(sql, i ? ", unnest($%d::%s)" : "unnest($%d::%s)", i + 1,
                            is_bytea(store, i) ? "bytea[]" : "text[]");
    obx_sql_text_puts(sql, ") WITH ORDINALITY e(f0, f1, f2, f3, f4, f5, n) ORDER BY e.n");
}

bool pg_put_add(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const struct outbox_add *add = sql_op_of(request)->in;
    struct obx_sql_text sql = {.host = store->host};
    struct pg_buf arrays[OBX_SQL_FIELDS] = {{0}};
    append_insert(store, &sql);
    append_arrays(store, &sql);
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        arrays[i].host = store->host;
        pg_array_begin(&arrays[i], is_bytea(store, i) ? PG_OID_BYTEA : PG_OID_TEXT, add->count);
        for (uint32_t e = 0; e < add->count; e++)
            pg_array_bytes(&arrays[i], obx_sql_field(add->events[e], i));
    }
    return pg_send_arrays(request, &sql, arrays, OBX_SQL_FIELDS);
}
