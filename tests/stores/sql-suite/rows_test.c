/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/rows_test.c - values of every type, nulls, and rows that are large */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

enum { VALUES = 12 };
static const struct outbox_column kinds[VALUES] = {{"t", 0},  {"b", 0},  {"j", 0},  {"i1", 0}, {"i2", 0}, {"i4", 0},
                                                   {"i8", 0}, {"bo", 0}, {"f4", 0}, {"f8", 0}, {"u", 0},  {"ts", 0}};

static void open_kinds(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, "");
    fixture_run(fixture, "DROP TABLE %s"); /* what else there is remains */
    fixture_run(
        fixture,
        BY_SERVER("CREATE TABLE %s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t varchar(20), b bytea, "
                  "j json, i1 jsonb, i2 smallint, i4 int, i8 bigint, bo bool, f4 real, f8 double precision, u "
                  "uuid, ts timestamptz, n numeric)",
                  "CREATE TABLE %s (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, t VARCHAR(20), b "
                  "BLOB, j JSON, i1 TINYINT, i2 SMALLINT, i4 INT, i8 BIGINT, bo BOOL, f4 FLOAT, f8 DOUBLE, u "
                  "BINARY(16), ts DATETIME(6), n DECIMAL(10, 2)) CHARACTER SET utf8mb4"));
}

static struct outbox_batch *claim_kinds(struct sql_fixture *fixture)
{
    cr_assert_eq(loop_fixture_store_start(&fixture->base, fixture->store, kinds, VALUES, &fixture->error), 0, "%s",
                 fixture->error.text);
    cr_assert_eq(fixture_acquire(fixture, fixture->store, 10000, NULL), 0);
    struct outbox_batch *batch = fixture_claim_batch(fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->columns, VALUES);
    return batch;
}

static void expect_bytes(const struct outbox_value *value, uint32_t type, const char *bytes, size_t size)
{
    cr_assert_eq(value->type, type, "%u", value->type);
    cr_assert_eq(value->size, size);
    cr_assert_eq(memcmp(value->as.data, bytes, size), 0, "%.*s", (int)value->size, (const char *)value->as.data);
}

static void expect_int(const struct outbox_value *value, uint32_t type, int64_t integer)
{
    cr_assert_eq(value->type, type, "%u", value->type);
    cr_assert_eq(value->as.integer, integer, "%lld", (long long)value->as.integer);
}

static void expect_special(const struct outbox_value *v)
{
    static const char id[] = "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    if (server_kind() == POSTGRES) {
        expect_bytes(&v[3], OUTBOX_TEXT, "{\"a\": 1}", 8); /* jsonb */
        expect_int(&v[7], OUTBOX_BOOL, 1);
        expect_bytes(&v[10], OUTBOX_UUID, id, 16);
    } else {
        expect_int(&v[3], OUTBOX_INT, -1);
        expect_int(&v[7], OUTBOX_INT, 1); /* BOOL is TINYINT(1) */
        expect_bytes(&v[10], OUTBOX_BYTES, id, 16);
    }
}

