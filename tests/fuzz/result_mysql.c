/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/result_mysql.c - a result of any shape, as a server that lies may send it
 *
 * The functions of the client library that are used stand here. Columns and rows are in memory of their exact size, so
 * that a sanitizer sees a read of a column or a byte that is not there. A claim refuses the result or reads it.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../backends/mysql/store.h"

#define COLUMNS 5
#define ROWS 3

#define OF(result) ((struct fake *)(void *)(result))
struct fake {
    unsigned columns;
    int rows, at;
    MYSQL_FIELD *fields;
    char **values[ROWS];
    unsigned long *sizes[ROWS];
};

void STDCALL mysql_data_seek(MYSQL_RES *result, my_ulonglong offset)
{
    OF(result)->at = (int)offset;
}

MYSQL_ROW STDCALL mysql_fetch_row(MYSQL_RES *result)
{
    struct fake *fake = OF(result);
    return fake->at < fake->rows ? fake->values[fake->at++] : NULL;
}

unsigned long *STDCALL mysql_fetch_lengths(MYSQL_RES *result)
{
    return OF(result)->sizes[OF(result)->at - 1];
}

my_ulonglong STDCALL mysql_num_rows(MYSQL_RES *result)
{
    return (my_ulonglong)OF(result)->rows;
}

unsigned STDCALL mysql_num_fields(MYSQL_RES *result)
{
    return OF(result)->columns;
}

MYSQL_FIELD *STDCALL mysql_fetch_fields(MYSQL_RES *result)
{
    return OF(result)->fields;
}

void STDCALL mysql_free_result(MYSQL_RES *result)
{
    (void)result;
}

/* For the errors of connections, of which there is none. */
unsigned STDCALL mysql_errno(MYSQL *mysql)
{
    (void)mysql;
    return 0;
}

const char *STDCALL mysql_error(MYSQL *mysql)
{
    (void)mysql;
    return "";
}

const char *STDCALL mysql_sqlstate(MYSQL *mysql)
{
    (void)mysql;
    return "";
}

static void make(struct fake *fake, struct fuzz_input *input)
{
    static const int types[] = {MYSQL_TYPE_LONGLONG, MYSQL_TYPE_DOUBLE, MYSQL_TYPE_TIMESTAMP,
                                MYSQL_TYPE_STRING,   MYSQL_TYPE_BLOB,   MYSQL_TYPE_JSON};
    fake->columns = (unsigned)fuzz_int(input, 1) % (COLUMNS + 3);
    fake->rows = (int)(fuzz_int(input, 1) % (ROWS + 1));
    fake->fields = calloc(fake->columns + 1, sizeof *fake->fields);
    for (unsigned c = 0; c < fake->columns; c++) {
        fake->fields[c].type = types[fuzz_int(input, 1) % (sizeof types / sizeof *types)];
        fake->fields[c].charsetnr = fuzz_int(input, 1) % 2 ? 63 : 45;
        fake->fields[c].length = fuzz_int(input, 1) % 2 ? 16 : 20;
    }
    for (int r = 0; r < fake->rows; r++) {
        fake->values[r] = malloc(fake->columns * sizeof(char *) + 1);
        fake->sizes[r] = malloc(fake->columns * sizeof(unsigned long) + 1);
        for (unsigned c = 0; c < fake->columns; c++) {
            fake->values[r][c] = fuzz_int(input, 1) % 4 ? fuzz_text(input) : NULL;
            fake->sizes[r][c] = fake->values[r][c] ? strlen(fake->values[r][c]) : 0;
        }
    }
}

static void drop(struct fake *fake)
{
    for (int r = 0; r < fake->rows; r++) {
        for (unsigned c = 0; c < fake->columns; c++)
            free(fake->values[r][c]);
        free(fake->values[r]);
        free(fake->sizes[r]);
    }
    free(fake->fields);
}

static void read_everything(struct fake *fake)
{
    MYSQL_RES *result = (MYSQL_RES *)(void *)fake;
    struct sql_row row = {.result = result};
    mys_rewind_result(result);
    while (mys_next_row(&row))
        for (unsigned c = 0; c <= COLUMNS + 3; c++) {
            struct outbox_bytes cell = mys_cell(&row, c);
            FUZZ_CHECK(!cell.data || c < fake->columns);
            mys_number(&row, c, -1);
        }
    for (unsigned c = 0; c <= COLUMNS + 3; c++)
        mys_value(result, c, 0);
}

static void claim(struct sql_store *store, struct fake *fake)
{
    struct outbox_error error = {.code = OUTBOX_OK};
    MYSQL_RES *result = (MYSQL_RES *)(void *)fake;
    struct mys_row row;
    struct sql_reading reading = {.rows = 0};
    if (mys_columns_compare(store, result, &error))
        return;
    store->ids = malloc(sizeof *store->ids * ROWS);
    mys_rewind_result(result);
    while (mys_fetch(result, &row))
        store->ids[reading.rows++] = mys_integer_of(&row, 0, 0);
    struct obx_sql_batch *batch = obx_sql_batch_get(&store->batches, store->host, reading.rows, store->selected_count);
    FUZZ_CHECK(batch);
    batch->result = result;
    obx_sql_batch_seal(batch, reading.rows, store->selected_count, mys_fill(store, batch, &reading));
    for (uint32_t i = 0; i < reading.rows * store->selected_count; i++)
        FUZZ_CHECK(batch->values[i].type != OUTBOX_UUID || batch->values[i].size == 16);
    obx_sql_batch_put(&store->batches, store->host, batch);
    free(store->ids);
    store->ids = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct sql_selected selected[COLUMNS];
    struct sql_store store = {.host = &fuzz_host, .selected = selected};
    struct fake fake = {0};
    uint32_t count;
    memset(selected, 0, sizeof selected);
    store.selected_count = (uint32_t)fuzz_int(&input, 1) % (COLUMNS + 1);
    for (uint32_t c = 0; c < store.selected_count; c++)
        selected[c].encoding = (int)(fuzz_int(&input, 1) % (MYS_AS_TIME + 1));
    make(&fake, &input);
    read_everything(&fake);
    mys_rewind_result((MYSQL_RES *)(void *)&fake);
    mys_read_ids(&store, &fake, &count);
    store.host->release(store.host, store.ids);
    store.ids = NULL;
    claim(&store, &fake);
    drop(&fake);
    obx_sql_batches_free(&store.batches, store.host);
    return 0;
}
