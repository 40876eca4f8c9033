/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture_rows_test.c - `capture_rows`: inserted rows are events of the log */
#include "capture.h"

#define ROWS CAPTURE "  capture_rows: true\n"

static void open_rows(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, ROWS);
}

/* The habit of Debezium: the row is there for the log only. */
static void insert_and_delete(struct sql_fixture *fixture, const char *key)
{
    fixture_run(fixture, "BEGIN");
    fixture_insert(fixture, fixture->sql, key);
    fixture_run(fixture, "DELETE FROM %s WHERE id < 4611686018427387904");
    fixture_run(fixture, "COMMIT");
}

Test(capture_rows, rows_that_their_transaction_deletes_come)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_deleted");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    emit(&fixture, "b");
    insert_and_delete(&fixture, "c");
    fixture_run(&fixture, "BEGIN");
    fixture_insert(&fixture, fixture.sql, "x");
    fixture_run(&fixture, "ROLLBACK");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "abc");
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    close_capture(&fixture);
}

Test(capture_rows, a_row_that_stays_comes_once)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_stays");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    cr_assert_eq(settle(&fixture, NULL, BASE + 1), 0, "%s", fixture.error.text);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    close_capture(&fixture);
}

Test(capture_rows, a_copy_does_not_come_again_from_the_log)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_copy");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    insert_and_delete(&fixture, "b");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert_eq(spool(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, 0, "b");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    close_capture(&fixture);
}

/* The row of the table has the event id already. */
Test(capture_rows, a_copy_that_conflicts_with_another_unique_key_is_a_dead_letter)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_conflict");
    fixture_run(&fixture, "CREATE UNIQUE INDEX ON %s (event_id)");
    fixture_begin(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert_eq(spool(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(sequence(&fixture), 1);
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM %s_dead WHERE aggregateid = 'a' AND payload = 'x' AND "
                                       "reason ~ concat('^', event_id, ': .*duplicate key')"),
                 1);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    close_capture(&fixture);
}

Test(capture_rows, values_are_those_of_the_row)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_values");
    fixture_begin(&fixture);
    fixture_run(&fixture, "INSERT INTO %s (event_id, aggregatetype, aggregateid, type, payload, created_at) VALUES "
                          "('00112233-4455-6677-8899-aabbccddeeff', 'order', 'a', 'placed', '\\x00ff', '2001-02-03 "
                          "04:05:06.789+02')");
    fixture_run(&fixture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('o', '', 't', NULL)");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    const struct outbox_value *values = batch->values;
    cr_assert(values[0].type == OUTBOX_UUID && ((const unsigned char *)values[0].as.data)[15] == 0xff);
    cr_assert(values[2].type == OUTBOX_BYTES && values[2].size == 2 && !memcmp(values[2].as.data, "\0\xff", 2));
    cr_assert(values[3].type == OUTBOX_TIME);
    cr_assert_eq(values[3].as.integer, INT64_C(981165906789000));
    obx_store_release(fixture.store, batch);
    batch = claim_events(&fixture, 0, 1);
    values = batch->values;
    cr_assert(values[1].type == OUTBOX_TEXT && values[1].size == 0);
    cr_assert_eq(values[2].type, OUTBOX_NULL);
    obx_store_release(fixture.store, batch);
    close_capture(&fixture);
}

/* P14. */
Test(capture_rows, columns_that_change_are_followed)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_alter");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    fixture_run(&fixture, "ALTER TABLE %s ADD COLUMN tenant text DEFAULT 't'");
    insert_and_delete(&fixture, "b");
    fixture_run(&fixture, "ALTER TABLE %s DROP COLUMN headers");
    insert_and_delete(&fixture, "c");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "abc");
    close_capture(&fixture);
}

/* P17. */
Test(capture_rows, a_large_value_comes_whole)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_toast");
    fixture_begin(&fixture);
    fixture_run(&fixture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) SELECT 'o', 'a', 't', "
                          "string_agg(sha512(n::text::bytea), '') FROM generate_series(1, 4096) n");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert_eq(batch->values[2].size, 4096 * 64);
    obx_store_release(fixture.store, batch);
    close_capture(&fixture);
}

static int claim_until_failure(struct sql_fixture *fixture, uint32_t flags)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    for (;; flags = 0) {
        struct outbox_claim claim = {.struct_size = sizeof claim, .flags = flags, .max_rows = 10, .max_bytes = 1 << 20};
        int code = loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error);
        if (code)
            return code;
        if (claim.batch)
            obx_store_release(fixture->store, claim.batch);
        cr_assert_lt(fixture_now_ms(), end);
    }
}

