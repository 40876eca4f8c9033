/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/writer_test.c - the writer's library: events in the caller's own transaction */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_event event_with(const void *payload, size_t size)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("7"),
                                 .type = text("placed"),
                                 .payload = {payload, size}};
}

static int64_t add(struct sql_fixture *fixture, const struct outbox_event *event)
{
    int64_t id = 0;
    cr_assert_eq(server_add(fixture->sql, fixture->table, event, &id, &fixture->error), 0, "%s", fixture->error.text);
    return id;
}

static void refused(struct sql_fixture *fixture, const char *table, const struct outbox_event *event, int code,
                    const char *why)
{
    cr_assert_eq(server_add(fixture->sql, table, event, NULL, &fixture->error), code, "%d: %s", fixture->error.code,
                 fixture->error.text);
    cr_assert_str_eq(fixture->error.text, why);
}

Test(writer, event_commits_and_rolls_back_with_the_transaction)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "written", true, "");
    struct outbox_event event = event_with("hello", 5);
    session_run(fixture.sql, "BEGIN");
    cr_assert_eq(add(&fixture, &event), 1);
    session_run(fixture.sql, "ROLLBACK");
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    session_run(fixture.sql, "BEGIN");
    cr_assert_eq(add(&fixture, &event), 2);
    session_run(fixture.sql, "COMMIT");
    cr_assert_eq(
        fixture_run(&fixture, BY_SERVER("SELECT COUNT(*) FROM %s WHERE payload = 'hello' AND event_id IS NOT NULL",
                                        "SELECT COUNT(*) FROM %s WHERE payload = 'hello' AND LENGTH(event_id) = 36")),
        1);
    fixture_close(&fixture);
}

Test(writer, fields_are_stored_unchanged_for_any_connection_character_set)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "fields", true, "");
    struct outbox_event event = event_with(NULL, 0);
    event.event_id = text("00112233-4455-6677-8899-aabbccddeeff");
    event.aggregate_id = text("gr\xc3\xbc\xc3\x9f'\\\xf0\x9f\x93\xae");
    event.headers = text("{\"a\": \"\xc3\xbc\"}");
    session_run(fixture.sql, BY_SERVER("SET client_encoding = 'UTF8'", "SET NAMES latin1"));
    add(&fixture, &event);
    cr_assert_eq(
        fixture_run(&fixture,
                    BY_SERVER("SELECT COUNT(*) FROM %s WHERE payload IS NULL AND event_id = "
                              "'00112233-4455-6677-8899-aabbccddeeff' AND convert_to(aggregateid, 'UTF8') = "
                              "'\\x6772c3bcc39f275cf09f93ae' AND convert_to(headers->>'a', 'UTF8') = '\\xc3bc'",
                              "SELECT COUNT(*) FROM %s WHERE payload IS NULL AND event_id = "
                              "'00112233-4455-6677-8899-aabbccddeeff' AND HEX(aggregateid) = "
                              "'6772C3BCC39F275CF09F93AE' AND HEX(JSON_UNQUOTE(JSON_EXTRACT(headers, '$.a'))) = "
                              "'C3BC'")),
        1);
    fixture_close(&fixture);
}

Test(writer, statement_for_callers_inserts_the_same_row)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "by_statement", true, "");
    struct outbox_event event = event_with("gr\xc3\xbc\xc3\x9f'\\", 8);
    event.event_id = text("00112233-4455-6677-8899-aabbccddeeff");
    event.headers = text("{\"a\": \"\xc3\xbc\"}");
    add(&fixture, &event);
    cr_assert_eq(server_add_by_statement(fixture.sql, fixture.table, &event, &fixture.error), 0, "%s",
                 fixture.error.text);
    cr_expect_eq(fixture_count_rows(&fixture), 2);
    cr_expect_eq(fixture_run(&fixture,
                             "SELECT COUNT(DISTINCT CONCAT(event_id, aggregatetype, aggregateid, type, payload, "
                             "headers)) FROM %s"),
                 1);
    fixture_close(&fixture);
}

static void expect_payload(const char *table, const char *type, const char *bytes, size_t size, const char *test)
{
    struct sql_fixture fixture;
    char sql[400];
    fixture_open(&fixture, table, true, "");
    snprintf(sql, sizeof sql,
             BY_SERVER("ALTER TABLE %%s ALTER COLUMN payload TYPE %s USING NULL", "ALTER TABLE %%s MODIFY payload %s"),
             type);
    fixture_run(&fixture, sql);
    struct outbox_event event = event_with(bytes, size);
    add(&fixture, &event);
    add(&fixture, &event); /* the second time the type may be remembered */
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %%s WHERE %s", test);
    cr_assert_eq(fixture_run(&fixture, sql), 2, "%s", sql);
    fixture_close(&fixture);
}

