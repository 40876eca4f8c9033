/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/postgres/printed_test.c - a value of any type in a message is what the server prints
 *
 * Each case is a type and a value. The text in the message is compared with what the server sends to a client that asks
 * for text, but for types that messages have a form of their own for.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "relay/template.h"

static const struct {
    const char *type, *value;
    const char *text; /* NULL: as the server prints it */
} printed[] = {
    {"inet", "'10.0.0.1'", NULL},
    {"inet", "'10.0.0.1/24'", NULL},
    {"inet", "'::1'", NULL},
    {"cidr", "'10.0.0.0/8'", NULL},
    {"inet[]", "'{10.0.0.1}'", NULL},
    {"printed_host", "'10.0.0.1'", NULL},
    {"printed_pair", "ROW('10.0.0.1', true)", NULL},
    {"printed_mood", "'fine'", NULL},
    {"printed_odd", "ROW('a')", NULL},
    {"int2", "-3", NULL},
    {"int4", "-3", NULL},
    {"int8", "9007199254740993", NULL},
    {"oid", "4294967295", NULL},
    {"float4", "0.1", NULL},
    {"float8", "19.99", NULL},
    {"float8", "1e300", NULL},
    {"float8", "1e15", NULL},
    {"float8", "'NaN'", NULL},
    {"float4", "'-Infinity'", NULL},
    {"float8[]", "'{0.1,1e-7}'", NULL},
    {"numeric", "'1.500'", NULL},
    {"numeric", "'NaN'", NULL},
    {"money", "1234.5", NULL},
    {"text", "'a'", NULL},
    {"varchar(5)", "'a'", NULL},
    {"char(5)", "'a'", NULL},
    {"\"char\"", "'a'", NULL},
    {"name", "'a'", NULL},
    {"json", "'{ \"a\" :1}'", NULL},
    {"jsonb", "'{ \"a\" :1}'", NULL},
    {"jsonpath", "'$.a'", NULL},
    {"xml", "'<a/>'", NULL},
    {"bool", "true", "true"},
    {"bool[]", "'{t,f}'", NULL},
    {"uuid", "'00112233-4455-6677-8899-aabbccddeeff'", NULL},
    {"bytea", "'A'", "A"},
    {"bytea[]", "array['\\x00ff'::bytea]", NULL},
    {"date", "'2026-01-02'", NULL},
    {"date", "'0044-03-15 BC'", NULL},
    {"date", "'infinity'", NULL},
    {"time", "'03:04:05.678'", NULL},
    {"timetz", "'03:04:05.678+02'", NULL},
    {"interval", "'-1 year 2 days -03:04:05.678901'", NULL},
    {"timestamp", "'2026-01-02 03:04:05.5'", "2026-01-02T03:04:05.500000Z"},
    {"timestamptz", "'1970-01-01 01:00:00+01'", "1970-01-01T00:00:00.000000Z"},
    {"timestamptz", "'0044-03-15 10:11:12.5+00 BC'", "-0043-03-15T10:11:12.500000Z"},
    {"timestamptz", "'0001-12-31 23:59:59+00 BC'", "0000-12-31T23:59:59.000000Z"},
    {"timestamptz", "'12345-01-02 03:04:05+00'", "+12345-01-02T03:04:05.000000Z"},
    {"timestamptz[]", "array['2026-01-02 03:04:05+00'::timestamptz]", NULL},
    {"tstzrange", "'[2026-01-02 03:04:05+00,)'", NULL},
    {"tsrange", "'[2026-01-02 03:04:05,infinity]'", NULL},
    {"daterange", "'[2026-01-02,2026-01-05)'", NULL},
    {"int4range", "'[1,5]'", NULL},
    {"int8range", "'empty'", NULL},
    {"numrange", "'[1.50,)'", NULL},
    {"bit(3)", "B'101'", NULL},
    {"bit varying", "B'10100'", NULL},
    {"point", "'(0.1,-2)'", NULL},
    {"lseg", "'[(0,0),(1,1)]'", NULL},
    {"line", "'{1,2,3}'", NULL},
    {"box", "'(1,1),(0,0)'", NULL},
    {"path", "'[(0,0),(1,1)]'", NULL},
    {"polygon", "'((0,0),(1,1))'", NULL},
    {"circle", "'<(0,0),1>'", NULL},
    {"macaddr", "'08:00:2b:01:02:03'", NULL},
    {"macaddr8", "'08:00:2b:01:02:03:04:05'", NULL},
    {"tsvector", "'a:1A b:2'", NULL},
    {"tsquery", "'a & b'", NULL},
    {"pg_lsn", "'16/B374D848'", NULL},
    {"txid_snapshot", "'10:20:10,14'", NULL},
    {"xid", "'7'", NULL},
    {"tid", "'(0,1)'", NULL},
    {"int2vector", "'1 2'", NULL},
    {"oidvector", "'1 2'", NULL},
    {"regclass", "'pg_class'", NULL},
    {"regtype", "'int4'", NULL},
    {"regproc", "'pg_backend_pid'", NULL},
    {"regrole", "'outbox'", NULL},
    {"aclitem", "'outbox=r/outbox'", NULL},
    {"refcursor", "'c'", NULL},
    {"int[]", "'[0:2]={1,NULL,3}'", NULL},
    {"text[]", "'{\"a\\\"b\",NULL,\"\"}'", NULL},
};
enum { PRINTED = sizeof printed / sizeof *printed, AT_ONCE = 30 };

