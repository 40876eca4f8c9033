/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/claim_test.c - what a claim gives of an SQLite table: which rows, and their values */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#define TABLE "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id, payload, created_at)"

static const struct outbox_value *value(const struct outbox_batch *batch, uint32_t row, enum rig_column column)
{
    return &batch->values[(size_t)row * batch->columns + column];
}

/* Rows of a table without affinities, so that values arrive as the test wrote them. */
static void open_plain(struct rig *rig, const char *insert)
{
    rig_open(rig, NULL);
    rig_sql(rig->path, TABLE);
    cr_assert_eq(rig_setup(rig), 0, "%s", rig->error.text);
    rig_sql(rig->path, insert);
    cr_assert_eq(rig_start(rig, rig->store), 0, "%s", rig->error.text);
    rig_own(rig);
}

Test(sqlite_claim, lower_ids_are_swept)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    rig_sql(rig.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                      "(10, 'a', '1', 't'), (11, 'a', '1', 't'), (20, 'a', '1', 't')");
    struct outbox_batch *batch = rig_claim(&rig, 0);
    cr_assert_str_eq(rig_ids(batch), "10 11 20");
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
    rig_sql(rig.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                      "(5, 'a', '1', 't'), (15, 'a', '1', 't'), (12, 'a', '1', 't'), (30, 'a', '1', 't')");
    struct outbox_batch *late = rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP);
    cr_assert_str_eq(rig_ids(late), "5 12 15 30");
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP), "rows were given a second time");
    cr_assert_eq(rig_settle(&rig, batch, 0, 2), 0, "%s", rig.error.text);
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP), "rows were given a second time");
    rig_release(&rig, batch);
    rig_release(&rig, late);
    batch = rig_claim(&rig, OUTBOX_CLAIM_REWIND);
    cr_assert_str_eq(rig_ids(batch), "5 12 15 20 30");
    rig_release(&rig, batch);
    rig_close(&rig);
}

Test(sqlite_claim, the_last_of_all_ids_is_given_once)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_own(&rig);
    rig_sql(rig.path, "INSERT INTO outbox (id, aggregatetype, aggregateid, type) VALUES "
                      "(7, 'a', '1', 't'), (9223372036854775807, 'a', '1', 't')");
    struct outbox_batch *batch = rig_claim(&rig, 0);
    cr_assert_str_eq(rig_ids(batch), "7 9223372036854775807");
    cr_assert_null(rig_claim(&rig, 0));
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP));
    cr_assert_eq(rig_settle(&rig, batch, 0, 2), 0, "%s", rig.error.text);
    rig_release(&rig, batch);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 0);
    rig_close(&rig);
}

/* Rows of one key that are claimed again by their ids lie far apart: settling them must not touch those between. */
Test(sqlite_claim, settled_exact_rows_leave_the_ones_between_given)
{
    struct rig rig;
    rig_ready(&rig, NULL);
    rig_insert(&rig, 100);
    rig_own(&rig);
    rig_release(&rig, rig_claim(&rig, 0));
    const struct outbox_position exact[] = {{10, 0}, {50, 0}, {90, 0}};
    struct outbox_claim claim = {.max_rows = 3, .max_bytes = 1 << 20, .positions = exact, .position_count = 3};
    cr_assert_eq(harness_claim(&rig.harness, rig.store, &claim, &rig.error), 0, "%s", rig.error.text);
    cr_assert_str_eq(rig_ids(claim.batch), "10 50 90");
    cr_assert_eq(rig_settle(&rig, claim.batch, 0, 3), 0, "%s", rig.error.text);
    rig_release(&rig, claim.batch);
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM outbox"), 97);
    cr_assert_null(rig_claim(&rig, OUTBOX_CLAIM_ARM_WAKEUP), "rows were given a second time");
    rig_close(&rig);
}

Test(sqlite_claim, times_in_every_form)
{
    struct rig rig;
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
    open_plain(&rig, "SELECT 1");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "INSERT INTO outbox (payload, created_at) VALUES ('p', %s)", all[i].sql);
        rig_sql(rig.path, sql);
    }
    struct outbox_batch *batch = rig_claim(&rig, 0);
    cr_assert_eq(batch->rows, sizeof all / sizeof *all);
    for (uint32_t i = 0; i < batch->rows; i++) {
        const struct outbox_value *time = value(batch, i, RIG_CREATED_AT);
        cr_assert_eq(time->type, all[i].us == INT64_MIN ? OUTBOX_NULL : OUTBOX_TIME, "%s: type %u", all[i].sql,
                     time->type);
        if (time->type == OUTBOX_TIME)
            cr_assert_eq(time->as.integer, all[i].us, "%s: %lld", all[i].sql, (long long)time->as.integer);
    }
    rig_release(&rig, batch);
    rig_close(&rig);
}

static void is_bytes(const struct outbox_value *value, uint32_t type, const char *bytes, uint32_t size)
{
    cr_assert_eq(value->type, type);
    cr_assert_eq(value->size, size);
    cr_assert_not_null(value->as.data);
    cr_assert_eq(memcmp(value->as.data, bytes, size), 0);
}

