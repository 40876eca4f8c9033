/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/table_map.h - the table that the rows after it belong to, and its columns at that time
 *
 * A TABLE_MAP comes in each statement. With binlog_row_metadata FULL it has the names of the columns; else their types
 * only, and the caller must know the names. The same bytes as the last time are not parsed again.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_TABLE_MAP_H
#define OBX_BACKENDS_MYSQL_BINLOG_TABLE_MAP_H

#include "event.h"
#include "sql/memory.h"

enum mys_log_type { /* as in the log */
                    MYS_LT_DECIMAL = 0,
                    MYS_LT_TINY = 1,
                    MYS_LT_SHORT = 2,
                    MYS_LT_LONG = 3,
                    MYS_LT_FLOAT = 4,
                    MYS_LT_DOUBLE = 5,
                    MYS_LT_NULL = 6,
                    MYS_LT_TIMESTAMP = 7,
                    MYS_LT_LONGLONG = 8,
                    MYS_LT_INT24 = 9,
                    MYS_LT_DATE = 10,
                    MYS_LT_TIME = 11,
                    MYS_LT_DATETIME = 12,
                    MYS_LT_YEAR = 13,
                    MYS_LT_VARCHAR = 15,
                    MYS_LT_BIT = 16,
                    MYS_LT_TIMESTAMP2 = 17,
                    MYS_LT_DATETIME2 = 18,
                    MYS_LT_TIME2 = 19,
                    MYS_LT_BLOB_COMPRESSED = 140, /* MariaDB */
                    MYS_LT_VARCHAR_COMPRESSED = 141,
                    MYS_LT_VECTOR = 242,
                    MYS_LT_JSON = 245,
                    MYS_LT_NEWDECIMAL = 246,
                    MYS_LT_ENUM = 247,
                    MYS_LT_SET = 248,
                    MYS_LT_BLOB = 252,
                    MYS_LT_VAR_STRING = 253,
                    MYS_LT_STRING = 254,
                    MYS_LT_GEOMETRY = 255
};

enum { MYS_NOT_WANTED = 0xffff };

struct mys_log_column {
    uint8_t type; /* ENUM and SET in place of STRING where it is one */
    bool is_unsigned;
    uint16_t meta;             /* of the type; for a STRING its length in bytes */
    uint16_t wanted;           /* index of the value in a row of the reader; MYS_NOT_WANTED */
    const unsigned char *name; /* in `copy`; NULL: not in the log */
    uint8_t name_size;
    const unsigned char *labels; /* of ENUM and SET, each with its size before it; NULL: not in the log */
    uint32_t labels_size;
};

struct mys_table_map {
    const struct outbox_host *host;
    uint64_t id;                    /* in the log's rows */
    struct mys_log_column *columns; /* owned */
    uint32_t count, room;
    bool has_names, has_signs;
    unsigned char *copy; /* owned: the body without the number */
    uint32_t copy_size, copy_room;
};

enum mys_map_result { MYS_MAP_OTHER, MYS_MAP_SAME, MYS_MAP_NEW, MYS_MAP_BAD };

/* The name of the table that rows are read of. Borrowed. */
struct mys_log_name {
    const char *schema, *table;
    bool fold_case; /* the server ignores the case of table names */
};

void mys_table_map_init(struct mys_table_map *map, const struct outbox_host *host);
void mys_table_map_free(struct mys_table_map *map);
/* NEW: the columns differ from those before; `wanted` of each is not set. BAD: `error` is set: E_SCHEMA, NO_MEMORY. */
enum mys_map_result mys_table_map_read(struct mys_table_map *map, struct mys_cursor body,
                                       const struct mys_log_name *name, struct outbox_error *error);
/* The column's label with this number, from 1; false: there is none. */
bool mys_column_label(const struct mys_log_column *column, uint64_t number, struct outbox_bytes *label);

#endif
