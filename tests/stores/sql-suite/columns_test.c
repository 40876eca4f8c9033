/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/columns_test.c - columns of every type come back from the dead letters byte by byte
 *
 * Each case is the type of a column that the relay has no name for, and a value. A table has all of them, in two rows:
 * the values, and nulls. Both rows become dead letters and are replayed; then each column is compared with a copy.
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

struct kept_case {
    const char *type, *value;
    enum { ALL_KINDS, MARIADB_ONLY, MYSQL_ONLY } kind;
};

static const struct kept_case postgres_cases[] = {
    {"int[]", "'[0:2]={1,NULL,3}'", 0},
    {"int[][]", "'{{1,2},{3,4}}'", 0},
    {"text[]", "'{\"a\\\"b\",\"NULL\",NULL,\"\"}'", 0},
    {"kept_pair", "ROW('a,\"b', NULL)", 0},
    {"kept_pair", "ROW(NULL, NULL)", 0},
    {"kept_mood", "'it''s fine'", 0},
    {"kept_depth", "'\\x00ff41'", 0},
    {"kept_never_null", "'x'", 0},
    {"kept_document", "'{\"b\": 1, \"a\": null}'", 0},
    {"bytea", "'\\x00ff5c27'", 0},
    {"numeric", "'1.500'", 0},
    {"numeric", "'NaN'", 0},
    {"float8", "'-0'", 0},
    {"float8", "0.1::float8 + 0.2::float8", 0},
    {"float4", "'Infinity'", 0},
    {"json", "'{ \"b\" : 1,  \"a\":2, \"b\":3 }'", 0},
    {"json", "'null'", 0},
    {"jsonb", "'null'", 0},
    {"jsonb", "'\"text\"'", 0},
    {"json[]", "array['{ \"a\" :1}'::json]", 0},
    {"tstzrange", "'[2026-01-02 03:04:05.678901+02,infinity)'", 0},
    {"daterange", "'[0044-03-15 BC,2026-02-03)'", 0},
    {"timestamptz", "'0044-03-15 10:00:00.000001 BC'", 0},
    {"timestamp", "'-infinity'", 0},
    {"interval", "'-1 year 2 days -03:04:05.678901'", 0},
    {"timetz", "'03:04:05.678901+02'", 0},
    {"inet", "'10.0.0.1'", 0},
    {"cidr", "'10.0.0.0/8'", 0},
    {"bool", "true", 0},
    {"bool[]", "'{t,f}'", 0},
    {"char(5)", "'a'", 0},
    {"\"char\"", "'x'", 0},
    {"bit(3)", "B'101'", 0},
    {"bit varying", "B'10100'", 0},
    {"money", "1234.5", 0},
    {"point", "'(0.1,-2)'", 0},
    {"xml", "'<a>&lt; </a>'", 0},
    {"tsvector", "'a:1A b:2'", 0},
    {"regclass", "'pg_catalog.pg_class'", 0},
    {"uuid", "'00112233-4455-6677-8899-aabbccddeeff'", 0},
    {"bigint", "9007199254740993", 0},
    {"bigint GENERATED ALWAYS AS IDENTITY", "DEFAULT", 0},
};

