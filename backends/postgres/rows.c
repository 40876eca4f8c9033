/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/rows.c - results of libpq: as a batch of rows, whose values are read in place; and for the verbs
 */
#include <string.h>

#include "store.h"

static const int64_t epoch_us = 946684800000000; /* 2000-01-01, the epoch of Postgres */

static struct outbox_value of_bytes(uint32_t type, const char *data, int size)
{
    return (struct outbox_value){.as.data = data, .size = (uint32_t)size, .type = type};
}

static struct outbox_value of_int(uint32_t type, int64_t integer)
{
    return (struct outbox_value){.as.integer = integer, .type = type};
}

static struct outbox_value of_float4(const char *data)
{
    uint32_t bits = pg_get_int4(data);
    float real;
    memcpy(&real, &bits, sizeof real);
    return (struct outbox_value){.as.real = (double)real, .size = OUTBOX_FLOAT_SINGLE, .type = OUTBOX_FLOAT};
}

static struct outbox_value of_float8(const char *data)
{
    uint64_t bits = pg_get_int8(data);
    struct outbox_value value = {.type = OUTBOX_FLOAT};
    memcpy(&value.as.real, &bits, sizeof value.as.real);
    return value;
}

static struct outbox_value of_time(const char *data)
{
    int64_t us = (int64_t)pg_get_int8(data);
    if (us == INT64_MIN || us > INT64_MAX - epoch_us) /* -infinity, infinity */
        return (struct outbox_value){.type = OUTBOX_NULL};
    return of_int(OUTBOX_TIME, us + epoch_us);
}

static struct outbox_value decode(enum pg_encoding encoding, const char *data, int size)
{
    switch (encoding) {
    case PG_AS_TEXT:
        return of_bytes(OUTBOX_TEXT, data, size);
    case PG_AS_BYTES:
        return of_bytes(OUTBOX_BYTES, data, size);
    case PG_AS_JSONB:
        return of_bytes(OUTBOX_TEXT, data + (size > 0), size > 0 ? size - 1 : 0);
    case PG_AS_UUID:
        return of_bytes(OUTBOX_UUID, data, size);
    case PG_AS_INT2:
        return of_int(OUTBOX_INT, (int16_t)pg_get_int2(data));
    case PG_AS_INT4:
        return of_int(OUTBOX_INT, (int32_t)pg_get_int4(data));
    case PG_AS_INT8:
        return of_int(OUTBOX_INT, (int64_t)pg_get_int8(data));
    case PG_AS_BOOL:
        return of_int(OUTBOX_BOOL, *data != 0);
    case PG_AS_FLOAT4:
        return of_float4(data);
    case PG_AS_FLOAT8:
        return of_float8(data);
    case PG_AS_TIME:
        return of_time(data);
    case PG_ABSENT:
        break;
    }
    return (struct outbox_value){.type = OUTBOX_NULL};
}

/* Each access to a result is a call that checks its arguments, so this makes as few calls as possible: only a value
 * without bytes may be null. */
uint64_t pg_fill(const struct sql_store *store, struct obx_sql_batch *batch, const struct sql_reading *reading)
{
    struct outbox_value *value = batch->values;
    const PGresult *result = batch->result;
    for (uint32_t r = 0; r < reading->rows; r++) {
        int row = reading->first + (int)r;
        batch->positions[r] = (struct outbox_position){.major = pg_get_int8(PQgetvalue(result, row, 0))};
        for (uint32_t c = 0; c < store->selected_count; c++, value++) {
            int column = 1 + (int)c, size = PQgetlength(result, row, column);
            if (!size && PQgetisnull(result, row, column))
                *value = (struct outbox_value){.type = OUTBOX_NULL};
            else
                *value = decode((enum pg_encoding)store->selected[c].encoding, PQgetvalue(result, row, column), size);
        }
    }
    return PQresultMemorySize(result);
}

bool pg_ids_read(struct sql_store *store, const PGresult *result, int first, uint32_t rows)
{
    if (!obx_sql_grow(store->host, (void **)&store->ids, &store->id_room, rows, sizeof *store->ids))
        return false;
    for (uint32_t i = 0; i < rows; i++)
        store->ids[i] = (int64_t)pg_get_int8(PQgetvalue(result, first + (int)i, 0));
    return true;
}

bool pg_read_ids(struct sql_store *store, void *result, uint32_t *count)
{
    *count = (uint32_t)PQntuples(result);
    return pg_ids_read(store, result, 0, *count);
}

void pg_free_result(void *result)
{
    PQclear(result);
}

/* ---- for the verbs ----------------------------------------------------------------------------------------------- */

bool pg_next_row(struct sql_row *row)
{
    return row->index++ < PQntuples(row->result); /* so the row's own index is one less */
}

struct outbox_bytes pg_cell(const struct sql_row *row, unsigned column)
{
    int index = row->index - 1, field = (int)column;
    if (PQgetisnull(row->result, index, field))
        return (struct outbox_bytes){0};
    return (struct outbox_bytes){PQgetvalue(row->result, index, field), (size_t)PQgetlength(row->result, index, field)};
}

/* Of int8, int4, and bool. */
int64_t pg_number(const struct sql_row *row, unsigned column, int64_t default_value)
{
    struct outbox_bytes cell = pg_cell(row, column);
    if (!cell.data)
        return default_value;
    if (cell.size == 8)
        return (int64_t)pg_get_int8(cell.data);
    return cell.size == 4 ? (int32_t)pg_get_int4(cell.data) : *(const char *)cell.data;
}