static void expect_payload(struct sql_fixture *fixture, uint32_t flags, const char *text)
{
    struct outbox_batch *batch = claim_events(fixture, flags, 1);
    const struct outbox_value *payload = &batch->values[2];
    cr_assert(payload->size == strlen(text) && !memcmp(payload->as.data, text, payload->size));
    obx_store_release(fixture->store, batch);
}

#define INSERT_BODY "INSERT INTO %s (aggregatetype, aggregateid, type, body) VALUES ('o', 'b', 't', 'x')"

static void restart_with(struct sql_fixture *fixture, const char *yaml)
{
    fixture_stop(fixture);
    fixture_reconfigure(fixture, &(struct server_place){0}, yaml);
    fixture_begin(fixture);
}

/* P14: its values must not come as null. */
Test(capture_rows, a_column_that_is_renamed_is_named)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_renamed");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    cr_assert_eq(settle(&fixture, NULL, BASE + 1), 0, "%s", fixture.error.text);
    fixture_run(&fixture, "ALTER TABLE %s RENAME payload TO body");
    fixture_run(&fixture, INSERT_BODY);
    cr_assert_eq(claim_until_failure(&fixture, 0), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "the table has the column \"body\" in the place of \"payload\""), "%s",
              fixture.error.text);
    restart_with(&fixture, ROWS "  columns:\n    payload: body\n");
    expect_payload(&fixture, OUTBOX_CLAIM_REWIND, "x");
    close_capture(&fixture);
}

/* The log does not have it. */
Test(capture_rows, a_generated_column_of_the_route_is_refused)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_generated");
    fixture_run(&fixture,
                "ALTER TABLE %s DROP created_at, ADD created_at timestamptz GENERATED ALWAYS AS (NULL) STORED");
    restart_with(&fixture, ROWS);
    cr_assert_eq(claim_until_failure(&fixture, OUTBOX_CLAIM_REWIND), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "the route needs a generated column"), "%s", fixture.error.text);
    close_capture(&fixture);
}

/* As in a table of Debezium. */
Test(capture_rows, a_table_may_lack_optional_columns_of_the_route)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_few");
    fixture_run(&fixture, "ALTER TABLE %s DROP created_at");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert_eq(batch->values[3].type, OUTBOX_TIME); /* when it was committed */
    obx_store_release(fixture.store, batch);
    close_capture(&fixture);
}

Test(capture_rows, rows_from_before_a_column_was_renamed_are_named)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_waits");
    insert_and_delete(&fixture, "a");
    fixture_run(&fixture, "ALTER TABLE %s RENAME payload TO body");
    fixture_reconfigure(&fixture, &(struct server_place){0}, ROWS "  columns:\n    payload: body\n");
    fixture_begin(&fixture);
    cr_assert_eq(claim_until_failure(&fixture, OUTBOX_CLAIM_REWIND), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "the table has the column \"payload\" in the place of \"body\""), "%s",
              fixture.error.text);
    fixture_run(&fixture, "ALTER TABLE %s RENAME body TO payload");
    restart_with(&fixture, ROWS);
    expect_payload(&fixture, OUTBOX_CLAIM_REWIND, "x");
    close_capture(&fixture);
}

Test(capture_rows, a_column_of_the_route_that_is_dropped_is_named)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_lacks");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    fixture_run(&fixture, "ALTER TABLE %s DROP COLUMN payload");
    fixture_run(&fixture, "INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'b', 't')");
    cr_assert_eq(claim_until_failure(&fixture, 0), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "the column \"payload\", which the route needs, was dropped"), "%s",
              fixture.error.text);
    close_capture(&fixture);
}

/* Also of a child of a child. */
Test(capture_rows, check_names_tables_that_inherit)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_parent");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "a child of the table, are no events").count, 0);
    fixture_run(&fixture, "CREATE TABLE %s_b () INHERITS (%s)");
    fixture_run(&fixture, "CREATE TABLE %s_c () INHERITS (%s_b)");
    struct fixture_findings found = fixture_check(&fixture, "a child of the table, are no events");
    cr_assert(found.count == 2 && found.severity == OUTBOX_SEVERITY_ERROR && found.advised);
    fixture_run(&fixture, "DROP TABLE %s_b CASCADE");
    close_capture(&fixture);
}

