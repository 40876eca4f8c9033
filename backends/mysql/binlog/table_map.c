/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/binlog/table_map.c - parsing TABLE_MAP events, with and without the names of columns */
#include "table_map.h"

#include <strings.h>

#define mys_fail outbox_error_set

enum { SIGNEDNESS = 1, COLUMN_NAME = 4, SET_LABELS = 5, ENUM_LABELS = 6 };

void mys_table_map_init(struct mys_table_map *map, const struct outbox_host *host)
{
    *map = (struct mys_table_map){.host = host, .id = UINT64_MAX};
}

void mys_table_map_free(struct mys_table_map *map)
{
    if (!map->host)
        return;
    map->host->release(map->host, map->columns);
    map->host->release(map->host, map->copy);
    mys_table_map_init(map, map->host);
}

/* ---- the columns ------------------------------------------------------------------------------------------------- */

/* A STRING has its real type in the first byte; two bits of its length are there, too, inverted. */
static void set_string(struct mys_log_column *column, unsigned first, unsigned second)
{
    if ((first & 0x30) != 0x30) {
        column->meta = (uint16_t)(second | ((first & 0x30) ^ 0x30) << 4);
        return;
    }
    column->meta = (uint16_t)second;
    if (first == MYS_LT_ENUM || first == MYS_LT_SET)
        column->type = (uint8_t)first;
}

static void read_meta(struct mys_log_column *column, struct mys_cursor *meta)
{
    unsigned first;
    switch (column->type) {
    case MYS_LT_FLOAT:
    case MYS_LT_DOUBLE:
    case MYS_LT_TIMESTAMP2:
    case MYS_LT_DATETIME2:
    case MYS_LT_TIME2:
    case MYS_LT_BLOB:
    case MYS_LT_BLOB_COMPRESSED:
    case MYS_LT_JSON:
    case MYS_LT_GEOMETRY:
    case MYS_LT_VECTOR:
        column->meta = (uint16_t)mys_take_int(meta, 1);
        break;
    case MYS_LT_VARCHAR:
    case MYS_LT_VARCHAR_COMPRESSED:
    case MYS_LT_VAR_STRING:
    case MYS_LT_BIT:
        column->meta = (uint16_t)mys_take_int(meta, 2);
        break;
    case MYS_LT_NEWDECIMAL: /* precision, scale */
        first = (unsigned)mys_take_int(meta, 1);
        column->meta = (uint16_t)(first << 8 | mys_take_int(meta, 1));
        break;
    case MYS_LT_STRING:
    case MYS_LT_ENUM:
    case MYS_LT_SET:
        first = (unsigned)mys_take_int(meta, 1);
        set_string(column, first, (unsigned)mys_take_int(meta, 1));
        break;
    default:
        break;
    }
}

static bool is_number(const struct mys_log_column *column)
{
    switch (column->type) {
    case MYS_LT_TINY:
    case MYS_LT_SHORT:
    case MYS_LT_INT24:
    case MYS_LT_LONG:
    case MYS_LT_LONGLONG:
    case MYS_LT_YEAR:
    case MYS_LT_NEWDECIMAL:
    case MYS_LT_FLOAT:
    case MYS_LT_DOUBLE:
        return true;
    default:
        return false;
    }
}

/* ---- what FULL adds ---------------------------------------------------------------------------------------------- */

static void read_signs(struct mys_table_map *map, struct mys_cursor part)
{
    unsigned bit = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        if (!is_number(&map->columns[i]))
            continue;
        if (bit / 8 >= mys_left(&part))
            return;
        map->columns[i].is_unsigned = part.at[bit / 8] >> (7 - bit % 8) & 1;
        bit++;
    }
    map->has_signs = true;
}

static void read_names(struct mys_table_map *map, struct mys_cursor part)
{
    for (uint32_t i = 0; i < map->count; i++) {
        uint64_t size = mys_take_packed(&part);
        struct mys_cursor name = mys_take_part(&part, size);
        if (name.bad || size > UINT8_MAX)
            return;
        map->columns[i].name = name.at;
        map->columns[i].name_size = (uint8_t)size;
    }
    map->has_names = true;
}

/* For each column of that type: how many labels, then each with its size before it. */
static void read_labels(struct mys_table_map *map, struct mys_cursor part, uint8_t type)
{
    for (uint32_t i = 0; i < map->count; i++) {
        if (map->columns[i].type != type)
            continue;
        uint64_t count = mys_take_packed(&part);
        const unsigned char *begin = part.at;
        while (count-- && !part.bad)
            mys_take(&part, (size_t)mys_take_packed(&part));
        if (part.bad)
            return;
        map->columns[i].labels = begin;
        map->columns[i].labels_size = (uint32_t)(part.at - begin);
    }
}