Test(rows, each_type_is_read_unchanged)
{
    struct sql_fixture fixture;
    open_kinds(&fixture, "kinds");
    fixture_run(
        &fixture,
        BY_SERVER("INSERT INTO %s (t, b, j, i1, i2, i4, i8, bo, f4, f8, u, ts) VALUES ('h\xc3\xa9', '\\x00ff', "
                  "'{ \"a\" : 1 }', '{ \"a\" : 1 }', -2, -3, -4, true, 0.5, 0.25, "
                  "'00112233-4455-6677-8899-aabbccddeeff', '1970-01-01 00:00:01.5Z')",
                  "INSERT INTO %s (t, b, j, i1, i2, i4, i8, bo, f4, f8, u, ts) VALUES (_utf8mb4 x'68C3A9', x'00ff', "
                  "'{ \"a\" : 1 }', -1, -2, -3, -4, true, 0.5, 0.25, x'00112233445566778899aabbccddeeff', "
                  "'1970-01-01 00:00:01.5')"));
    struct outbox_batch *batch = claim_kinds(&fixture);
    const struct outbox_value *v = batch->values;
    expect_bytes(&v[0], OUTBOX_TEXT, "h\xc3\xa9", 3);
    expect_bytes(&v[1], OUTBOX_BYTES, "\0\xff", 2);
    if (server_kind() == MYSQL_SERVER) /* it keeps no text of a JSON value */
        expect_bytes(&v[2], OUTBOX_TEXT, "{\"a\": 1}", 8);
    else
        expect_bytes(&v[2], OUTBOX_TEXT, "{ \"a\" : 1 }", 11);
    expect_int(&v[4], OUTBOX_INT, -2);
    expect_int(&v[5], OUTBOX_INT, -3);
    expect_int(&v[6], OUTBOX_INT, -4);
    cr_assert(v[8].type == OUTBOX_FLOAT && v[8].as.real == 0.5);
    cr_assert_eq(v[8].size, OUTBOX_FLOAT_SINGLE);
    cr_assert(v[9].type == OUTBOX_FLOAT && v[9].as.real == 0.25);
    expect_int(&v[11], OUTBOX_TIME, 1500000);
    expect_special(v);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

Test(rows, null_and_empty_values_differ)
{
    struct sql_fixture fixture;
    open_kinds(&fixture, "nulls");
    fixture_run(&fixture, "INSERT INTO %s (t) VALUES (NULL)");
    fixture_run(&fixture, "INSERT INTO %s (t, b) VALUES ('', '')");
    struct outbox_batch *batch = claim_kinds(&fixture);
    cr_assert_eq(batch->rows, 2);
    for (int i = 0; i < VALUES; i++)
        cr_assert_eq(batch->values[i].type, OUTBOX_NULL, "column %d", i);
    expect_bytes(&batch->values[VALUES], OUTBOX_TEXT, "", 0);
    expect_bytes(&batch->values[VALUES + 1], OUTBOX_BYTES, "", 0);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

/* They are what the server prints. */
Test(rows, times_of_no_calendar_are_text)
{
    static const char *const times[][4] = {{"infinity", "-infinity", "infinity", "-infinity"},
                                           {"0000-00-00 00:00:00.000000", "2026-02-31 01:02:03.250000",
                                            "2026-00-10 00:00:00.000000", "2026-04-00 00:00:00.000000"}};
    struct sql_fixture fixture;
    char sql[300];
    open_kinds(&fixture, "no_times");
    fixture_run(&fixture, BY_SERVER("SELECT 1", "SET sql_mode = 'ALLOW_INVALID_DATES'"));
    for (int i = 0; i < 4; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO %%s (ts) VALUES ('%s')", times[server_kind() != POSTGRES][i]);
        fixture_run(&fixture, sql);
    }
    struct outbox_batch *batch = claim_kinds(&fixture);
    cr_assert_eq(batch->rows, 4);
    for (int i = 0; i < 4; i++) {
        const char *text = times[server_kind() != POSTGRES][i];
        expect_bytes(&batch->values[i * VALUES + 11], OUTBOX_TEXT, text, strlen(text));
    }
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

/* What an outbox's own columns may be besides the default. */
Test(rows, outbox_columns_may_have_other_types)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "altered", true, "");
    fixture_run(&fixture,
                BY_SERVER("ALTER TABLE %s ALTER COLUMN payload TYPE bigint USING NULL, ALTER COLUMN created_at TYPE "
                          "timestamp",
                          "ALTER TABLE %s MODIFY event_id BINARY(16), MODIFY payload BIGINT, MODIFY created_at "
                          "DATETIME(3)"));
    fixture_run(&fixture,
                BY_SERVER("INSERT INTO %s (event_id, aggregatetype, aggregateid, type, payload, created_at) VALUES "
                          "('00112233445566778899aabbccddeeff', 'o', 'a', 't', -5, '2026-01-02 03:04:05.678')",
                          "INSERT INTO %s (event_id, aggregatetype, aggregateid, type, payload, created_at) VALUES "
                          "(x'00112233445566778899aabbccddeeff', 'o', 'a', 't', -5, '2026-01-02 03:04:05.678')"));
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    expect_bytes(&batch->values[0], OUTBOX_UUID, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
                 16);
    expect_bytes(&batch->values[1], OUTBOX_TEXT, "a", 1);
    expect_int(&batch->values[2], OUTBOX_INT, -5);
    expect_int(&batch->values[3], OUTBOX_TIME, 1767323045678000);
    obx_store_release(fixture.store, batch);
    fixture_close(&fixture);
}

/* ---- large ones -------------------------------------------------------------------------------------------------- */

Test(rows, batches_keep_their_byte_limit_for_rows_of_any_size)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "large", true, "");
    fixture_begin(&fixture);
    fixture_insert_large(&fixture, 50, 0);
    fixture_insert_large(&fixture, 40, 1024);
    fixture_insert_large(&fixture, 50, 0);
    uint32_t rows = 0;
    for (struct outbox_batch *batch; (batch = fixture_claim_batch(&fixture, 100, 4 << 20));
         obx_store_release(fixture.store, batch)) {
        cr_assert_leq(batch->bytes, (4 << 20) + (1 << 20), "a batch of %llu bytes", (unsigned long long)batch->bytes);
        for (uint32_t i = 0; i < batch->rows; i++)
            cr_assert_eq(batch->positions[i].major, ++rows);
        cr_assert_eq(batch->flags == OUTBOX_BATCH_MORE, rows < 140);
    }
    cr_assert_eq(rows, 140);
    fixture_close(&fixture);
}

