/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/row.c - the rows of a WRITE_ROWS event
 *
 * A row: a bit for each included column that is null, then the values of the others in the order of the table. Columns
 * that nobody wants are passed over by their size.
 */
#include "row.h"

#define mys_fail outbox_error_set

/* ---- the reader -------------------------------------------------------------------------------------------------- */

int mys_row_reader_init(struct mys_row_reader *reader, const struct outbox_host *host,
                        const struct mys_log_wanted *wanted, uint32_t count, struct outbox_error *error)
{
    *reader = (struct mys_row_reader){.host = host, .wanted = wanted, .count = count};
    reader->values = host->alloc(host, (count + 1) * sizeof *reader->values);
    reader->scratch = host->alloc(host, (count + 1) * sizeof *reader->scratch);
    if (!reader->values || !reader->scratch)
        return mys_fail(error, OUTBOX_E_NO_MEMORY, "read the binlog: out of memory");
    for (uint32_t i = 0; i < count; i++)
        reader->scratch[i] = (struct obx_sql_text){.host = host, .dialect = OBX_SQL_MYSQL};
    return OUTBOX_OK;
}

void mys_row_reader_free(struct mys_row_reader *reader)
{
    if (!reader->host)
        return;
    for (uint32_t i = 0; reader->scratch && i < reader->count; i++)
        obx_sql_text_free(&reader->scratch[i]);
    reader->host->release(reader->host, reader->values);
    reader->host->release(reader->host, reader->scratch);
    *reader = (struct mys_row_reader){.host = reader->host};
}

/* ---- which column is which --------------------------------------------------------------------------------------- */

static struct mys_log_column *find(const struct mys_table_map *map, const struct mys_log_wanted *wanted)
{
    size_t size = strlen(wanted->name);
    if (!map->has_names)
        return wanted->ordinal < map->count ? &map->columns[wanted->ordinal] : NULL;
    for (uint32_t i = 0; i < map->count; i++)
        if (map->columns[i].name_size == size && !memcmp(map->columns[i].name, wanted->name, size))
            return &map->columns[i];
    return NULL;
}

static int validate_type(const struct mys_log_column *column, const struct mys_log_wanted *wanted,
                         struct outbox_error *error)
{
    bool labelled = column->type == MYS_LT_ENUM || column->type == MYS_LT_SET;
    if (column->type == MYS_LT_BLOB_COMPRESSED || column->type == MYS_LT_VARCHAR_COMPRESSED)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "read the binlog: column \"%s\" is COMPRESSED, which capture cannot read; run ALTER TABLE .. "
                        "MODIFY without that, or use log_bin_compress",
                        wanted->name);
    if (labelled && !column->labels)
        return mys_fail(error, OUTBOX_E_UNSUPPORTED,
                        "read the binlog: column \"%s\" is an ENUM or a SET, whose values have no names in the log; "
                        "run SET GLOBAL binlog_row_metadata = FULL, then connect the applications again",
                        wanted->name);
    return OUTBOX_OK;
}

int mys_row_match(const struct mys_row_reader *reader, struct mys_table_map *map, uint32_t table_columns,
                  struct outbox_error *error)
{
    if (!map->has_names && map->count != table_columns)
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "read the binlog: the table had %u columns when these events were written and has %u now, and "
                        "the log has no names of columns; set binlog_row_metadata to FULL before a table is altered",
                        map->count, table_columns);
    for (uint32_t i = 0; i < reader->count; i++) {
        struct mys_log_column *column = reader->wanted[i].absent ? NULL : find(map, &reader->wanted[i]);
        if (!column)
            continue;
        if (validate_type(column, &reader->wanted[i], error))
            return error->code;
        column->wanted = (uint16_t)i;
        if (!map->has_signs)
            column->is_unsigned = reader->wanted[i].is_unsigned;
    }
    return OUTBOX_OK;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static bool bit(const unsigned char *bits, uint32_t index)
{
    return bits[index / 8] >> (index % 8) & 1;
}

int mys_rows_open(struct mys_rows *rows, struct mys_cursor body, bool v2, uint64_t *table_id,
                  struct outbox_error *error)
{
    enum { ID = 6, FLAGS = 2, EXTRA = 2 };
    *table_id = mys_take_int(&body, ID);
    mys_take(&body, FLAGS);
    uint64_t extra = v2 ? mys_take_int(&body, EXTRA) : EXTRA; /* counts itself */
    mys_take(&body, extra < EXTRA ? SIZE_MAX : (size_t)(extra - EXTRA));
    uint64_t columns = mys_take_packed(&body);
    *rows = (struct mys_rows){.columns = (uint32_t)columns};
    rows->included = columns < MYS_NOT_WANTED ? mys_take(&body, (size_t)(columns + 7) / 8) : NULL;
    if (body.bad || !rows->included)
        return mys_fail(
            error, OUTBOX_E_SCHEMA,
            "read the binlog: the rows of a table cannot be read; the log is damaged, or of a newer server");
    for (uint32_t i = 0; i < rows->columns; i++)
        rows->included_count += bit(rows->included, i);
    rows->body = body;
    if (!rows->included_count && !mys_rows_end(rows)) /* such rows would have no size, and no end */
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "read the binlog: rows without columns cannot be read; the log is damaged");
    return OUTBOX_OK;
}

static int fail_value(const struct mys_log_column *column, uint32_t index, struct outbox_error *error)
{
    return mys_fail(error, OUTBOX_E_SCHEMA,
                    "read the binlog: column %u of a row, of type %u, cannot be read; the log is damaged, or of a "
                    "newer server",
                    index + 1, (unsigned)column->type);
}

static bool read_column(struct mys_row_reader *reader, const struct mys_log_column *column, struct mys_cursor *body)
{
    struct mys_cursor part = mys_value_take(column, body);
    uint32_t wanted = column->wanted;
    if (part.bad || body->bad)
        return false;
    return wanted == MYS_NOT_WANTED ||
           mys_value_read(column, part, reader->wanted[wanted].as, &reader->scratch[wanted], &reader->values[wanted]);
}

static void set_null(struct mys_row_reader *reader, const struct mys_log_column *column)
{
    if (column->wanted != MYS_NOT_WANTED)
        reader->values[column->wanted] = (struct outbox_value){.type = OUTBOX_NULL};
}

int mys_row_read(struct mys_row_reader *reader, const struct mys_table_map *map, struct mys_rows *rows,
                 struct outbox_error *error)
{
    struct mys_cursor *body = &rows->body;
    const unsigned char *nulls = mys_take(body, (rows->included_count + 7) / 8);
    if (!nulls || rows->columns != map->count)
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "read the binlog: a row of %u columns in a table of %u; the log is "
                        "damaged",
                        rows->columns, map->count);
    for (uint32_t i = 0; i < reader->count; i++)
        reader->values[i] = (struct outbox_value){.type = OUTBOX_NULL, .size = MYS_NULL_ABSENT};
    for (uint32_t i = 0, k = 0; i < map->count; i++) {
        if (!bit(rows->included, i))
            continue;
        if (bit(nulls, k++))
            set_null(reader, &map->columns[i]);
        else if (!read_column(reader, &map->columns[i], body))
            return fail_value(&map->columns[i], i, error);
    }
    return OUTBOX_OK;
}