static void read_optional(struct mys_table_map *map, struct mys_cursor *body)
{
    while (mys_left(body) && !body->bad) {
        uint64_t kind = mys_take_int(body, 1), size = mys_take_packed(body);
        struct mys_cursor part = mys_take_part(body, size);
        if (part.bad)
            return;
        if (kind == SIGNEDNESS)
            read_signs(map, part);
        else if (kind == COLUMN_NAME)
            read_names(map, part);
        else if (kind == SET_LABELS || kind == ENUM_LABELS)
            read_labels(map, part, kind == SET_LABELS ? MYS_LT_SET : MYS_LT_ENUM);
    }
}

bool mys_column_label(const struct mys_log_column *column, uint64_t number, struct outbox_bytes *label)
{
    struct mys_cursor labels = {.at = column->labels, .end = column->labels + column->labels_size};
    for (uint64_t i = 1; column->labels && mys_left(&labels); i++) {
        uint64_t size = mys_take_packed(&labels);
        struct mys_cursor part = mys_take_part(&labels, size);
        if (part.bad)
            return false;
        if (i == number) {
            *label = (struct outbox_bytes){part.at, size};
            return true;
        }
    }
    return false;
}

/* ---- the event --------------------------------------------------------------------------------------------------- */

static bool is_same(struct mys_cursor got, const char *wanted, bool fold_case)
{
    size_t size = strlen(wanted);
    if (mys_left(&got) != size)
        return false;
    return fold_case ? !strncasecmp((const char *)got.at, wanted, size) : !memcmp(got.at, wanted, size);
}

/* A name with its size before it and a zero after it. */
static struct mys_cursor take_name(struct mys_cursor *body)
{
    struct mys_cursor name = mys_take_part(body, mys_take_int(body, 1));
    mys_take(body, 1);
    return name;
}

static int keep(struct mys_table_map *map, struct mys_cursor body, struct outbox_error *error)
{
    uint32_t size = (uint32_t)mys_left(&body);
    map->copy_size = 0;
    if (!obx_sql_grow(map->host, (void **)&map->copy, &map->copy_room, size + 1, 1))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory for the columns of a table");
    memcpy(map->copy, body.at, size);
    map->copy_size = size;
    return OUTBOX_OK;
}

static int read_columns(struct mys_table_map *map, struct mys_cursor body, struct outbox_error *error)
{
    uint64_t count = mys_take_packed(&body);
    struct mys_cursor types = mys_take_part(&body, count);
    struct mys_cursor meta = mys_take_part(&body, mys_take_packed(&body));
    mys_take(&body, (size_t)(count + 7) / 8); /* which may be null */
    if (body.bad || types.bad || count >= MYS_NOT_WANTED)
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "read the binlog: the columns of a table cannot be read; the log is "
                        "damaged, or of a newer server");
    if (!obx_sql_grow(map->host, (void **)&map->columns, &map->room, (uint32_t)count + 1, sizeof *map->columns))
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: no memory for the columns of a table");
    map->count = (uint32_t)count;
    map->has_names = map->has_signs = false;
    for (uint32_t i = 0; i < map->count; i++) {
        map->columns[i] = (struct mys_log_column){.type = types.at[i], .wanted = MYS_NOT_WANTED};
        read_meta(&map->columns[i], &meta);
    }
    read_optional(map, &body);
    return OUTBOX_OK;
}

enum mys_map_result mys_table_map_read(struct mys_table_map *map, struct mys_cursor body,
                                       const struct mys_log_name *name, struct outbox_error *error)
{
    enum { ID = 6, FLAGS = 2 };
    uint64_t id = mys_take_int(&body, ID);
    mys_take(&body, FLAGS);
    struct mys_cursor whole = body, schema = take_name(&body), table = take_name(&body);
    if (body.bad) {
        mys_fail(error, OUTBOX_E_SCHEMA, "read the binlog: the name of a table cannot be read; the log is damaged");
        return MYS_MAP_BAD;
    }
    if (!is_same(table, name->table, name->fold_case) || !is_same(schema, name->schema, name->fold_case))
        return MYS_MAP_OTHER;
    map->id = id;
    if (map->copy_size && map->copy_size == mys_left(&whole) && !memcmp(map->copy, whole.at, map->copy_size))
        return MYS_MAP_SAME;
    if (keep(map, whole, error))
        return MYS_MAP_BAD;
    struct mys_cursor kept = {.at = map->copy + (body.at - whole.at), .end = map->copy + map->copy_size};
    if (read_columns(map, kept, error)) {
        map->copy_size = 0;
        return MYS_MAP_BAD;
    }
    return MYS_MAP_NEW;
}
