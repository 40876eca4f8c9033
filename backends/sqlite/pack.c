/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/pack.c - see pack.h */
#include "pack.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ---- the blob ------------------------------------------------------------------------------------------------ */

struct item {
    int64_t name_size, size;
    unsigned char type; /* SQLITE_INTEGER, ... */
    const char *name;
    const void *bytes;
};
enum { ITEM_HEAD = 2 * sizeof(int64_t) + 1 };

/* The bytes of a value; number: 8 bytes for those of a number. */
static struct item item_of(sqlite3_value *name, sqlite3_value *value, void *number)
{
    struct item item = {.type = (unsigned char)sqlite3_value_type(value), .bytes = number, .size = sizeof(int64_t)};
    item.name = (const char *)sqlite3_value_text(name);
    item.name_size = sqlite3_value_bytes(name);
    if (item.type == SQLITE_INTEGER)
        memcpy(number, &(int64_t){sqlite3_value_int64(value)}, sizeof(int64_t));
    else if (item.type == SQLITE_FLOAT)
        memcpy(number, &(double){sqlite3_value_double(value)}, sizeof(double));
    else if (item.type == SQLITE_NULL)
        item.size = 0;
    else {
        item.bytes = item.type == SQLITE_TEXT ? sqlite3_value_text(value) : sqlite3_value_blob(value);
        item.size = sqlite3_value_bytes(value);
    }
    return item;
}

static void append_item(sqlite3_str *blob, const struct item *item)
{
    sqlite3_str_append(blob, (const char *)&item->name_size, sizeof item->name_size);
    sqlite3_str_append(blob, (const char *)&item->size, sizeof item->size);
    sqlite3_str_append(blob, (const char *)&item->type, 1);
    sqlite3_str_append(blob, item->name, (int)item->name_size);
    if (item->size)
        sqlite3_str_append(blob, item->bytes, (int)item->size);
}

/* The bytes after the item; NULL: it is cut off. */
static const char *read_item(const char *at, const char *end, struct item *item)
{
    if (end - at < ITEM_HEAD)
        return NULL;
    memcpy(&item->name_size, at, sizeof item->name_size);
    memcpy(&item->size, at + sizeof item->name_size, sizeof item->size);
    item->type = (unsigned char)at[ITEM_HEAD - 1];
    at += ITEM_HEAD;
    if (item->name_size < 0 || item->name_size > end - at || item->size < 0 || item->size > end - at - item->name_size)
        return NULL;
    item->name = at;
    item->bytes = at + item->name_size;
    return at + item->name_size + item->size;
}

/* ---- the functions ------------------------------------------------------------------------------------------- */

static void pack(sqlite3_context *context, int count, sqlite3_value **values)
{
    sqlite3_str *blob = sqlite3_str_new(sqlite3_context_db_handle(context));
    int64_t number;
    if (sqlite3_value_type(values[0]) == SQLITE_BLOB)
        sqlite3_str_append(blob, sqlite3_value_blob(values[0]), sqlite3_value_bytes(values[0]));
    for (int i = 1; i + 1 < count; i += 2) {
        struct item item = item_of(values[i], values[i + 1], &number);
        append_item(blob, &item);
    }
    int code = sqlite3_str_errcode(blob), size = sqlite3_str_length(blob);
    char *bytes = sqlite3_str_finish(blob);
    if (code == SQLITE_OK)
        sqlite3_result_blob(context, bytes, size, sqlite3_free);
    else
        sqlite3_free(bytes);
    if (code == SQLITE_TOOBIG)
        sqlite3_result_error_toobig(context);
    else if (code != SQLITE_OK)
        sqlite3_result_error_nomem(context);
}

static void give(sqlite3_context *context, const struct item *item)
{
    int64_t integer;
    double real;
    switch (item->type) {
    case SQLITE_INTEGER:
        memcpy(&integer, item->bytes, sizeof integer);
        sqlite3_result_int64(context, integer);
        break;
    case SQLITE_FLOAT:
        memcpy(&real, item->bytes, sizeof real);
        sqlite3_result_double(context, real);
        break;
    case SQLITE_TEXT:
        sqlite3_result_text64(context, item->bytes, (uint64_t)item->size, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case SQLITE_BLOB:
        sqlite3_result_blob64(context, item->bytes, (uint64_t)item->size, SQLITE_TRANSIENT);
        break;
    default:
        break; /* null */
    }
}

static bool is_whole(const struct item *item)
{
    bool number = item->type == SQLITE_INTEGER || item->type == SQLITE_FLOAT;
    return !number || item->size == sizeof(int64_t);
}

static void unpack(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *name = (const char *)sqlite3_value_text(values[1]);
    const char *at = sqlite3_value_blob(values[0]), *end = at ? at + sqlite3_value_bytes(values[0]) : NULL;
    int64_t name_size = sqlite3_value_bytes(values[1]);
    struct item item;
    (void)count;
    while (at && at < end && (at = read_item(at, end, &item)))
        if (item.name_size == name_size && !sqlite3_strnicmp(item.name, name, (int)name_size) && is_whole(&item)) {
            give(context, &item);
            return;
        }
    sqlite3_result_value(context, values[2]);
}

int lite_pack_register(sqlite3 *db)
{
    int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int code = sqlite3_create_function_v2(db, "outbox_pack", -1, flags, NULL, pack, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function_v2(db, "outbox_unpack", 3, flags, NULL, unpack, NULL, NULL, NULL);
    return code;
}