Test(writer, payload_column_may_have_any_type)
{
    expect_payload("wbytes", BY_SERVER("bytea", "LONGBLOB"), "a\0\xff'\\", 5,
                   BY_SERVER("payload = '\\x6100ff275c'", "HEX(payload) = '6100FF275C'"));
    expect_payload(
        "wjson", "json", "{ \"a\" : 1}", 10,
        BY_KIND("payload::text = '{ \"a\" : 1}'", "payload = '{ \"a\" : 1}'", "JSON_EXTRACT(payload, '$.a') = 1"));
    expect_payload("wtext", BY_SERVER("text", "LONGTEXT"), "a\xc3\xbc'\\", 5,
                   BY_SERVER("payload = 'a\xc3\xbc''\\'", "HEX(payload) = '61C3BC275C'"));
    expect_payload("wvarchar", "varchar(20)", "short", 5, "payload = 'short'");
    if (server_kind() == POSTGRES)
        expect_payload("wjsonb", "jsonb", "{ \"a\" : 1}", 10, "payload::text = '{\"a\": 1}'");
}

static bool takes_headers(struct sql_fixture *fixture, const char *headers)
{
    char sql[200];
    snprintf(sql, sizeof sql, "INSERT INTO %s (aggregatetype, aggregateid, type, headers) VALUES ('o', 'a', 't', %s)",
             fixture->table, headers);
    return session_try(fixture->sql, sql);
}

/* The relay would reject such an event, so the INSERT of any program fails. */
Test(writer, table_of_init_refuses_headers_that_the_relay_cannot_read)
{
    static const char *const readable[] = {"NULL", "'null'", "'{}'", "' [ ] '", "' {\"a\": [1], \"b\": null}'"},
                             *const unreadable[] = {"'[1]'", "'[{}]'", "'1'", "'true'", "'\"{}\"'"};
    struct sql_fixture fixture;
    fixture_open(&fixture, "headed", true, "");
    for (size_t i = 0; i < OBX_COUNT(readable); i++)
        cr_assert(takes_headers(&fixture, readable[i]), "%s", readable[i]);
    for (size_t i = 0; i < OBX_COUNT(unreadable); i++)
        cr_assert_not(takes_headers(&fixture, unreadable[i]), "%s", unreadable[i]);
    fixture_run(&fixture, BY_SERVER("ALTER TABLE %s ALTER COLUMN headers TYPE jsonb", "ALTER TABLE %s MODIFY headers "
                                                                                      "LONGTEXT"));
    cr_assert(takes_headers(&fixture, "'{}'"));
    cr_assert_not(takes_headers(&fixture, "'[1]'"));
    fixture_close(&fixture);
}

Test(writer, errors_name_their_cause)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "wrong", true, "");
    struct outbox_event event = event_with("x", 1);
    refused(
        &fixture, BY_SERVER("not there", "outbox.no`where"), &event, OUTBOX_E_NOT_FOUND,
        BY_SERVER("add an event to not there: relation \"not there\" does not exist (42P01); run 'outbox init'",
                  "add an event to outbox.no`where: Table 'outbox.no`where' doesn't exist (1146); run 'outbox init'"));
    event.type = (struct outbox_bytes){0};
    refused(&fixture, "wrong", &event, OUTBOX_E_INVALID,
            "add an event to wrong: type is missing; every event needs one");
    event.type = text("placed");
    event.headers = text("[1]");
    refused(&fixture, "wrong", &event, OUTBOX_E_INVALID,
            "add an event to wrong: headers: it does not begin with {, at byte 0; they must be a JSON object, or null");
    event.headers = text("{bad");
    cr_assert_eq(server_add(fixture.sql, "wrong", &event, NULL, NULL), OUTBOX_E_INVALID);
    event.headers = (struct outbox_bytes){0};
    event.type = (struct outbox_bytes){"a\0b", 3};
    if (server_kind() == POSTGRES)
        cr_assert_eq(server_add(fixture.sql, "wrong", &event, NULL, NULL), OUTBOX_E_INVALID);
    event = event_with("x", 1);
    event.aggregate_id = text("\xff");
    if (server_kind() == POSTGRES)
        cr_assert_eq(server_add(fixture.sql, "wrong", &event, NULL, NULL), OUTBOX_E_INVALID);
    else
        refused(&fixture, "wrong", &event, OUTBOX_E_INVALID, "add an event to wrong: aggregateid is not UTF-8");
    event = event_with("x", 1);
    session_run(fixture.sql, BY_SERVER("SET default_transaction_read_only = on", "SET SESSION TRANSACTION READ ONLY"));
    cr_assert_eq(server_add(fixture.sql, "wrong", &event, NULL, &fixture.error), OUTBOX_E_READ_ONLY, "%s",
                 fixture.error.text);
    session_run(fixture.sql,
                BY_SERVER("SET default_transaction_read_only = off", "SET SESSION TRANSACTION READ WRITE"));
    cr_assert_eq(server_add(fixture.sql, BY_SERVER("public.wrong", "outbox.wrong"), &event, NULL, &fixture.error), 0,
                 "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(writer, changed_table_is_inspected_again)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "changes", true, "");
    struct outbox_event event = event_with("{}", 2);
    add(&fixture, &event);
    fixture_run(&fixture, BY_SERVER("ALTER TABLE %s ALTER COLUMN payload TYPE jsonb USING payload::jsonb",
                                    "ALTER TABLE %s MODIFY payload LONGTEXT"));
    if (server_kind() == POSTGRES) /* the statement was prepared for text */
        cr_assert_neq(server_add(fixture.sql, fixture.table, &event, NULL, &fixture.error), 0);
    add(&fixture, &event);
    cr_assert_eq(fixture_count_rows(&fixture), 2);
    fixture_close(&fixture);
}

