/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/text.c - values and names in statements */
#include <string.h>

#include "hex.h"
#include "store.h"

bool mys_put_text(struct sql_request *request, struct obx_sql_text *text)
{
    obx_sql_text_puts(request->sql, obx_sql_text_get(text));
    bool fine = !text->failed;
    obx_sql_text_free(text);
    return fine;
}

bool mys_put(struct sql_request *request, const char *before, const struct sql_table_name *table, const char *after)
{
    obx_sql_text_puts(request->sql, before);
    sql_append_table(request->store, request->sql, table);
    obx_sql_text_puts(request->sql, after);
    return true;
}

void mys_append_hex(struct obx_sql_text *sql, struct outbox_bytes value)
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

void mys_append_string(struct obx_sql_text *sql, struct outbox_bytes value)
{
    if (value.data && mys_is_utf8(value))
        obx_sql_text_puts(sql, "_utf8mb4 ");
    mys_append_hex(sql, value);
}

void mys_append_relay(const struct sql_store *store, struct obx_sql_text *sql)
{
    sql_append_table(store, sql, &mys_store_in(store)->relay_table);
}

void mys_copy(char *to, size_t size, const char *from)
{
    size_t length = from ? (size_t)outbox_cut(from, size - 1) : 0;
    memmove(to, from ? from : "", length); /* both may be the same memory */
    to[length] = '\0';
}