/* Rows of 1 MiB become 32 times as large. */
static void grow(struct sql_fixture *fixture)
{
    bool mysql = server_kind() != POSTGRES;
    int64_t packet = mysql ? session_run(fixture->sql, "SELECT @@global.max_allowed_packet") : 0;
    char back[80];
    snprintf(back, sizeof back, "SET GLOBAL max_allowed_packet = %lld", (long long)packet);
    if (mysql)
        session_run(fixture->sql, "SET GLOBAL max_allowed_packet = 67108864");
    struct session *session = session_open();
    for (int i = 0; i < 5; i++)
        fixture_run_on(fixture, session,
                       "UPDATE %s SET payload = CONCAT(payload, payload) WHERE LENGTH(payload) > 10000");
    session_close(session);
    if (mysql)
        session_run(fixture->sql, back);
}

/* Larger than what the server takes from a client in one packet, which does not limit what it sends. */
Test(rows, row_larger_than_all_limits_is_claimed_alone)
{
    struct sql_fixture fixture;
    static const uint32_t sizes[] = {1024, 32 * 1024 * 1024, 1024};
    fixture_open(&fixture, "huge", true, "");
    fixture_insert_large(&fixture, 1, 1);
    fixture_insert_large(&fixture, 1, 1024);
    fixture_insert_large(&fixture, 1, 1);
    grow(&fixture);
    fixture_begin(&fixture);
    for (int i = 0; i < 3; i++) {
        struct outbox_batch *batch = fixture_claim_batch(&fixture, 100, 64 * 1024);
        cr_assert(batch && batch->rows == 1);
        cr_assert_eq(batch->values[2].size, sizes[i]);
        fixture_settle_all(&fixture, batch);
    }
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}

/* ---- how many rows no claim has returned ------------------------------------------------------------------------- */

static uint64_t measure(struct sql_fixture *fixture)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_MEASURE};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_claim(fixture->store, &call.call, 0, &claim);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
    cr_assert_null(claim.batch);
    return claim.ahead;
}

Test(rows, claim_that_measures_counts_ids_and_returns_no_row)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "measured", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(measure(&fixture), 0);
    for (int64_t id = 1000; id < 1010; id++)
        fixture_insert_id(&fixture, fixture.sql, id);
    cr_assert_eq(measure(&fixture), 10, "from the first id, not from 1");
    cr_assert_eq(fixture_claim(&fixture, 0, 4), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture.count, 4);
    cr_assert_eq(fixture.ids[0], 1000, "a measurement claims nothing");
    cr_assert_eq(measure(&fixture), 6);
    fixture_insert_id(&fixture, fixture.sql, 1019);
    cr_assert_eq(measure(&fixture), 16, "an estimate: ids without a row count");
    cr_assert_eq(fixture_claim(&fixture, 0, 100), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture.count, 7);
    cr_assert_eq(measure(&fixture), 0);
    fixture_close(&fixture);
}
