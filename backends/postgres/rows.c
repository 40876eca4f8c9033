/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/rows.c - results of libpq: as a batch of rows, whose values are read in place; and for the verbs
 */
#include <string.h>

#include "sql/server/unreadable.h"
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
    if (us == INT64_MIN)
        return of_bytes(OUTBOX_TEXT, "-infinity", 9);
    if (us > INT64_MAX - epoch_us)
        return of_bytes(OUTBOX_TEXT, "infinity", 8);
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

/* ---- the shape of a claim's result ------------------------------------------------------------------------------- */

/* Types with values of one size. */
static const struct {
    Oid oid, also;
    int size;
} fixed[] = {
    [PG_AS_INT2] = {21, 21, 2},      [PG_AS_INT4] = {23, 23, 4},     [PG_AS_INT8] = {20, 20, 8},
    [PG_AS_BOOL] = {16, 16, 1},      [PG_AS_FLOAT4] = {700, 700, 4}, [PG_AS_FLOAT8] = {701, 701, 8},
    [PG_AS_UUID] = {2950, 2950, 16}, [PG_AS_TIME] = {1184, 1114, 8},
};

static bool has_size(const PGresult *result, int column, int size, bool nulls)
{
    for (int row = 0; row < PQntuples(result); row++) {
        int length = PQgetlength(result, row, column);
        if (length != size && (length || !nulls || !PQgetisnull(result, row, column)))
            return false;
    }
    return true;
}

static bool column_fits(const PGresult *result, int column, int encoding)
{
    Oid type = PQftype(result, column);
    if (PQfformat(result, column) != 1)
        return false;
    if (encoding >= (int)(sizeof fixed / sizeof *fixed) || !fixed[encoding].size)
        return true;
    return (type == fixed[encoding].oid || type == fixed[encoding].also) &&
           has_size(result, column, fixed[encoding].size, true);
}

bool pg_rows_fit(const struct sql_store *store, const PGresult *result)
{
    int columns = 1 + (int)store->selected_count; /* the id, and those of the route; then the mark */
    if (PQnfields(result) != columns + 1 || PQntuples(result) < 1 || PQftype(result, 0) != PG_OID_INT8 ||
        !has_size(result, 0, 8, false))
        return false;
    for (int i = 1; i < columns; i++)
        if (!column_fits(result, i, sql_is_left_out(&store->selected[i - 1]) ? 0 : store->selected[i - 1].encoding))
            return false;
    return true;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Each access to a result is a call that checks its arguments again, so this makes as few as it can: only a value
 * without bytes may be null. The result fits. */
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
    *count = 0;
    if (!pg_has_shape(result, 0, PG_ANY_ROWS, "8") || !has_size(result, 0, 8, false))
        return false;
    *count = (uint32_t)PQntuples(result);
    return pg_ids_read(store, result, 0, *count);
}

void pg_free_result(void *result)
{
    PQclear(result);
}

/* ---- for the verbs ----------------------------------------------------------------------------------------------- */

unsigned pg_column_count(const void *result)
{
    return result ? (unsigned)PQnfields(result) : 0;
}

bool pg_next_row(struct sql_row *row)
{
    return row->index++ < PQntuples(row->result); /* so the row's own index is one less */
}

struct outbox_bytes pg_cell(const struct sql_row *row, unsigned column)
{
    return pg_value(row->result, row->index - 1, (int)column);
}

int64_t pg_number(const struct sql_row *row, unsigned column, int64_t default_value)
{
    return pg_integer(row->result, row->index - 1, (int)column, default_value);
}