static void expect_id_type(struct sql_fixture *fixture, const char *type, int64_t id)
{
    char sql[200];
    struct outbox_event event = event_with("x", 1);
    snprintf(
        sql, sizeof sql,
        BY_SERVER("ALTER TABLE %%s ALTER COLUMN id SET DATA TYPE %s", "ALTER TABLE %%s MODIFY id %s AUTO_INCREMENT"),
        type);
    fixture_run(fixture, sql);
    cr_assert_eq(add(fixture, &event), id, "%s", type);
}

/* The width of an id is the server's answer, not an assumption. */
Test(writer, id_of_any_integer_type_is_read)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "int_ids", true, "");
    expect_id_type(&fixture, "int", 1);
    expect_id_type(&fixture, "smallint", 2);
    expect_id_type(&fixture, "bigint", 3);
    fixture_close(&fixture);
}

/* A success means that the row is there. Only Postgres has triggers and rules that discard a row. */
Test(writer, insert_that_inserts_nothing_is_an_error)
{
    static const char why[] =
        "add an event to discards: no row was inserted: a trigger or a rule of the table discarded it";
    struct sql_fixture fixture;
    struct outbox_event event = event_with("x", 1);
    int64_t id = 7;
    if (server_kind() != POSTGRES)
        return;
    fixture_open(&fixture, "discards", true, "");
    fixture_run(&fixture, "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    fixture_run(&fixture, "CREATE TRIGGER discards BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION discard()");
    cr_assert_eq(server_add(fixture.sql, fixture.table, &event, &id, &fixture.error), OUTBOX_E_INVALID);
    cr_assert_str_eq(fixture.error.text, why);
    refused(&fixture, fixture.table, &event, OUTBOX_E_INVALID, why);
    fixture_run(&fixture, "DROP TRIGGER discards ON %s");
    fixture_run(&fixture, "CREATE RULE discards AS ON INSERT TO %s DO INSTEAD NOTHING");
    refused(&fixture, fixture.table, &event, OUTBOX_E_INVALID, why);
    cr_assert_eq(id, 7);
    fixture_close(&fixture);
}

/* The caller must not get a number that is not the row's. */
Test(writer, row_without_an_integer_id_is_an_error)
{
    struct sql_fixture fixture;
    struct outbox_event event = event_with("x", 1);
    int64_t id = 7;
    fixture_open(&fixture, "texts", true, "");
    if (server_kind() == POSTGRES) {
        fixture_run(&fixture, "ALTER TABLE %s ALTER COLUMN id DROP IDENTITY");
        fixture_run(&fixture, "ALTER TABLE %s ALTER COLUMN id TYPE text, ALTER COLUMN id SET DEFAULT 'five'");
    } else {
        fixture_run(&fixture, "ALTER TABLE %s MODIFY id BIGINT NOT NULL DEFAULT 5");
    }
    cr_assert_eq(server_add(fixture.sql, fixture.table, &event, &id, &fixture.error), OUTBOX_E_SCHEMA, "%s",
                 fixture.error.text);
    cr_assert_eq(id, 7);
    fixture_close(&fixture);
}

/* ---- many events ------------------------------------------------------------------------------------------------- */

enum { MANY = 350 };

struct many {
    struct outbox_event events[MANY];
    const struct outbox_event *list[MANY];
    char keys[MANY][12];
};

/* Each third event has an id of its own, each fifth headers. */
static void make_many(struct many *many)
{
    for (int i = 0; i < MANY; i++) {
        snprintf(many->keys[i], sizeof many->keys[i], "%d", i);
        many->events[i] = event_with("x", 1);
        many->events[i].aggregate_id = text(many->keys[i]);
        many->events[i].headers = i % 5 ? (struct outbox_bytes){0} : text("{\"tenant\": \"a\"}");
        many->events[i].event_id = i % 3 ? (struct outbox_bytes){0} : text("0b9c1b5e-7d2f-4a55-9d0b-3a1f6e7c8d90");
        many->list[i] = &many->events[i];
    }
}

Test(writer, many_events_are_added_in_their_order)
{
    struct sql_fixture fixture;
    static struct many many;
    fixture_open(&fixture, "many_written", true, "");
    make_many(&many);
    session_run(fixture.sql, "BEGIN");
    cr_assert_eq(server_add_many(fixture.sql, fixture.table, many.list, MANY, &fixture.error), 0, "%s",
                 fixture.error.text);
    session_run(fixture.sql, "ROLLBACK");
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    cr_assert_eq(server_add_many(fixture.sql, fixture.table, many.list, MANY, &fixture.error), 0, "%s",
                 fixture.error.text);
    cr_assert_eq(server_add_many(fixture.sql, fixture.table, NULL, 0, &fixture.error), 0);
    cr_assert_eq(fixture_count_rows(&fixture), MANY);
    cr_assert_eq(fixture_run(&fixture, BY_SERVER("SELECT COUNT(*) FROM %s WHERE id - (SELECT MIN(id) FROM %s) = "
                                                 "aggregateid::int",
                                                 "SELECT COUNT(*) FROM %s WHERE id - (SELECT MIN(id) FROM %s) = "
                                                 "aggregateid")),
                 MANY);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s WHERE headers IS NOT NULL"), MANY / 5);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s WHERE event_id IS NULL"), 0);
    cr_assert_eq(add(&fixture, &many.events[1]) > MANY, true, "the connection works on");
    fixture_close(&fixture);
}