static const struct kept_case mysql_cases[] = {
    {"POINT", "ST_GeomFromText('POINT(1.1 -2)', 4326)", ALL_KINDS},
    {"GEOMETRY", "ST_GeomFromText('LINESTRING(0 0, 1 1)')", ALL_KINDS},
    {"VECTOR(2)", "STRING_TO_VECTOR('[1.5,-2]')", MYSQL_ONLY},
    {"TEXT CHARACTER SET utf16", "_utf8mb4 x'61C3A9F09F9880'", ALL_KINDS},
    {"VARCHAR(20) CHARACTER SET latin1", "_latin1 x'61E980'", ALL_KINDS},
    {"VARCHAR(20) CHARACTER SET latin2", "_latin2 x'61B1'", ALL_KINDS},
    {"VARCHAR(20) CHARACTER SET sjis", "_sjis x'835C61'", ALL_KINDS},
    {"VARCHAR(20) CHARACTER SET utf8mb4", "_utf8mb4 x'27225C00F09F9880'", ALL_KINDS},
    {"CHAR(5) CHARACTER SET ascii", "'ab'", ALL_KINDS},
    {"VARBINARY(9)", "x'00FF5C27'", ALL_KINDS},
    {"BINARY(4)", "x'00FF'", ALL_KINDS},
    {"LONGBLOB", "REPEAT(x'00FF', 100)", ALL_KINDS},
    {"BIT(1)", "b'1'", ALL_KINDS},
    {"BIT(64)", "b'1000000000000000000000000000000000000000000000000000000000000001'", ALL_KINDS},
    {"SET('a','b','c')", "'a,c'", ALL_KINDS},
    {"ENUM('x','\xc3\xa9','z') CHARACTER SET utf16", "2", ALL_KINDS},
    {"ENUM('a','it''s')", "'it''s'", ALL_KINDS},
    {"JSON", "'{\"b\": [1, null, \"\xc3\xa9\"]}'", ALL_KINDS},
    {"JSON", "'null'", ALL_KINDS},
    {"JSON", "'\"text\"'", ALL_KINDS},
    {"JSON", "JSON_OBJECT('d', CAST('1.10' AS DECIMAL(5, 2)), 't', CAST('2026-01-02' AS DATE))", MYSQL_ONLY},
    {"DECIMAL(65,30)", "'12345678901234567890123456789012345.000000000000000000000000000001'", ALL_KINDS},
    {"DECIMAL(6,2) ZEROFILL", "1.5", ALL_KINDS},
    {"FLOAT", "16777217", ALL_KINDS},
    {"FLOAT", "1.2345678", ALL_KINDS},
    {"DOUBLE", "0.1e0 + 0.2e0", ALL_KINDS},
    {"DOUBLE", "-1.7976931348623157e308", ALL_KINDS},
    {"DOUBLE", "-2.2250738585072014e-308", ALL_KINDS},
    {"DOUBLE(10,3)", "1.5", ALL_KINDS},
    {"BIGINT UNSIGNED", "18446744073709551615", ALL_KINDS},
    {"TINYINT(1)", "-1", ALL_KINDS},
    {"DATETIME(6)", "'2026-01-02 03:04:05.678901'", ALL_KINDS},
    {"DATETIME", "'0000-00-00 00:00:00'", ALL_KINDS},
    {"TIMESTAMP(6) NULL", "'2026-01-02 03:04:05.678901'", ALL_KINDS},
    {"DATE", "'0000-00-00'", ALL_KINDS},
    {"DATE", "'2026-00-31'", ALL_KINDS},
    {"DATE", "'2026-02-31'", ALL_KINDS},
    {"TIME(3)", "'-838:59:58.999'", ALL_KINDS},
    {"YEAR", "0", ALL_KINDS},
    {"UUID", "'00112233-4455-6677-8899-aabbccddeeff'", MARIADB_ONLY},
    {"INET6", "'2001:db8::ff00:42:8329'", MARIADB_ONLY},
};

static bool applies(const struct kept_case *c)
{
    return c->kind == ALL_KINDS || c->kind == (server_kind() == MARIADB ? MARIADB_ONLY : MYSQL_ONLY);
}

static const struct kept_case *cases(size_t *count)
{
    *count = server_kind() == POSTGRES ? OBX_COUNT(postgres_cases) : OBX_COUNT(mysql_cases);
    return server_kind() == POSTGRES ? postgres_cases : mysql_cases;
}

static void make_types(struct sql_fixture *fixture)
{
    if (server_kind() == POSTGRES)
        fixture_run(fixture, "CREATE TYPE kept_pair AS (a text, b int); CREATE TYPE kept_mood AS ENUM ('it''s fine'); "
                             "CREATE DOMAIN kept_raw AS bytea; CREATE DOMAIN kept_depth AS kept_raw; "
                             "CREATE DOMAIN kept_document AS jsonb; CREATE DOMAIN kept_never_null AS text");
}

static void make_columns(struct sql_fixture *fixture)
{
    size_t count;
    const struct kept_case *list = cases(&count);
    struct obx_buf text = {0};
    obx_buf_puts(&text,
                 BY_SERVER("ALTER TABLE %s ADD n int, ADD twice int GENERATED ALWAYS AS (n * 2) STORED",
                           "ALTER TABLE %s ADD n INT, ADD twice INT AS (n * 2) STORED, ADD thrice INT AS (n * 3) "
                           "VIRTUAL"));
    for (size_t i = 0; i < count; i++)
        if (applies(&list[i]))
            obx_buf_printf(&text, ", ADD c%d %s", (int)i, list[i].type);
    fixture_run(fixture, obx_buf_text(&text));
    obx_buf_free(&text);
}