/* P4: what is inserted while the table is out of the publication is lost. */
Test(capture_rows, a_table_that_left_the_publication_is_refused_and_named_by_check)
{
    struct sql_fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 10};
    open_rows(&fixture, "row_left");
    fixture_begin(&fixture);
    fixture_run(&fixture, "ALTER PUBLICATION \"outbox:%s\" DROP TABLE %s");
    struct fixture_findings found = fixture_check(&fixture, "has no inserts into the table");
    cr_assert(found.count == 1 && found.severity == OUTBOX_SEVERITY_ERROR && *found.command);
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "for inserts into the table"), "%s", fixture.error.text);
    close_capture(&fixture);
}

/* P4, while the log is read: the server repeats the columns, and the entry has another OID. */
Test(capture_rows, a_table_that_left_the_publication_and_came_back_is_noticed)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_back");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    cr_assert_eq(settle(&fixture, NULL, BASE + 1), 0, "%s", fixture.error.text);
    fixture_run(&fixture, "ALTER PUBLICATION \"outbox:%s\" DROP TABLE %s");
    insert_and_delete(&fixture, "x");
    fixture_run(&fixture, "ALTER PUBLICATION \"outbox:%s\" ADD TABLE %s");
    insert_and_delete(&fixture, "b");
    cr_assert_eq(claim_until_failure(&fixture, 0), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "the table has left the publication outbox:row_back and come back"), "%s",
              fixture.error.text);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){0}, ROWS); /* another process knows it, too */
    fixture_begin(&fixture);
    cr_assert_eq(claim_until_failure(&fixture, 0), OUTBOX_E_SCHEMA);
    close_capture(&fixture);
}

/* P3, while the log is read: 14 to 17 give an error, 18 a warning. */
Test(capture_rows, a_publication_that_is_dropped_ends_the_reading)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_dropped");
    fixture_begin(&fixture);
    insert_and_delete(&fixture, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    fixture_run(&fixture, "DROP PUBLICATION \"outbox:%s\"");
    insert_and_delete(&fixture, "x");
    cr_assert_eq(claim_until_failure(&fixture, 0), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "outbox:row_dropped\""), "%s", fixture.error.text);
    close_capture(&fixture);
}

/* ---- the look-up of the publication ------------------------------------------------------------------------------ */

/* Its catalog is locked, so a look-up waits; the server itself has it in its cache. */
static void lock_entries(struct session *session)
{
    session_run(session, "BEGIN");
    session_run(session, "LOCK TABLE pg_publication_rel");
}

/* The server repeats the columns before the row. A DELETE would wait for the catalog, too. */
static void insert_after_alter(struct sql_fixture *fixture, const char *column, const char *key)
{
    char sql[80];
    snprintf(sql, sizeof sql, "ALTER TABLE %%s ADD COLUMN %s text", column);
    fixture_run(fixture, sql);
    fixture_insert(fixture, fixture->sql, key);
}

static struct session *open_with_waiting_look_up(struct sql_fixture *fixture, const char *table)
{
    struct session *other = session_open();
    open_rows(fixture, table);
    fixture_begin(fixture);
    insert_and_delete(fixture, "a");
    expect_keys(fixture, OUTBOX_CLAIM_REWIND, "a");
    lock_entries(other);
    insert_after_alter(fixture, "more", "b");
    fixture_await_lock_wait(fixture);
    return other;
}

#define LOOK_UPS "pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'outbox %%'"

static bool is_lost_once(void *arg)
{
    const struct sql_fixture *fixture = arg;
    return fixture->base.losses == 1;
}

