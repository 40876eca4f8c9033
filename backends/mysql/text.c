/*
 * backends/mysql/text.c - values and names in statements
 *
 * Whatever comes from an event goes into a statement as hexadecimal digits: no character set, mode of the server or
 * quote in it can make anything else of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

void mys_put_int(struct obx_sql_text *sql, int64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%lld", (long long)value);
    obx_sql_text_add(sql, digits, (size_t)size);
}

void mys_put_hex(struct obx_sql_text *sql, struct outbox_bytes value)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = value.data;
    char chunk[1024];
    size_t used = 0;
    if (!value.data) {
        obx_sql_text_puts(sql, "NULL");
        return;
    }
    obx_sql_text_puts(sql, "x'");
    for (size_t i = 0; i < value.size; i++) {
        chunk[used++] = digits[at[i] >> 4];
        chunk[used++] = digits[at[i] & 15];
        if (used == sizeof chunk || i + 1 == value.size) {
            obx_sql_text_add(sql, chunk, used);
            used = 0;
        }
    }
    obx_sql_text_puts(sql, "'");
}

/* How many bytes the character at `at` has; 0: it is none. Neither overlong forms nor surrogates. */
static size_t character(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (size <= 1 || size > left)
        return size > left ? 0 : size;
    uint32_t code = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 63);
    }
    return code < least[size] || code > 0x10ffff || code >> 11 == 27 ? 0 : size;
}

static bool is_utf8(struct outbox_bytes value)
{
    const unsigned char *at = value.data;
    for (size_t i = 0, size; i < value.size; i += size) {
        size = character(at + i, value.size - i);
        if (!size)
            return false;
    }
    return true;
}

void mys_put_string(struct obx_sql_text *sql, struct outbox_bytes value)
{
    if (value.data && is_utf8(value))
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

int64_t mys_number(MYSQL_RES *result, unsigned column, int64_t fallback)
{
    if (!result || column >= mysql_num_fields(result))
        return fallback;
    mysql_data_seek(result, 0);
    MYSQL_ROW row = mysql_fetch_row(result);
    return row && row[column] ? strtoll(row[column], NULL, 10) : fallback;
}

void mys_copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}