Test(sqlite_claim, values_of_every_type)
{
    struct rig rig;
    open_plain(&rig, "INSERT INTO outbox (event_id, payload) VALUES "
                     "('text', 'gr\xc3\xbc\xc3\x9f'), (x'000102030405060708090a0b0c0d0e0f', x'00ff'), (NULL, ''), "
                     "(7, x''), (1.5, NULL)");
    struct outbox_batch *batch = rig_claim(&rig, 0);
    cr_assert_eq(batch->rows, 5);
    is_bytes(value(batch, 0, RIG_EVENT_ID), OUTBOX_TEXT, "text", 4);
    is_bytes(value(batch, 0, RIG_PAYLOAD), OUTBOX_TEXT, "gr\xc3\xbc\xc3\x9f", 6);
    is_bytes(value(batch, 1, RIG_EVENT_ID), OUTBOX_UUID,
             "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 16);
    is_bytes(value(batch, 1, RIG_PAYLOAD), OUTBOX_BYTES, "\x00\xff", 2);
    cr_assert_eq(value(batch, 2, RIG_EVENT_ID)->type, OUTBOX_NULL);
    is_bytes(value(batch, 2, RIG_PAYLOAD), OUTBOX_TEXT, "", 0);
    cr_assert_eq(value(batch, 3, RIG_EVENT_ID)->type, OUTBOX_INT);
    cr_assert_eq(value(batch, 3, RIG_EVENT_ID)->as.integer, 7);
    is_bytes(value(batch, 3, RIG_PAYLOAD), OUTBOX_BYTES, "", 0);
    cr_assert_eq(value(batch, 4, RIG_EVENT_ID)->type, OUTBOX_FLOAT);
    cr_assert_float_eq(value(batch, 4, RIG_EVENT_ID)->as.real, 1.5, 0);
    cr_assert_eq(value(batch, 4, RIG_PAYLOAD)->type, OUTBOX_NULL);
    rig_release(&rig, batch);
    rig_close(&rig);
}

Test(sqlite_claim, text_of_a_utf16_database_is_utf8)
{
    struct rig rig;
    rig_open(&rig, NULL);
    rig_sql(rig.path, "PRAGMA encoding = 'UTF-16le'; " TABLE);
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig_sql(rig.path, "INSERT INTO outbox (payload) VALUES ('gr\xc3\xbc\xc3\x9f'), ('')");
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_own(&rig);
    struct outbox_batch *batch = rig_claim(&rig, 0);
    is_bytes(value(batch, 0, RIG_PAYLOAD), OUTBOX_TEXT, "gr\xc3\xbc\xc3\x9f", 6);
    is_bytes(value(batch, 1, RIG_PAYLOAD), OUTBOX_TEXT, "", 0);
    rig_release(&rig, batch);
    rig_close(&rig);
}

Test(sqlite_claim, columns_by_names_of_their_own)
{
    struct rig rig;
    rig_open(&rig, "  table: 'my \"events\"'\n"
                   "  columns: {id: 'the id', payload: body, event_id: uuid}\n");
    rig_sql(rig.path,
            "CREATE TABLE \"my \"\"events\"\"\" (\"the id\" INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, uuid TEXT)");
    cr_assert_eq(rig_setup(&rig), 0, "%s", rig.error.text);
    rig_sql(rig.path, "INSERT INTO \"my \"\"events\"\"\" (body, uuid) VALUES ('b', 'u'), ('c', 'v')");
    cr_assert_eq(rig_start(&rig, rig.store), 0, "%s", rig.error.text);
    rig_own(&rig);
    struct outbox_batch *batch = rig_claim(&rig, 0);
    is_bytes(value(batch, 0, RIG_PAYLOAD), OUTBOX_TEXT, "b", 1);
    is_bytes(value(batch, 1, RIG_EVENT_ID), OUTBOX_TEXT, "v", 1);
    cr_assert_eq(value(batch, 0, RIG_CREATED_AT)->type, OUTBOX_NULL);
    cr_assert_eq(rig_settle(&rig, batch, 0, 1), 0, "%s", rig.error.text);
    cr_assert_eq(rig_park(&rig, 2, "k", "why"), 0, "%s", rig.error.text);
    rig_release(&rig, batch);
    cr_assert_str_eq(rig_text(rig.path, "SELECT id || payload || event_id FROM \"my \"\"events\"\"_dead\""), "2cv");
    cr_assert_eq(rig_number(rig.path, "SELECT count(*) FROM \"my \"\"events\"\"\""), 0);
    rig_close(&rig);
}

/* Batches are used again: neither sizes nor leftovers of one may show in the next. */
Test(sqlite_claim, batches_of_changing_sizes)
{
    struct rig rig;
    open_plain(&rig, "SELECT 1");
    static const int sizes[] = {10, 100000, 1, 300000, 5000, 0, 20000};
    struct outbox_batch *held[2] = {NULL, NULL};
    for (int round = 0; round < 12; round++) {
        char sql[200];
        int size = sizes[round % 7], rows = 1 + round * 37 % 150;
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                 "INSERT INTO outbox (payload) SELECT zeroblob(%d) FROM n",
                 rows, size);
        rig_sql(rig.path, sql);
        struct outbox_batch *batch = rig_claim(&rig, 0);
        cr_assert_eq(batch->rows, (uint32_t)rows);
        for (uint32_t i = 0; i < batch->rows; i++) {
            cr_assert_eq(value(batch, i, RIG_PAYLOAD)->size, (uint32_t)size);
            cr_assert(!size || !((const char *)value(batch, i, RIG_PAYLOAD)->as.data)[size - 1]);
        }
        cr_assert_geq(batch->bytes, (uint64_t)rows * (uint64_t)size);
        rig_release(&rig, held[round % 2]);
        held[round % 2] = batch;
    }
    rig_release(&rig, held[0]);
    rig_release(&rig, held[1]);
    rig_close(&rig);
}
