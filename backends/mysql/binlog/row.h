/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/row.h - the rows of a WRITE_ROWS event, one at a time
 *
 * Values point into the event, or into memory of the reader where they had to be converted: until the next row is read.
 * Once that memory has grown to the sizes that come, reading allocates nothing.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_ROW_H
#define OBX_BACKENDS_MYSQL_BINLOG_ROW_H

#include <outbox/plugin.h>

#include "sql/text.h"
#include "table_map.h"

enum mys_log_as { /* what the bytes of a column are; numbers and times are known by their type in the log */
                  MYS_LOG_AS_TEXT = 0,
                  MYS_LOG_AS_BYTES,
                  MYS_LOG_AS_UUID,         /* BINARY(16) */
                  MYS_LOG_AS_MARIADB_UUID, /* these three are columns of 16, 4 and 16 bytes, and come as text */
                  MYS_LOG_AS_INET4,
                  MYS_LOG_AS_INET6
};

/* What an OUTBOX_NULL was in the log, as the size of the value. */
enum { MYS_NULL, MYS_NULL_ABSENT };

struct mys_log_wanted {
    char name[65];
    enum mys_log_as as;
    uint32_t ordinal; /* of the table's columns, from 0: used where the log has no names */
    bool is_unsigned; /* used where the log has no signs */
    bool absent;      /* the table has no such column: null */
};

struct mys_row_reader {
    const struct outbox_host *host;
    const struct mys_log_wanted *wanted; /* borrowed */
    uint32_t count;
    struct outbox_value *values;  /* owned; of the row that was read last */
    struct obx_sql_text *scratch; /* owned; one for each value */
};

int mys_row_reader_init(struct mys_row_reader *reader, const struct outbox_host *host,
                        const struct mys_log_wanted *wanted, uint32_t count, struct outbox_error *error);
void mys_row_reader_free(struct mys_row_reader *reader);

/* Sets `wanted` of each column of a new table map. table_columns: how many the table had when `wanted` was made; for
 * logs without names. Errors: E_SCHEMA. */
int mys_row_match(const struct mys_row_reader *reader, struct mys_table_map *map, uint32_t table_columns,
                  struct outbox_error *error);

struct mys_rows {
    struct mys_cursor body;        /* rows that were not read */
    const unsigned char *included; /* bits: the columns that the rows have */
    uint32_t columns, included_count;
};
/* The head of a WRITE_ROWS event up to its rows. v2: the newer form. Errors: E_SCHEMA. */
int mys_rows_open(struct mys_rows *rows, struct mys_cursor body, bool v2, uint64_t *table_id,
                  struct outbox_error *error);
static inline bool mys_rows_end(const struct mys_rows *rows)
{
    return rows->body.at == rows->body.end;
}
/* Errors: E_SCHEMA: damaged, or of a type that cannot be read; NO_MEMORY. */
int mys_row_read(struct mys_row_reader *reader, const struct mys_table_map *map, struct mys_rows *rows,
                 struct outbox_error *error);

/* value.c: one value, which is not null. part: its bytes, without a size. False: no memory, or damaged. */
bool mys_value_read(const struct mys_log_column *column, struct mys_cursor part, enum mys_log_as as,
                    struct obx_sql_text *scratch, struct outbox_value *value);
/* The bytes of the value that comes next; bad: damaged or unknown. */
struct mys_cursor mys_value_take(const struct mys_log_column *column, struct mys_cursor *body);
/* temporal.c, decimal.c, json.c */
void mys_temporal_read(const struct mys_log_column *column, struct mys_cursor part, struct obx_sql_text *scratch,
                       struct outbox_value *value);
unsigned mys_temporal_size(const struct mys_log_column *column);
/* Microseconds since 1970, in the form of a DATETIME(6). */
void mys_temporal_print(struct obx_sql_text *text, int64_t us);
/* A date and time in the form that JSON values have; kind: enum mys_log_type. */
void mys_temporal_print_packed(struct obx_sql_text *text, unsigned kind, int64_t packed);
unsigned mys_decimal_size(unsigned precision, unsigned scale);
bool mys_decimal_print(struct obx_sql_text *text, unsigned precision, unsigned scale, const unsigned char *bytes);
bool mys_json_print(struct obx_sql_text *text, struct mys_cursor value);

#endif