static void insert_values(struct sql_fixture *fixture)
{
    size_t count;
    const struct kept_case *list = cases(&count);
    struct obx_buf names = {0}, text = {0};
    obx_buf_puts(&text, " VALUES ('o', 'k', 't', 'p', 1");
    for (size_t i = 0; i < count; i++) {
        if (!applies(&list[i]))
            continue;
        obx_buf_printf(&names, ", c%d", (int)i);
        obx_buf_printf(&text, ", %s", list[i].value);
    }
    obx_buf_puts(&names, ")");
    obx_buf_puts(&text, ")");
    struct obx_buf sql = {0};
    obx_buf_puts(&sql, "INSERT INTO %s (aggregatetype, aggregateid, type, payload, n");
    obx_buf_puts(&sql, obx_buf_text(&names));
    obx_buf_puts(&sql, obx_buf_text(&text));
    fixture_run(fixture, obx_buf_text(&sql));
    fixture_run(fixture,
                "INSERT INTO %s (aggregatetype, aggregateid, type, payload, n) VALUES ('o', 'k', 't', 'p', 2)");
    obx_buf_free(&sql);
    obx_buf_free(&names);
    obx_buf_free(&text);
}

static void replay_all(struct sql_fixture *fixture)
{
    struct outbox_dead request = {.struct_size = sizeof request, .action = OUTBOX_DEAD_REPLAY};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_dead(fixture->store, &call.call, 0, &request);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
    cr_assert_eq(request.affected, 2);
}

/* As the server prints it, and as its bytes, its number, or its type of JSON. */
static const char *condition_of(const char *type)
{
    if (server_kind() == POSTGRES)
        return "ROW(a.%s)::text = ROW(b.%s)::text";
    if (!strcmp(type, "JSON"))
        return "CONCAT(a.%s) <=> CONCAT(b.%s) AND JSON_TYPE(a.%s) <=> JSON_TYPE(b.%s)";
    if (!strncmp(type, "FLOAT", 5) || !strncmp(type, "DOUBLE", 6))
        return "CONCAT(a.%s) <=> CONCAT(b.%s) AND a.%s * 1e0 <=> b.%s * 1e0";
    return !strncmp(type, "VECTOR", 6) ? "HEX(a.%s) <=> HEX(b.%s)"
                                       : "CONCAT(a.%s) <=> CONCAT(b.%s) AND HEX(a.%s) <=> HEX(b.%s)";
}

static void expect_same(struct sql_fixture *fixture, const char *column, const char *type)
{
    struct obx_buf sql = {0};
    obx_buf_puts(&sql, "SELECT COUNT(*) FROM %s a JOIN %s_before b ON a.n = b.n AND ");
    const char *condition = condition_of(type), *at;
    for (; (at = strstr(condition, "%s")); condition = at + 2) {
        obx_buf_add(&sql, condition, (size_t)(at - condition));
        obx_buf_puts(&sql, column);
    }
    obx_buf_puts(&sql, condition);
    cr_assert_eq(fixture_run(fixture, obx_buf_text(&sql)), 2, "%s %s", column, type);
    obx_buf_free(&sql);
}

static void expect_all_same(struct sql_fixture *fixture)
{
    size_t count;
    const struct kept_case *list = cases(&count);
    for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", (int)i);
        if (applies(&list[i]))
            expect_same(fixture, name, list[i].type);
    }
    expect_same(fixture, "twice", "generated");
}

static void move_all(struct sql_fixture *fixture)
{
    fixture_expect_rows(fixture, IDS(1, 2));
    for (uint64_t id = 1; id <= 2; id++) {
        const struct outbox_dead_row row = {
            .position = {id, 0}, .attempts = 1, .topic = {"t", 1}, .key = {"k", 1}, .reason = "too large"};
        cr_assert_eq(fixture_dead_letter(fixture, &row), 0, "%s", fixture->error.text);
    }
    cr_assert_eq(fixture_count_rows(fixture), 0);
}

