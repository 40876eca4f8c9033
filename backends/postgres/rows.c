/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/rows.c - a result of libpq as a batch
 *
 * Values are read in place; sql/batches.h says who owns what.
 */
#include <string.h>

#include "store.h"

static const int64_t epoch_us = 946684800000000; /* 2000-01-01, where Postgres counts from */

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
    return (struct outbox_value){.as.real = (double)real, .type = OUTBOX_FLOAT};
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

static struct outbox_value decode(enum pg_wire wire, const char *data, int size)
{
    switch (wire) {
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

/* Each look into a result is a call that checks its arguments again, so this makes as few as it can: only what has no
 * bytes may be null. */
static void fill(const struct pg_store *store, struct obx_sql_batch *batch, int first, uint32_t rows)
{
    struct outbox_value *value = batch->values;
    const PGresult *result = batch->result;
    for (uint32_t r = 0; r < rows; r++) {
        int row = first + (int)r;
        batch->positions[r] = (struct outbox_position){.major = pg_get_int8(PQgetvalue(result, row, 0))};
        for (uint32_t c = 0; c < store->wanted_count; c++, value++) {
            int column = 1 + (int)c, size = PQgetlength(result, row, column);
            if (!size && PQgetisnull(result, row, column))
                *value = (struct outbox_value){.type = OUTBOX_NULL};
            else
                *value = decode(store->wanted[c].wire, PQgetvalue(result, row, column), size);
        }
    }
}

bool pg_ids_read(struct pg_store *store, const PGresult *result, int first, uint32_t rows)
{
    if (!obx_sql_grow(store->host, (void **)&store->ids, &store->id_room, rows, sizeof *store->ids))
        return false;
    for (uint32_t i = 0; i < rows; i++)
        store->ids[i] = (int64_t)pg_get_int8(PQgetvalue(result, first + (int)i, 0));
    return true;
}

struct obx_sql_batch *pg_batch_new(struct pg_store *store, PGresult *result, int first, uint32_t rows)
{
    struct obx_sql_batch *batch = obx_sql_batch_get(&store->batches, store->host, rows, store->wanted_count);
    if (!batch)
        return NULL;
    batch->result = result;
    fill(store, batch, first, rows);
    obx_sql_batch_seal(batch, rows, store->wanted_count, PQresultMemorySize(result));
    return batch;
}

void pg_release(void *self, struct outbox_batch *released)
{
    struct pg_store *store = self;
    struct obx_sql_batch *batch = (struct obx_sql_batch *)(void *)released;
    PQclear(batch->result);
    obx_sql_batch_put(&store->batches, store->host, batch);
}
