/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/claim_test.c - what a claim gives of an SQLite table: which rows, and their values */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#define TABLE "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id, payload, created_at)"

static const struct outbox_value *value(const struct outbox_batch *batch, uint32_t row, enum fixture_column column)
{
    return &batch->values[(size_t)row * batch->columns + column];
}

/* Rows of a table without affinities, so that values arrive as the test wrote them. */
static void open_plain(struct fixture *fixture, const char *insert)
{
    fixture_open(fixture, NULL);
    fixture_sql(fixture->path, TABLE);
    cr_assert_eq(fixture_setup(fixture), 0, "%s", fixture->error.text);
    fixture_sql(fixture->path, insert);
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    fixture_own(fixture);
}

Test(sqlite_claim, stray_scan_finds_lower_ids)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    fixture_sql(fixture.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                              "(10, 'a', '1', 't'), (11, 'a', '1', 't'), (20, 'a', '1', 't')");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_str_eq(fixture_ids(batch), "10 11 20");
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
    fixture_sql(fixture.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                              "(5, 'a', '1', 't'), (15, 'a', '1', 't'), (12, 'a', '1', 't'), (30, 'a', '1', 't')");
    struct outbox_batch *late = fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP);
    cr_assert_str_eq(fixture_ids(late), "5 12 15 30");
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), "rows were returned a second time");
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 2), 0, "%s", fixture.error.text);
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), "rows were returned a second time");
    fixture_release(&fixture, batch);
    fixture_release(&fixture, late);
    batch = fixture_claim(&fixture, OUTBOX_CLAIM_REWIND);
    cr_assert_str_eq(fixture_ids(batch), "5 12 15 20 30");
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

/* So a drain does not end as if the outbox was empty. */
Test(sqlite_claim, rows_with_ids_below_1_are_reported)
{
    struct fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 10, .max_bytes = 1 << 20};
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    fixture_sql(fixture.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES (0, 'a', '1', 't'), "
                              "(-5, 'a', '1', 't')");
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert_null(claim.batch);
    cr_assert_eq(claim.unusable, 2);
    fixture_close(&fixture);
}

Test(sqlite_claim, highest_id_is_claimed_once)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_own(&fixture);
    fixture_sql(fixture.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                              "(7, 'a', '1', 't'), (9223372036854775807, 'a', '1', 't')");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_str_eq(fixture_ids(batch), "7 9223372036854775807");
    cr_assert_null(fixture_claim(&fixture, 0));
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP));
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 2), 0, "%s", fixture.error.text);
    fixture_release(&fixture, batch);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 0);
    fixture_close(&fixture);
}

/* Rows of one key that are claimed again by their ids lie far apart: settling them must not touch those between. */
Test(sqlite_claim, settled_retry_leaves_rows_between_outstanding)
{
    struct fixture fixture;
    fixture_ready(&fixture, NULL);
    fixture_insert(&fixture, 100);
    fixture_own(&fixture);
    fixture_release(&fixture, fixture_claim(&fixture, 0));
    const struct outbox_position exact[] = {{10, 0}, {50, 0}, {90, 0}};
    struct outbox_claim claim = {.max_rows = 3, .max_bytes = 1 << 20, .positions = exact, .position_count = 3};
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert_str_eq(fixture_ids(claim.batch), "10 50 90");
    cr_assert_eq(fixture_settle(&fixture, claim.batch, 0, 3), 0, "%s", fixture.error.text);
    fixture_release(&fixture, claim.batch);
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM outbox"), 97);
    cr_assert_null(fixture_claim(&fixture, OUTBOX_CLAIM_ARM_WAKEUP), "rows were returned a second time");
    fixture_close(&fixture);
}

