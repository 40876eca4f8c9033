/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/rows_postgres.c - a binary result of libpq becomes a batch
 *
 * libpq itself makes the result, with values of any content. Sizes are those of the type, as a server sends them. A
 * second implementation parses each value.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../backends/postgres/store.h"

#define COLUMNS 6
#define ROWS 3

static const int fixed[] = {[PG_AS_INT2] = 2,   [PG_AS_INT4] = 4,   [PG_AS_INT8] = 8,  [PG_AS_BOOL] = 1,
                            [PG_AS_FLOAT4] = 4, [PG_AS_FLOAT8] = 8, [PG_AS_UUID] = 16, [PG_AS_TIME] = 8};

static uint64_t big_endian(const uint8_t *at, int size)
{
    uint64_t number = 0;
    while (size--)
        number = number << 8 | *at++;
    return number;
}

static void check_time(const struct outbox_value *value, int64_t since_2000)
{
    const int64_t epoch = 946684800000000;
    if (since_2000 == INT64_MIN || since_2000 > INT64_MAX - epoch)
        FUZZ_CHECK(value->type == OUTBOX_TEXT);
    else
        FUZZ_CHECK(value->type == OUTBOX_TIME && value->as.integer == since_2000 + epoch);
}

static void check_value(enum pg_encoding encoding, const struct outbox_value *value, const char *text, int size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    switch (encoding) {
    case PG_AS_INT2:
        FUZZ_CHECK(value->as.integer == (int16_t)big_endian(bytes, 2));
        break;
    case PG_AS_INT4:
        FUZZ_CHECK(value->as.integer == (int32_t)big_endian(bytes, 4));
        break;
    case PG_AS_INT8:
        FUZZ_CHECK(value->as.integer == (int64_t)big_endian(bytes, 8));
        break;
    case PG_AS_BOOL:
        FUZZ_CHECK(value->type == OUTBOX_BOOL && value->as.integer == (bytes[0] != 0));
        break;
    case PG_AS_TIME:
        check_time(value, (int64_t)big_endian(bytes, 8));
        break;
    case PG_AS_FLOAT4:
    case PG_AS_FLOAT8:
        FUZZ_CHECK(value->type == OUTBOX_FLOAT);
        break;
    case PG_AS_JSONB:
        FUZZ_CHECK((int)value->size == (size ? size - 1 : 0) &&
                   !memcmp(value->as.data, text + (size > 0), value->size));
        break;
    case PG_ABSENT:
        FUZZ_CHECK(value->type == OUTBOX_NULL);
        break;
    default:
        FUZZ_CHECK((int)value->size == size && value->as.data == text);
    }
}

static PGresult *make_result(struct fuzz_input *input, const struct sql_selected *selected, uint32_t columns)
{
    PGresAttDesc names[COLUMNS + 1];
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    memset(names, 0, sizeof names);
    for (uint32_t c = 0; c <= columns; c++) {
        names[c].name = (char *)(uintptr_t) "c";
        names[c].format = 1;
    }
    FUZZ_CHECK(PQsetResultAttrs(result, (int)columns + 1, names));
    for (int r = 0; r < ROWS; r++) {
        char id[8] = {0, 0, 0, 0, 0, 0, 0, (char)(r + 1)};
        FUZZ_CHECK(PQsetvalue(result, r, 0, id, 8));
        for (uint32_t c = 0; c < columns; c++) {
            char value[16] = "";
            int size = (unsigned)selected[c].encoding < sizeof fixed / sizeof *fixed ? fixed[selected[c].encoding] : 0;
            struct outbox_bytes bytes = fuzz_maybe(input);
            if (bytes.data && size && bytes.size)
                memcpy(value, bytes.data, bytes.size < (size_t)size ? bytes.size : (size_t)size);
            FUZZ_CHECK(PQsetvalue(result, r, (int)c + 1,
                                  !bytes.data ? NULL
                                  : size      ? value
                                              : (char *)(uintptr_t)bytes.data,
                                  !bytes.data ? -1
                                  : size      ? size
                                              : (int)bytes.size));
            fuzz_free(bytes.data);
        }
    }
    return result;
}

static void check_rows(const struct sql_store *store, const struct outbox_batch *batch, const PGresult *result)
{
    for (uint32_t r = 0; r < batch->rows; r++) {
        FUZZ_CHECK(batch->positions[r].major == r + 2);
        for (uint32_t c = 0; c < store->selected_count; c++) {
            const struct outbox_value *value = &batch->values[r * store->selected_count + c];
            int row = (int)r + 1, column = (int)c + 1;
            if (PQgetisnull(result, row, column))
                FUZZ_CHECK(value->type == OUTBOX_NULL);
            else
                check_value((enum pg_encoding)store->selected[c].encoding, value, PQgetvalue(result, row, column),
                            PQgetlength(result, row, column));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct sql_selected selected[COLUMNS];
    struct sql_store store = {.host = &fuzz_host, .selected = selected};
    const struct sql_reading reading = {.first = 1, .rows = ROWS - 1};
    memset(selected, 0, sizeof selected);
    store.selected_count = (uint32_t)fuzz_int(&input, 1) % (COLUMNS + 1);
    for (uint32_t c = 0; c < store.selected_count; c++)
        selected[c].encoding = (int)(fuzz_int(&input, 1) % (PG_AS_TIME + 1));
    PGresult *result = make_result(&input, selected, store.selected_count);
    struct obx_sql_batch *batch = obx_sql_batch_get(&store.batches, store.host, reading.rows, store.selected_count);
    FUZZ_CHECK(batch);
    batch->result = result;
    obx_sql_batch_seal(batch, reading.rows, store.selected_count, pg_fill(&store, batch, &reading));
    FUZZ_CHECK(batch->batch.rows == ROWS - 1);
    check_rows(&store, &batch->batch, result);
    pg_free_result(batch->result);
    obx_sql_batch_put(&store.batches, store.host, batch);
    obx_sql_batches_free(&store.batches, store.host);
    return 0;
}
