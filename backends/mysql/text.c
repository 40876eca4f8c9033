/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/text.c - values and names in statements */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "store.h"

void mys_put_int(struct obx_sql_text *sql, int64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%lld", (long long)value);
    obx_sql_text_add(sql, digits, (size_t)size);
}

void mys_put_hex(struct obx_sql_text *sql, struct outbox_bytes value)
{
    char chunk[1024];
    if (!value.data) {
        obx_sql_text_puts(sql, "NULL");
        return;
    }
    obx_sql_text_puts(sql, "x'");
    for (size_t i = 0, part; i < value.size; i += part) {
        part = value.size - i < sizeof chunk / 2 ? value.size - i : sizeof chunk / 2;
        obx_sql_text_add(sql, chunk, (size_t)(mys_hex(chunk, (const char *)value.data + i, part) - chunk));
    }
    obx_sql_text_puts(sql, "'");
}

void mys_put_string(struct obx_sql_text *sql, struct outbox_bytes value)
{
    if (value.data && mys_is_utf8(value))
        obx_sql_text_puts(sql, "_utf8mb4 ");
    mys_put_hex(sql, value);
}

static void put(const struct mys_store *store, struct obx_sql_text *sql, const char *schema, const char *name)
{
    const char *here = *schema ? schema : *store->schema ? store->schema : store->database;
    obx_sql_text_table(sql, here, name);
}

void mys_table_put(const struct mys_store *store, struct obx_sql_text *sql)
{
    put(store, sql, store->schema, store->name);
}

void mys_dead_put(const struct mys_store *store, struct obx_sql_text *sql)
{
    put(store, sql, store->dead_schema, store->dead_table);
}

void mys_relay_put(const struct mys_store *store, struct obx_sql_text *sql)
{
    put(store, sql, store->relay_schema, store->relay_table);
}

int64_t mys_number(MYSQL_RES *result, unsigned column, int64_t default_value)
{
    if (!result || column >= mysql_num_fields(result))
        return default_value;
    mysql_data_seek(result, 0);
    MYSQL_ROW row = mysql_fetch_row(result);
    return row && row[column] ? strtoll(row[column], NULL, 10) : default_value;
}

bool mys_ids_read(struct mys_store *store, MYSQL_RES *result, uint32_t *count)
{
    MYSQL_ROW row;
    *count = 0;
    if (!obx_sql_grow(store->host, (void **)&store->ids, &store->id_room, (uint32_t)mysql_num_rows(result) + 1,
                      sizeof *store->ids))
        return false;
    while ((row = mysql_fetch_row(result)))
        store->ids[(*count)++] = strtoll(row[0], NULL, 10);
    return true;
}

void mys_copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}