Test(columns, every_type_comes_back_from_the_dead_letters)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "kept", true, "");
    make_types(&fixture);
    if (server_kind() != POSTGRES)
        session_run(fixture.sql, "SET NAMES utf8mb4, sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'");
    make_columns(&fixture);
    insert_values(&fixture);
    fixture_run(&fixture, "CREATE TABLE %s_before AS SELECT * FROM %s");
    fixture_begin(&fixture);
    move_all(&fixture);
    replay_all(&fixture);
    fixture_expect_rows(&fixture, IDS(3, 4));
    expect_all_same(&fixture);
    fixture_close(&fixture);
}

/* A domain that allows no null, of a column that the relay has a name for, hinders no replay. */
Test(columns, domain_without_null_hinders_no_replay)
{
    struct sql_fixture fixture;
    if (server_kind() != POSTGRES)
        cr_skip_test("only Postgres has domains");
    fixture_open(&fixture, "never_null", true, "");
    fixture_run(&fixture,
                "CREATE DOMAIN some_text AS text NOT NULL; ALTER TABLE %s ALTER payload TYPE some_text, ADD n "
                "int; INSERT INTO %s (aggregatetype, aggregateid, type, payload, n) SELECT 'o', 'k', 't', 'p', "
                "n FROM generate_series(1, 2) n");
    fixture_begin(&fixture);
    move_all(&fixture);
    replay_all(&fixture);
    cr_assert_eq(fixture_run(&fixture, "SELECT sum(n) FROM %s"), 3);
    fixture_close(&fixture);
}

Test(columns, check_names_columns_that_the_dead_letters_cannot_keep)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "unlike", true, "");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_check(&fixture, " of the dead letters is ").count, 0);
    cr_assert_eq(fixture_check(&fixture, "the dead letters have no column").count, 0);
    fixture_stop(&fixture);
    fixture_run(&fixture, BY_SERVER("ALTER TABLE %s ALTER payload TYPE bytea USING payload::bytea",
                                    "ALTER TABLE %s MODIFY payload TEXT CHARACTER SET utf16"));
    fixture_run(&fixture, "ALTER TABLE %s ADD tenant int");
    fixture_run(&fixture, "ALTER TABLE %s_dead DROP COLUMN rest");
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    struct fixture_findings findings = fixture_check(&fixture, "column payload of the dead letters is ");
    cr_assert(findings.count == 1 && findings.severity == OUTBOX_SEVERITY_WARNING);
    fixture_paste(&fixture, findings.command);
    findings = fixture_check(&fixture, "the dead letters have no column rest, for \"tenant\" of the outbox");
    cr_assert(findings.count == 1 && findings.severity == OUTBOX_SEVERITY_ERROR);
    fixture_paste(&fixture, findings.command);
    cr_assert_eq(fixture_check(&fixture, " of the dead letters is ").count, 0);
    cr_assert_eq(fixture_check(&fixture, "the dead letters have no column").count, 0);
    fixture_close(&fixture);
}

/* MySQL and MariaDB give null for a result that is larger than a packet. */
Test(columns, value_that_is_too_large_to_keep_is_not_lost)
{
    struct sql_fixture fixture;
    const struct outbox_dead_row row = {.position = {1, 0}, .attempts = 1, .reason = "too large"};
    if (server_kind() == POSTGRES)
        cr_skip_test("Postgres has no packets");
    fixture_open(&fixture, "too_large", true, "");
    int64_t packet = session_run(fixture.sql, "SELECT @@global.max_allowed_packet");
    fixture_run(&fixture, "ALTER TABLE %s ADD large LONGBLOB");
    session_run(fixture.sql, "SET GLOBAL max_allowed_packet = 1048576");
    fixture_run(&fixture,
                "INSERT INTO %s (aggregatetype, aggregateid, type, payload, large) VALUES ('o', 'k', 't', 'p', "
                "REPEAT('x', 900000))");
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1));
    int code = fixture_dead_letter(&fixture, &row);
    char back[80];
    snprintf(back, sizeof back, "SET GLOBAL max_allowed_packet = %lld", (long long)packet);
    session_run(fixture.sql, back);
    cr_assert_neq(code, 0);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead"), 0);
    fixture_close(&fixture);
}