/* Other servers check each statement. Key 1 is in the table. */
static void expect_commit_to_fail(struct sql_fixture *fixture, struct many *many)
{
    fixture_run(fixture, "ALTER TABLE %s DROP CONSTRAINT not_201, ADD CONSTRAINT at_commit UNIQUE (aggregateid) "
                         "DEFERRABLE INITIALLY DEFERRED");
    cr_assert_eq(server_add_many(fixture->sql, fixture->table, many->list, MANY, &fixture->error), OUTBOX_E_INVALID,
                 "%s", fixture->error.text);
    cr_assert_eq(strncmp(fixture->error.text, "commit the events: ", 19), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_count_rows(fixture), 1);
    cr_assert_gt(add(fixture, &many->events[2]), 0, "the connection works on");
}

Test(writer, all_of_many_events_are_added_or_none)
{
    struct sql_fixture fixture;
    static struct many many;
    fixture_open(&fixture, "all_or_none", true, "");
    make_many(&many);
    many.events[200].headers = text("[1]");
    cr_assert_eq(server_add_many(fixture.sql, fixture.table, many.list, MANY, &fixture.error), OUTBOX_E_INVALID);
    cr_assert_eq(strncmp(fixture.error.text, "add event 201 to all_or_none: headers: ", 39), 0, "%s",
                 fixture.error.text);
    make_many(&many);
    fixture_run(&fixture, "ALTER TABLE %s ADD CONSTRAINT not_201 CHECK (aggregateid <> '200')");
    cr_assert_eq(server_add_many(fixture.sql, fixture.table, many.list, MANY, &fixture.error), OUTBOX_E_INVALID, "%s",
                 fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "not_201"), "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    cr_assert_gt(add(&fixture, &many.events[1]), 0, "the connection works on");
    if (server_kind() == POSTGRES)
        expect_commit_to_fail(&fixture, &many);
    many.list[3] = NULL;
    cr_assert_eq(server_add_many(fixture.sql, fixture.table, many.list, MANY, &fixture.error), OUTBOX_E_INVALID);
    cr_assert_str_eq(fixture.error.text, "add event 4 to all_or_none: event is NULL");
    fixture_close(&fixture);
}