Test(sqlite_claim, created_at_is_read_in_every_form)
{
    struct fixture fixture;
    static const struct {
        const char *sql;
        int64_t us;
    } all[] = {
        {"'1970-01-01T00:00:00Z'", 0},
        {"'2024-02-29 12:34:56.789'", 1709210096789000},
        {"'2024-02-29T12:34:56.7891234+02:00'", 1709202896789123},
        {"'2024-02-29T12:34:56-00:30'", 1709211896000000},
        {"'2024-02-29T12:34'", 1709210040000000},
        {"'2024-02-29'", 1709164800000000},
        {"'1969-12-31T23:59:59.5Z'", -500000},
        {"'2024-02-29T12:34:56.789Z '", INT64_MIN},
        {"'yesterday'", INT64_MIN},
        {"'2024-13-01'", INT64_MIN},
        {"''", INT64_MIN},
        {"1709210096", 1709210096000000},
        {"1709210096789", 1709210096789000},
        {"1709210096789123", 1709210096789123},
        {"-1", -1000000},
        {"1709210096.5", 1709210096500000},
        {"2440587.5", 0},
        {"x'00'", INT64_MIN},
        {"NULL", INT64_MIN},
    };
    open_plain(&fixture, "SELECT 1");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "INSERT INTO outbox (payload, created_at) VALUES ('p', %s)", all[i].sql);
        fixture_sql(fixture.path, sql);
    }
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(batch->rows, sizeof all / sizeof *all);
    for (uint32_t i = 0; i < batch->rows; i++) {
        const struct outbox_value *time = value(batch, i, FIXTURE_CREATED_AT);
        cr_assert_eq(time->type, all[i].us == INT64_MIN ? OUTBOX_NULL : OUTBOX_TIME, "%s: type %u", all[i].sql,
                     time->type);
        if (time->type == OUTBOX_TIME)
            cr_assert_eq(time->as.integer, all[i].us, "%s: %lld", all[i].sql, (long long)time->as.integer);
    }
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

static void is_bytes(const struct outbox_value *value, uint32_t type, const char *bytes, uint32_t size)
{
    cr_assert_eq(value->type, type);
    cr_assert_eq(value->size, size);
    cr_assert_not_null(value->as.data);
    cr_assert_eq(memcmp(value->as.data, bytes, size), 0);
}

