/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/unreadable_rows_test.c - rows whose content the server cannot give out: one stops no other
 *
 * Postgres: a value of an enum type that is no more. MySQL: a virtual column whose expression is out of range. MariaDB
 * gives out any row: there such a column comes with a value.
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* ---- the fixture's part ------------------------------------------------------------------------------------------ */

/* A table whose column payload fails for rows of the state 'bad'; the state is in `n`. */
static void open_table(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, "");
    fixture_run(fixture, "DROP TABLE %s"); /* what else there is remains */
    if (server_kind() == POSTGRES)
        fixture_run(fixture,
                    "CREATE TYPE %s_type AS ENUM ('good', 'bad'); CREATE TABLE %s (id bigint GENERATED ALWAYS AS "
                    "IDENTITY PRIMARY KEY, event_id text, aggregateid text, payload %s_type, created_at timestamptz)");
    else
        fixture_run(fixture, "CREATE TABLE %s (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, event_id "
                             "VARCHAR(36), aggregateid VARCHAR(20), n BIGINT UNSIGNED, created_at TIMESTAMP(6) NULL)");
}

static void insert_states(struct sql_fixture *fixture, const char *states)
{
    for (; *states; states++) {
        bool good = *states == '.';
        fixture_run(fixture, BY_SERVER(good ? "INSERT INTO %s (aggregateid, payload) VALUES ('k', 'good')"
                                            : "INSERT INTO %s (aggregateid, payload) VALUES ('k', 'bad')",
                                       good ? "INSERT INTO %s (aggregateid, n) VALUES ('k', 20)"
                                            : "INSERT INTO %s (aggregateid, n) VALUES ('k', 5)"));
    }
}

/* From now on the bad rows cannot be read. */
static void spoil(struct sql_fixture *fixture)
{
    fixture_run(fixture,
                BY_SERVER("DELETE FROM pg_enum WHERE enumlabel = 'bad' AND enumtypid = '%s_type'::regtype",
                          "ALTER TABLE %s ADD COLUMN payload BIGINT UNSIGNED GENERATED ALWAYS AS (n - 10) VIRTUAL"));
}

static const char *reason_of(const struct outbox_batch *batch, uint32_t row)
{
    return batch->unreadable ? batch->unreadable[row] : NULL;
}

/* Claim until nothing comes: 'x' for a row that cannot be read, '.' for the others; each id once, in order. */
static void claim_all(struct sql_fixture *fixture, char *states, uint32_t room)
{
    uint32_t count = 0;
    for (struct outbox_batch *batch; (batch = fixture_claim_batch(fixture, 1000, 1 << 20));) {
        for (uint32_t row = 0; row < batch->rows; row++) {
            bool bad = reason_of(batch, row);
            cr_assert_lt(count + 1, room);
            cr_assert_eq(batch->positions[row].major, count + 1);
            cr_assert_eq(batch->values[row * batch->columns + 2].type == OUTBOX_NULL, bad, "payload of %u", count + 1);
            cr_assert_eq(batch->values[row * batch->columns + 1].type, OUTBOX_TEXT, "the key is there");
            states[count++] = bad ? 'x' : '.';
        }
        obx_store_release(fixture->store, batch);
    }
    states[count] = '\0';
}

static bool can_fail(void)
{
    return server_kind() != MARIADB;
}

static void expect_claimed(struct sql_fixture *fixture, const char *inserted)
{
    char states[64], expected[64];
    snprintf(expected, sizeof expected, "%s", inserted);
    for (char *at = expected; *at && !can_fail(); at++)
        *at = '.';
    claim_all(fixture, states, sizeof states);
    cr_assert_str_eq(states, expected);
}

static void expect_states(const char *table, const char *expected)
{
    struct sql_fixture fixture;
    open_table(&fixture, table);
    insert_states(&fixture, expected);
    spoil(&fixture);
    fixture_begin(&fixture);
    expect_claimed(&fixture, expected);
    cr_assert_eq(fixture.base.losses, 0);
    fixture_close(&fixture);
}

/* ---- check ------------------------------------------------------------------------------------------------------- */

Test(unreadable_rows, check_names_each_of_them)
{
    struct sql_fixture fixture;
    open_table(&fixture, "unreadable_checked");
    insert_states(&fixture, "..x.x.");
    spoil(&fixture);
    cr_assert_eq(loop_fixture_store_start(&fixture.base, fixture.store, NULL, 0, &fixture.error), 0, "%s",
                 fixture.error.text);
    cr_assert_eq(fixture_check(&fixture, "cannot be read: ").count, can_fail() ? 2 : 0);
    const char *schema = BY_SERVER("public", "outbox");
    for (int id = 1; id <= 6; id++) {
        char text[80];
        snprintf(text, sizeof text, "row %d of table %s.unreadable_checked cannot be read: ", id, schema);
        cr_assert_eq(fixture_check(&fixture, text).count, can_fail() && (id == 3 || id == 5), "row %d", id);
    }
    fixture_close(&fixture);
}

