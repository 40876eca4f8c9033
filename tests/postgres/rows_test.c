/* tests/postgres/rows_test.c - values of every type, nulls, and rows that are large */
#include <stdio.h>
#include <string.h>

#include "bed.h"

enum { VALUES = 12 };
static const struct outbox_column kinds[VALUES] = {{"t", 0},  {"b", 0},  {"j", 0},  {"jb", 0}, {"i2", 0}, {"i4", 0},
                                                   {"i8", 0}, {"bo", 0}, {"f4", 0}, {"f8", 0}, {"u", 0},  {"ts", 0}};

static void make_kinds(struct bed *bed)
{
    bed_exec(
        bed, bed->sql,
        "CREATE TABLE %s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t varchar(20), b bytea, j json, jb "
        "jsonb, "
        "i2 smallint, i4 int, i8 bigint, bo bool, f4 real, f8 double precision, u uuid, ts timestamptz, n numeric)");
}

static struct outbox_batch *claim_kinds(struct bed *bed)
{
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    cr_assert_eq(harness_store_start(&bed->harness, bed->store, kinds, VALUES, &bed->error), 0, "%s", bed->error.text);
    cr_assert_eq(bed_acquire(bed, bed->store, &acquire), 0);
    struct outbox_batch *batch = bed_batch(bed, 10, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->columns, VALUES);
    return batch;
}

static void expect_bytes(const struct outbox_value *value, uint32_t type, const char *bytes, size_t size)
{
    cr_assert_eq(value->type, type);
    cr_assert_eq(value->size, size);
    cr_assert_eq(memcmp(value->as.data, bytes, size), 0, "%.*s", (int)value->size, (const char *)value->as.data);
}

static void expect_int(const struct outbox_value *value, uint32_t type, int64_t integer)
{
    cr_assert_eq(value->type, type);
    cr_assert_eq(value->as.integer, integer, "%lld", (long long)value->as.integer);
}

Test(postgres_rows, each_type_as_it_is)
{
    struct bed bed;
    bed_open(&bed, "kinds", false, "");
    make_kinds(&bed);
    bed_exec(
        &bed, bed.sql,
        "INSERT INTO %s (t, b, j, jb, i2, i4, i8, bo, f4, f8, u, ts) VALUES ('h\xc3\xa9', '\\x00ff', '{ \"a\" : 1 }', "
        "'{ \"a\" : 1 }', -2, -3, -4, true, 0.5, 0.25, '00112233-4455-6677-8899-aabbccddeeff', "
        "'1970-01-01 00:00:01.5Z')");
    struct outbox_batch *batch = claim_kinds(&bed);
    const struct outbox_value *v = batch->values;
    expect_bytes(&v[0], OUTBOX_TEXT, "h\xc3\xa9", 3);
    expect_bytes(&v[1], OUTBOX_BYTES, "\0\xff", 2);
    expect_bytes(&v[2], OUTBOX_TEXT, "{ \"a\" : 1 }", 11);
    expect_bytes(&v[3], OUTBOX_TEXT, "{\"a\": 1}", 8);
    expect_int(&v[4], OUTBOX_INT, -2);
    expect_int(&v[5], OUTBOX_INT, -3);
    expect_int(&v[6], OUTBOX_INT, -4);
    expect_int(&v[7], OUTBOX_BOOL, 1);
    cr_assert(v[8].type == OUTBOX_FLOAT && v[8].as.real == 0.5);
    cr_assert(v[9].type == OUTBOX_FLOAT && v[9].as.real == 0.25);
    expect_bytes(&v[10], OUTBOX_UUID, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
    expect_int(&v[11], OUTBOX_TIME, 1500000);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

Test(postgres_rows, nulls_and_what_is_empty_are_different_things)
{
    struct bed bed;
    bed_open(&bed, "nulls", false, "");
    make_kinds(&bed);
    bed_exec(&bed, bed.sql, "INSERT INTO %s (t) VALUES (NULL)");
    bed_exec(&bed, bed.sql, "INSERT INTO %s (t, b, ts) VALUES ('', '', 'infinity')");
    struct outbox_batch *batch = claim_kinds(&bed);
    cr_assert_eq(batch->rows, 2);
    for (int i = 0; i < VALUES; i++)
        cr_assert_eq(batch->values[i].type, OUTBOX_NULL, "column %d", i);
    expect_bytes(&batch->values[VALUES], OUTBOX_TEXT, "", 0);
    expect_bytes(&batch->values[VALUES + 1], OUTBOX_BYTES, "", 0);
    cr_assert_eq(batch->values[VALUES + 11].type, OUTBOX_NULL);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

static void insert_large(struct bed *bed, int count, int kilobytes)
{
    char sql[300];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) SELECT 'o', 'a', 't', repeat('x', %d * 1024) FROM "
        "generate_series(1, %d)",
        kilobytes, count);
    bed_exec(bed, bed->sql, sql);
}

Test(postgres_rows, batches_keep_to_their_bytes_whatever_the_rows_weigh)
{
    struct bed bed;
    bed_open(&bed, "large", true, "");
    bed_begin(&bed);
    insert_large(&bed, 50, 0);
    insert_large(&bed, 40, 1024);
    insert_large(&bed, 50, 0);
    uint32_t rows = 0;
    for (struct outbox_batch *batch; (batch = bed_batch(&bed, 100, 4 << 20)); obx_store_release(bed.store, batch)) {
        cr_assert_leq(batch->bytes, (4 << 20) + (1 << 20), "a batch of %llu bytes", (unsigned long long)batch->bytes);
        for (uint32_t i = 0; i < batch->rows; i++)
            cr_assert_eq(batch->positions[i].major, ++rows);
        cr_assert_eq(batch->flags == OUTBOX_BATCH_MORE, rows < 140);
    }
    cr_assert_eq(rows, 140);
    bed_close(&bed);
}

Test(postgres_rows, one_that_is_larger_than_all_limits_comes_alone)
{
    struct bed bed;
    bed_open(&bed, "huge", true, "");
    bed_begin(&bed);
    insert_large(&bed, 1, 1);
    insert_large(&bed, 1, 32 * 1024);
    insert_large(&bed, 1, 1);
    static const uint32_t sizes[] = {1024, 32 * 1024 * 1024, 1024};
    for (int i = 0; i < 3; i++) {
        struct outbox_batch *batch = bed_batch(&bed, 100, 64 * 1024);
        cr_assert(batch && batch->rows == 1);
        cr_assert_eq(batch->values[2].size, sizes[i]);
        obx_store_release(bed.store, batch);
    }
    bed_close(&bed);
}
