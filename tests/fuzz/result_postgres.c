/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/result_postgres.c - a result of any shape, as a server that lies may send it
 *
 * The result is made by libpq, of columns of any type and values of any length. Whatever it is, a claim either refuses
 * it or reads rows out of it, and no accessor reads past a value. A sanitizer sees reads past the end.
 */
#include "fuzz.h"

#include <string.h>

#include "../../backends/postgres/store.h"

#define COLUMNS 5
#define ROWS 4

static PGresult *make_result(struct fuzz_input *input)
{
    static const Oid types[] = {16, 17, 20, 21, 23, 25, 26, 700, 701, 1028, 1114, 1184, 2950, 3802};
    PGresAttDesc names[COLUMNS + 2];
    PGresult *result = PQmakeEmptyPGresult(NULL, fuzz_int(input, 1) % 8 ? PGRES_TUPLES_OK : PGRES_COMMAND_OK);
    int columns = (int)(fuzz_int(input, 1) % (COLUMNS + 3)), rows = (int)(fuzz_int(input, 1) % ROWS);
    memset(names, 0, sizeof names);
    for (int c = 0; c < columns; c++) {
        names[c].name = (char *)(uintptr_t) "c";
        names[c].typid = types[fuzz_int(input, 1) % (sizeof types / sizeof *types)];
        names[c].format = fuzz_int(input, 1) % 8 != 0;
    }
    if (columns)
        FUZZ_CHECK(PQsetResultAttrs(result, columns, names));
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            struct outbox_bytes bytes = fuzz_maybe(input);
            FUZZ_CHECK(PQsetvalue(result, r, c, (char *)(uintptr_t)bytes.data, bytes.data ? (int)bytes.size : -1));
            fuzz_free(bytes.data);
        }
    return result;
}

static void touch(struct outbox_bytes bytes)
{
    static volatile uint8_t seen;
    for (size_t i = 0; i < bytes.size; i++)
        seen = (uint8_t)(seen ^ ((const uint8_t *)bytes.data)[i]);
}

/* Also beyond its end. */
static void read_everything(const PGresult *result)
{
    static const char *const shapes[] = {"", "b", "4t", "O", "8", "ttt", "b4tt8b", "bb44tttottbbb", "*****"};
    struct sql_row row = {.result = (void *)(uintptr_t)result};
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (pg_has_shape(result, 1, 1, shapes[i]))
            FUZZ_CHECK(PQntuples(result) == 1 && PQnfields(result) == (int)strlen(shapes[i]));
    for (int r = -1; r <= ROWS; r++)
        for (int c = -1; c <= COLUMNS + 2; c++) {
            touch(pg_value(result, r, c));
            FUZZ_CHECK(pg_text(result, r, c));
            pg_integer(result, r, c, 0);
        }
    while (pg_next_row(&row))
        for (unsigned c = 0; c <= COLUMNS + 2; c++) {
            touch(pg_cell(&row, c));
            pg_number(&row, c, -1);
        }
}

static void claim(struct sql_store *store, PGresult *result)
{
    const struct sql_reading reading = {.first = 1, .rows = (uint32_t)PQntuples(result) - 1};
    struct obx_sql_batch *batch = obx_sql_batch_get(&store->batches, store->host, reading.rows, store->selected_count);
    FUZZ_CHECK(batch);
    batch->result = result;
    obx_sql_batch_seal(batch, reading.rows, store->selected_count, pg_fill(store, batch, &reading));
    for (uint32_t i = 0; i < reading.rows * store->selected_count; i++) {
        const struct outbox_value *value = &batch->values[i];
        if (value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES || value->type == OUTBOX_UUID)
            touch((struct outbox_bytes){value->as.data, value->size});
        FUZZ_CHECK(value->type != OUTBOX_UUID || value->size == 16);
    }
    obx_sql_batch_put(&store->batches, store->host, batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct sql_selected selected[COLUMNS];
    struct sql_store store = {.host = &fuzz_host, .selected = selected};
    uint32_t count;
    memset(selected, 0, sizeof selected);
    store.selected_count = (uint32_t)fuzz_int(&input, 1) % (COLUMNS + 1);
    for (uint32_t c = 0; c < store.selected_count; c++)
        selected[c].encoding = (int)(fuzz_int(&input, 1) % (PG_AS_TIME + 1));
    PGresult *result = make_result(&input);
    read_everything(result);
    pg_read_ids(&store, result, &count);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && pg_rows_fit(&store, result))
        claim(&store, result);
    PQclear(result);
    store.host->release(store.host, store.ids);
    obx_sql_batches_free(&store.batches, store.host);
    return 0;
}
