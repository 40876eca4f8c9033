/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/add.c - adding events: one statement over arrays, in the order given
 *
 * It fires the application's triggers, with the role's own search path: all names are qualified.
 */
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

/* Types that format_type() prints are looked up by the search path, but for those that are keywords. */
void pg_append_type(struct obx_sql_text *sql, const char *type)
{
    static const char *const keywords[] = {"bigint", "integer", "smallint", "boolean", "real"};
    bool plain = !type[strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789_")];
    for (unsigned i = 0; plain && i < sizeof keywords / sizeof *keywords; i++)
        plain = strcmp(type, keywords[i]) != 0;
    if (!strcmp(type, "character")) /* which as a keyword is one character long */
        type = "bpchar";
    obx_sql_text_format(sql, "%s%s", plain ? "pg_catalog." : "", type);
}

static void append_value(const struct sql_column *column, int index, struct obx_sql_text *sql)
{
    obx_sql_text_format(sql, index ? "e.f%d::" : "coalesce(e.f%d::", index);
    pg_append_type(sql, column->type);
    if (index)
        return;
    obx_sql_text_puts(sql, ", pg_catalog.gen_random_uuid()::");
    pg_append_type(sql, column->type);
    obx_sql_text_puts(sql, ")");
}

static void append_insert(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *comma = " SELECT ";
    sql_append_fields(store, sql);
    for (int i = 0; i < OBX_SQL_FIELDS; i++) {
        const struct sql_column *column = column_of(store, i);
        if (!column)
            continue;
        obx_sql_text_puts(sql, comma);
        append_value(column, i, sql);
        comma = ", ";
    }
}

static void append_arrays(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, " FROM ROWS FROM (");
    for (int i = 0; i < OBX_SQL_FIELDS; i++)
        obx_sql_text_format(sql, "%spg_catalog.unnest($%d::pg_catalog.%s)", i ? ", " : "", i + 1,
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