static void make_types(struct sql_fixture *fixture)
{
    fixture_run(
        fixture,
        "DROP DOMAIN IF EXISTS printed_host CASCADE; DROP TYPE IF EXISTS printed_pair, printed_mood, printed_odd "
        "CASCADE; CREATE DOMAIN printed_host AS inet; CREATE TYPE printed_pair AS (host inet, up bool); CREATE TYPE "
        "printed_mood AS ENUM ('fine'); CREATE TYPE printed_odd AS (a text); CREATE FUNCTION "
        "printed_odd_text(printed_odd) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT ''other'''; CREATE CAST "
        "(printed_odd AS text) WITH FUNCTION printed_odd_text(printed_odd) AS ASSIGNMENT");
}

/* Columns first .. first + count - 1 of a row that has all; a claim asks for no more than a route may. */
static void make_table(struct sql_fixture *fixture, int first, int count)
{
    struct obx_buf columns = {0}, values = {0};
    fixture_run(fixture, "DROP TABLE %s");
    obx_buf_puts(&columns, "CREATE TABLE %s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY");
    for (int i = first; i < first + count; i++) {
        obx_buf_printf(&columns, ", c%d %s", i, printed[i].type);
        obx_buf_printf(&values, "%s%s", i > first ? ", " : "); INSERT INTO %s VALUES (DEFAULT, ", printed[i].value);
    }
    obx_buf_puts(&values, ")");
    obx_buf_puts(&columns, obx_buf_text(&values));
    fixture_run(fixture, obx_buf_text(&columns));
    fixture_run(fixture, "INSERT INTO %s DEFAULT VALUES");
    obx_buf_free(&columns);
    obx_buf_free(&values);
}

static void compare(struct sql_fixture *fixture, int i, const struct outbox_value *value)
{
    struct obx_arena arena = {0};
    struct outbox_bytes text;
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT c%d FROM printed ORDER BY id LIMIT 1", i);
    PGresult *result = PQexec(session_handle(fixture->sql), sql);
    const char *expected = printed[i].text ? printed[i].text : PQgetvalue(result, 0, 0);
    cr_assert_eq(obx_column_text(value, &arena, &text), 0);
    cr_assert(text.size == strlen(expected) && !memcmp(text.data, expected, text.size), "%s %s: '%.*s', not '%s'",
              printed[i].type, printed[i].value, (int)text.size, (const char *)text.data, expected);
    PQclear(result);
    obx_arena_free(&arena);
}

static void expect_printed(struct sql_fixture *fixture, int first, int count)
{
    char names[AT_ONCE][8];
    struct outbox_column columns[AT_ONCE] = {0};
    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "c%d", first + i);
        columns[i].name = names[i];
    }
    make_table(fixture, first, count);
    cr_assert_eq(loop_fixture_store_start(&fixture->base, fixture->store, columns, (uint32_t)count, &fixture->error), 0,
                 "%s", fixture->error.text);
    cr_assert_eq(fixture_acquire(fixture, fixture->store, 10000, NULL), 0);
    struct outbox_batch *batch = fixture_claim_batch(fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    for (int i = 0; i < count; i++) {
        compare(fixture, first + i, &batch->values[i]);
        cr_assert_eq(batch->values[count + i].type, OUTBOX_NULL, "%s", printed[first + i].type);
    }
    obx_store_release(fixture->store, batch);
    fixture_stop(fixture);
}

Test(printed, value_of_any_type_is_what_the_server_prints)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "printed", true, "");
    make_types(&fixture);
    for (int first = 0; first < PRINTED; first += AT_ONCE)
        expect_printed(&fixture, first, PRINTED - first < AT_ONCE ? PRINTED - first : AT_ONCE);
    fixture_close(&fixture);
}

/* A role's settings change no value. */
Test(printed, settings_of_the_role_change_no_value)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "printed", true, "");
    make_types(&fixture);
    session_run(fixture.sql, "ALTER ROLE outbox SET DateStyle = 'SQL, DMY'; ALTER ROLE outbox SET extra_float_digits = "
                             "-10; ALTER ROLE outbox SET IntervalStyle = 'sql_standard'; ALTER ROLE outbox SET "
                             "bytea_output = 'escape'");
    expect_printed(&fixture, 0, AT_ONCE);
    expect_printed(&fixture, AT_ONCE, AT_ONCE);
    session_run(fixture.sql, "ALTER ROLE outbox RESET ALL");
    fixture_close(&fixture);
}
