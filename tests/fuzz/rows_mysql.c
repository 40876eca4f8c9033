/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/rows_mysql.c - rows of text, as MySQL sends them, become a batch
 *
 * This file replaces the client library's functions, so the input defines the rows. A second implementation parses
 * numbers and times; no byte is read past the end of a value.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../backends/mysql/store.h"

#define COLUMNS 6

static char *row[COLUMNS + 2];
static unsigned long sizes[COLUMNS + 2];

void STDCALL mysql_data_seek(MYSQL_RES *result, my_ulonglong offset)
{
    (void)result, (void)offset;
}

MYSQL_ROW STDCALL mysql_fetch_row(MYSQL_RES *result)
{
    (void)result;
    return row;
}

unsigned long *STDCALL mysql_fetch_lengths(MYSQL_RES *result)
{
    (void)result;
    return sizes;
}

static unsigned columns;
unsigned STDCALL mysql_num_fields(MYSQL_RES *result)
{
    (void)result;
    return columns;
}

my_ulonglong STDCALL mysql_num_rows(MYSQL_RES *result)
{
    (void)result;
    return 1;
}

void STDCALL mysql_free_result(MYSQL_RES *result)
{
    (void)result;
}

static void check_int(const struct outbox_value *value, const char *text, unsigned long size)
{
    char again[24];
    if (value->type == OUTBOX_TEXT) {
        FUZZ_CHECK(value->as.data == text && value->size == size);
        return;
    }
    FUZZ_CHECK(value->type == OUTBOX_INT);
    snprintf(again, sizeof again, "%lld", (long long)value->as.integer);
    const char *canonical = text + strspn(text, "-+ 0\t\n\v\f\r"), *digits = again + (*again == '-');
    FUZZ_CHECK(!strcmp(canonical, *digits == '0' ? "" : digits));
}

static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++, text++) {
        if (*shape == 'd' ? *text < '0' || *text > '9' : *text != *shape)
            return false;
    }
    return true;
}

static void check_time(const struct outbox_value *value, const char *text, unsigned long size)
{
    struct tm tm = {0};
    int used = 0;
    if (size != 19 || !has_shape(text, "dddd-dd-dd dd:dd:dd") ||
        sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &used) != 6 ||
        used != 19)
        return;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm same = tm;
    int64_t us = (int64_t)timegm(&same) * 1000000; /* brings an invalid date forward */
    if (same.tm_mon == tm.tm_mon && (same.tm_mday == tm.tm_mday || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59))
        FUZZ_CHECK(value->type == OUTBOX_TIME && value->as.integer == us);
    else if (tm.tm_hour < 24 && tm.tm_min < 60 && tm.tm_sec < 60)
        FUZZ_CHECK(value->type == OUTBOX_TEXT && value->as.data == text && value->size == size);
}

/* Single: the value of a FLOAT, which is told by its size. */
static void check_real(const struct outbox_value *value, const char *text, bool single)
{
    double real = atof(text);
    FUZZ_CHECK(value->type == OUTBOX_FLOAT && value->size == (single ? OUTBOX_FLOAT_SINGLE : 0));
    FUZZ_CHECK(value->as.real == real || (value->as.real != value->as.real && real != real));
}

static void check(enum mys_encoding encoding, const struct outbox_value *value, const char *text, unsigned long size)
{
    if (!text || encoding == MYS_ABSENT || (encoding == MYS_AS_UUID && size != 16))
        FUZZ_CHECK(value->type == OUTBOX_NULL);
    else if (encoding == MYS_AS_INT)
        check_int(value, text, size);
    else if (encoding == MYS_AS_TIME)
        check_time(value, text, size);
    else if (encoding == MYS_AS_FLOAT || encoding == MYS_AS_SINGLE)
        check_real(value, text, encoding == MYS_AS_SINGLE);
    else
        FUZZ_CHECK(value->as.data == text && value->size == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct sql_selected selected[COLUMNS];
    int64_t id = 7;
    struct sql_store store = {.host = &fuzz_host, .selected = selected, .ids = &id};
    const struct sql_reading reading = {.rows = 1};
    memset(selected, 0, sizeof selected);
    store.selected_count = (uint32_t)fuzz_int(&input, 1) % (COLUMNS + 1);
    columns = store.selected_count + 2;
    row[0] = strdup("7");
    sizes[0] = 1;
    for (uint32_t c = 0; c < store.selected_count; c++) {
        selected[c].encoding = (int)(fuzz_int(&input, 1) % (MYS_AS_TIME + 1));
        row[c + 1] = fuzz_int(&input, 1) % 8 ? fuzz_text(&input) : NULL; /* the client library ends values with a NUL */
        sizes[c + 1] = row[c + 1] ? strlen(row[c + 1]) : 0;
    }
    struct obx_sql_batch *batch = obx_sql_batch_get(&store.batches, store.host, 1, store.selected_count);
    FUZZ_CHECK(batch);
    batch->result = row; /* not NULL */
    obx_sql_batch_seal(batch, 1, store.selected_count, mys_fill(&store, batch, &reading));
    FUZZ_CHECK(batch->batch.rows == 1 && batch->batch.positions[0].major == 7);
    for (uint32_t c = 0; c < store.selected_count; c++)
        check((enum mys_encoding)selected[c].encoding, &batch->batch.values[c], row[c + 1], sizes[c + 1]);
    mys_free_result(batch->result);
    obx_sql_batch_put(&store.batches, store.host, batch);
    obx_sql_batches_free(&store.batches, store.host);
    for (uint32_t c = 0; c <= store.selected_count; c++)
        free(row[c]);
    return 0;
}