Test(sqlite_claim, values_of_every_type_keep_their_type)
{
    struct fixture fixture;
    open_plain(&fixture, "INSERT INTO outbox (event_id, payload) VALUES "
                         "('text', 'gr\xc3\xbc\xc3\x9f'), (x'000102030405060708090a0b0c0d0e0f', x'00ff'), (NULL, ''), "
                         "(7, x''), (1.5, NULL)");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(batch->rows, 5);
    is_bytes(value(batch, 0, FIXTURE_EVENT_ID), OUTBOX_TEXT, "text", 4);
    is_bytes(value(batch, 0, FIXTURE_PAYLOAD), OUTBOX_TEXT, "gr\xc3\xbc\xc3\x9f", 6);
    is_bytes(value(batch, 1, FIXTURE_EVENT_ID), OUTBOX_UUID,
             "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 16);
    is_bytes(value(batch, 1, FIXTURE_PAYLOAD), OUTBOX_BYTES, "\x00\xff", 2);
    cr_assert_eq(value(batch, 2, FIXTURE_EVENT_ID)->type, OUTBOX_NULL);
    is_bytes(value(batch, 2, FIXTURE_PAYLOAD), OUTBOX_TEXT, "", 0);
    cr_assert_eq(value(batch, 3, FIXTURE_EVENT_ID)->type, OUTBOX_INT);
    cr_assert_eq(value(batch, 3, FIXTURE_EVENT_ID)->as.integer, 7);
    is_bytes(value(batch, 3, FIXTURE_PAYLOAD), OUTBOX_BYTES, "", 0);
    cr_assert_eq(value(batch, 4, FIXTURE_EVENT_ID)->type, OUTBOX_FLOAT);
    cr_assert_float_eq(value(batch, 4, FIXTURE_EVENT_ID)->as.real, 1.5, 0);
    cr_assert_eq(value(batch, 4, FIXTURE_PAYLOAD)->type, OUTBOX_NULL);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_claim, text_of_a_utf16_database_is_utf8)
{
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    fixture_sql(fixture.path, "PRAGMA encoding = 'UTF-16le'; " TABLE);
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_sql(fixture.path, "INSERT INTO outbox (payload) VALUES ('gr\xc3\xbc\xc3\x9f'), ('')");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    is_bytes(value(batch, 0, FIXTURE_PAYLOAD), OUTBOX_TEXT, "gr\xc3\xbc\xc3\x9f", 6);
    is_bytes(value(batch, 1, FIXTURE_PAYLOAD), OUTBOX_TEXT, "", 0);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}

Test(sqlite_claim, columns_may_have_other_names)
{
    struct fixture fixture;
    fixture_open(&fixture, "  table: 'my \"events\"'\n"
                           "  columns: {id: 'the id', payload: body, event_id: uuid}\n");
    fixture_sql(
        fixture.path,
        "CREATE TABLE \"my \"\"events\"\"\" (\"the id\" INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, uuid TEXT)");
    cr_assert_eq(fixture_setup(&fixture), 0, "%s", fixture.error.text);
    fixture_sql(fixture.path, "INSERT INTO \"my \"\"events\"\"\" (body, uuid) VALUES ('b', 'u'), ('c', 'v')");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_own(&fixture);
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    is_bytes(value(batch, 0, FIXTURE_PAYLOAD), OUTBOX_TEXT, "b", 1);
    is_bytes(value(batch, 1, FIXTURE_EVENT_ID), OUTBOX_TEXT, "v", 1);
    cr_assert_eq(value(batch, 0, FIXTURE_CREATED_AT)->type, OUTBOX_NULL);
    cr_assert_eq(fixture_settle(&fixture, batch, 0, 1), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_dead_letter(&fixture, 2, "k", "why"), 0, "%s", fixture.error.text);
    fixture_release(&fixture, batch);
    cr_assert_str_eq(fixture_text(fixture.path, "SELECT id || payload || event_id FROM \"my \"\"events\"\"_dead\""),
                     "2cv");
    cr_assert_eq(fixture_number(fixture.path, "SELECT count(*) FROM \"my \"\"events\"\"\""), 0);
    fixture_close(&fixture);
}

/* Batches are used again: neither sizes nor leftovers of one may show in the next. */
Test(sqlite_claim, batches_of_changing_sizes_keep_their_values)
{
    struct fixture fixture;
    open_plain(&fixture, "SELECT 1");
    static const int sizes[] = {10, 100000, 1, 300000, 5000, 0, 20000};
    struct outbox_batch *held[2] = {NULL, NULL};
    for (int round = 0; round < 12; round++) {
        char sql[200];
        int size = sizes[round % 7], rows = 1 + round * 37 % 150;
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                 "INSERT INTO outbox (payload) SELECT zeroblob(%d) FROM n",
                 rows, size);
        fixture_sql(fixture.path, sql);
        struct outbox_batch *batch = fixture_claim(&fixture, 0);
        cr_assert_eq(batch->rows, (uint32_t)rows);
        for (uint32_t i = 0; i < batch->rows; i++) {
            cr_assert_eq(value(batch, i, FIXTURE_PAYLOAD)->size, (uint32_t)size);
            cr_assert(!size || !((const char *)value(batch, i, FIXTURE_PAYLOAD)->as.data)[size - 1]);
        }
        cr_assert_geq(batch->bytes, (uint64_t)rows * (uint64_t)size);
        fixture_release(&fixture, held[round % 2]);
        held[round % 2] = batch;
    }
    fixture_release(&fixture, held[0]);
    fixture_release(&fixture, held[1]);
    fixture_close(&fixture);
}

static uint64_t measure(struct fixture *fixture)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_MEASURE};
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                 fixture->error.text);
    cr_assert_null(claim.batch);
    return claim.ahead;
}

Test(sqlite_claim, claim_that_measures_counts_ids_and_returns_no_row)
{
    struct fixture fixture;
    open_plain(&fixture, "SELECT 1");
    cr_assert_eq(measure(&fixture), 0);
    fixture_sql(fixture.path, "INSERT INTO outbox (id, payload) VALUES (1000, 'a'), (1001, 'b'), (1009, 'c')");
    cr_assert_eq(measure(&fixture), 10, "an estimate: ids without a row count");
    struct outbox_batch *batch = fixture_claim(&fixture, 0);
    cr_assert_eq(batch->rows, 3, "a measurement claims nothing");
    cr_assert_eq(measure(&fixture), 0);
    fixture_sql(fixture.path, "INSERT INTO outbox (payload) VALUES ('d')");
    cr_assert_eq(measure(&fixture), 1);
    fixture_release(&fixture, batch);
    fixture_close(&fixture);
}