/* ---- claims ------------------------------------------------------------------------------------------------------ */

Test(unreadable_rows, row_in_the_middle_stops_no_other)
{
    expect_states("unreadable_middle", "...x....");
}

Test(unreadable_rows, first_and_last_rows_stop_no_other)
{
    expect_states("unreadable_ends", "x.....x");
}

Test(unreadable_rows, neighbours_stop_no_other)
{
    expect_states("unreadable_neighbours", ".xxx..x.x");
}

Test(unreadable_rows, all_rows_are_named)
{
    expect_states("unreadable_all", "xxxxx");
}

Test(unreadable_rows, claim_by_position_gives_the_row_and_the_reason)
{
    struct sql_fixture fixture;
    const struct outbox_position positions[] = {{1, 0}, {2, 0}, {3, 0}};
    open_table(&fixture, "unreadable_position");
    insert_states(&fixture, ".x.");
    spoil(&fixture);
    fixture_begin(&fixture);
    expect_claimed(&fixture, ".x.");
    bool seen[4] = {false};
    for (uint32_t at = 0; at < 3;) { /* as a relay does: what has not come is asked for again */
        struct outbox_claim claim = {.struct_size = sizeof claim,
                                     .max_rows = 3 - at,
                                     .max_bytes = 1 << 20,
                                     .positions = positions + at,
                                     .position_count = 3 - at};
        cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s",
                     fixture.error.text);
        cr_assert_not_null(claim.batch);
        cr_assert_eq(!(claim.batch->flags & OUTBOX_BATCH_MORE), at + claim.batch->rows == 3);
        for (uint32_t row = 0; row < claim.batch->rows; row++) {
            uint64_t id = claim.batch->positions[row].major;
            seen[id] = true;
            cr_assert_eq(reason_of(claim.batch, row) != NULL, id == 2 && can_fail());
            if (id == 2 && can_fail())
                cr_assert_eq(strncmp(reason_of(claim.batch, row), "column payload: ", 16), 0, "%s",
                             reason_of(claim.batch, row));
        }
        at += claim.batch->rows;
        obx_store_release(fixture.store, claim.batch);
    }
    cr_assert(seen[1] && seen[2] && seen[3]);
    fixture_close(&fixture);
}

/* A row that is mended comes as a whole. */
Test(unreadable_rows, row_that_was_corrected_is_read)
{
    struct sql_fixture fixture;
    open_table(&fixture, "unreadable_mended");
    insert_states(&fixture, ".x.");
    spoil(&fixture);
    fixture_begin(&fixture);
    expect_claimed(&fixture, ".x.");
    fixture_run(&fixture,
                BY_SERVER("UPDATE %s SET payload = 'good' WHERE id = 2",
                          "ALTER TABLE %s DROP COLUMN payload, ADD COLUMN payload BIGINT UNSIGNED AS (n + 10) "
                          "VIRTUAL"));
    const struct outbox_position position = {2, 0};
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .max_rows = 1, .max_bytes = 1 << 20, .positions = &position, .position_count = 1};
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert_not_null(claim.batch);
    cr_assert_null(claim.batch->unreadable);
    cr_assert_neq(claim.batch->values[2].type, OUTBOX_NULL);
    obx_store_release(fixture.store, claim.batch);
    fixture_close(&fixture);
}

Test(unreadable_rows, few_among_thousands_cost_few_claims, .timeout = 300)
{
    struct sql_fixture fixture;
    open_table(&fixture, "unreadable_few");
    insert_states(&fixture, "x");
    insert_states(&fixture, ".");
    for (int i = 0; i < 10; i++)
        fixture_run(&fixture, BY_SERVER("INSERT INTO %s (aggregateid, payload) SELECT aggregateid, 'good' FROM %s",
                                        "INSERT INTO %s (aggregateid, n) SELECT aggregateid, 20 FROM %s"));
    insert_states(&fixture, "x");
    spoil(&fixture);
    fixture_begin(&fixture);
    uint32_t rows = 0, unreadable = 0, claims = 0;
    for (struct outbox_batch *batch; (batch = fixture_claim_batch(&fixture, 2000, 1 << 22)); claims++) {
        rows += batch->rows;
        for (uint32_t row = 0; row < batch->rows; row++)
            unreadable += reason_of(batch, row) != NULL;
        obx_store_release(fixture.store, batch);
    }
    cr_assert_eq((int64_t)rows, fixture_count_rows(&fixture));
    cr_assert_eq(unreadable, can_fail() ? 2 : 0);
    cr_assert_lt(claims, 40, "%u claims", claims);
    fixture_close(&fixture);
}