/* Rows could be missing: the host begins again. */
Test(capture_rows, a_publication_that_cannot_be_read_ends_the_reading)
{
    struct sql_fixture fixture;
    struct session *other = open_with_waiting_look_up(&fixture, "row_unread");
    cr_assert_eq(fixture_run_on(&fixture, other, "SELECT count(pg_cancel_backend(pid)) FROM " LOOK_UPS), 1);
    session_run(other, "COMMIT");
    cr_assert(loop_fixture_until(&fixture.base, is_lost_once, &fixture));
    cr_assert(strstr(fixture.base.loss.text, "read the publication"), "%s", fixture.base.loss.text);
    session_close(other);
    fixture_begin_again(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    close_capture(&fixture);
}

Test(capture_rows, a_session_that_is_lost_during_the_look_up_costs_no_row)
{
    struct sql_fixture fixture;
    struct session *other = open_with_waiting_look_up(&fixture, "row_session");
    cr_assert_eq(fixture_run_on(&fixture, other, "SELECT count(pg_terminate_backend(pid)) FROM " LOOK_UPS), 1);
    session_run(other, "COMMIT");
    cr_assert_eq(claim_until_failure(&fixture, 0), OUTBOX_E_NOT_CONNECTED, "%s", fixture.error.text);
    session_close(other);
    fixture_begin_again(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    close_capture(&fixture);
}

static bool is_sent(void *arg)
{
    return fixture_run(arg, "SELECT count(*) FROM pg_stat_replication, %s_sent WHERE sent_lsn >= lsn") == 1;
}

/* Turns the loop until the stream has had all that was written. */
static void await_sent(struct sql_fixture *fixture)
{
    fixture_run(fixture, "CREATE TABLE %s_sent AS SELECT pg_current_wal_insert_lsn() lsn");
    write_log(fixture, 1);
    cr_assert(loop_fixture_poll(&fixture->base, is_sent, fixture));
    fixture_run(fixture, "DROP TABLE %s_sent");
}

static void await_waiting(struct session *session, int64_t count)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (session_run(session, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") < count)
        cr_assert_lt(fixture_now_ms(), end);
}

/* The columns come again while a look-up is in flight, whose answer may be older: it is followed by another one. The
 * entry is made anew between the two. */
Test(capture_rows, columns_that_come_during_the_look_up_cause_another_one)
{
    struct sql_fixture fixture;
    struct session *other = open_with_waiting_look_up(&fixture, "row_twice"), *next = session_open();
    PGconn *pg = session_handle(next);
    insert_after_alter(&fixture, "again", "c");
    await_sent(&fixture);
    cr_assert(PQsendQuery(pg, "BEGIN; LOCK TABLE pg_publication_rel"));
    await_waiting(fixture.sql, 2);
    session_run(other, "COMMIT");
    for (PGresult *result; (result = PQgetResult(pg));)
        PQclear(result);
    fixture_run_on(&fixture, next, "ALTER PUBLICATION \"outbox:%s\" DROP TABLE %s");
    fixture_run_on(&fixture, next, "ALTER PUBLICATION \"outbox:%s\" ADD TABLE %s");
    session_run(next, "COMMIT");
    cr_assert_eq(claim_until_failure(&fixture, 0), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "the table has left the publication outbox:row_twice and come back"), "%s",
              fixture.error.text);
    session_close(other);
    session_close(next);
    close_capture(&fixture);
}

/* ---- columns that change their type ------------------------------------------------------------------------------ */

/* The server prints a value by the type that its column had when the row was written. */
static void insert_payload(struct sql_fixture *fixture, const char *payload)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) VALUES ('o', 'a', 't', '%s')", payload);
    fixture_run(fixture, sql);
}

#define TO_TEXT "ALTER TABLE %s ALTER COLUMN payload TYPE text USING convert_from(payload, 'UTF8')"
#define TO_BYTEA "ALTER TABLE %s ALTER COLUMN payload TYPE bytea USING convert_to(payload, 'UTF8')"

Test(capture_rows, a_text_from_before_its_column_became_bytea_keeps_its_value)
{
    static const char *const texts[] = {"", "x", "hello", "\\x6", "\\x6g", "\\x6f6b"};
    for (size_t i = 0; i < OBX_COUNT(texts); i++) {
        struct sql_fixture fixture;
        char table[32];
        snprintf(table, sizeof table, "row_text_%d", (int)i);
        open_rows(&fixture, table);
        fixture_run(&fixture, TO_TEXT);
        insert_payload(&fixture, texts[i]);
        fixture_run(&fixture, TO_BYTEA);
        fixture_begin(&fixture);
        expect_payload(&fixture, OUTBOX_CLAIM_REWIND, texts[i]);
        close_capture(&fixture);
    }
}

Test(capture_rows, values_keep_while_their_column_changes_its_type)
{
    struct sql_fixture fixture;
    open_rows(&fixture, "row_retyped");
    fixture_begin(&fixture);
    insert_payload(&fixture, "bytes");
    expect_payload(&fixture, OUTBOX_CLAIM_REWIND, "bytes");
    fixture_run(&fixture, TO_TEXT);
    insert_payload(&fixture, "\\x6f6b");
    expect_payload(&fixture, 0, "\\x6f6b");
    fixture_run(&fixture, TO_BYTEA);
    insert_payload(&fixture, "bytes again");
    expect_payload(&fixture, 0, "bytes again");
    close_capture(&fixture);
}

Test(capture_rows, a_table_whose_rows_cannot_be_events_is_refused)
{
    struct sql_fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 10};
    open_rows(&fixture, "row_refused");
    fixture_run(&fixture, "ALTER TABLE %s ALTER COLUMN event_id DROP DEFAULT, ALTER COLUMN event_id TYPE text");
    fixture_begin(&fixture);
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "its event id is no uuid"), "%s", fixture.error.text);
    close_capture(&fixture);
}
