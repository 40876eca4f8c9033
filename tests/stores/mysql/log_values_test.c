/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/log_values_test.c - a value in the binlog is the value that a SELECT returns, for each type */
#include "log_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes a value into a table of one column besides others, and compares what the log has with what SELECT has. */
static void expect(struct log_fixture *fixture, const char *type, const char *value, enum mys_log_as as,
                   const char *shown)
{
    char sql[2000];
    fixture->wanted_count = 0;
    snprintf(sql, sizeof sql,
             "DROP TABLE IF EXISTS vals; CREATE TABLE vals (a TINYINT, y YEAR, v %s, z VARCHAR(20)) CHARSET utf8mb4",
             type);
    log_run(fixture, sql);
    log_want(fixture, "a", MYS_LOG_AS_TEXT, false);
    log_want(fixture, "y", MYS_LOG_AS_TEXT, false);
    log_want(fixture, "v", as, false);
    log_want(fixture, "z", MYS_LOG_AS_TEXT, false);
    log_mark(fixture);
    snprintf(sql, sizeof sql, "INSERT INTO vals VALUES (-1, 1970, %s, 'end')", value);
    log_run(fixture, sql);
    snprintf(sql, sizeof sql,
             "SELECT CONCAT('begin; row -1, 1970, ', IFNULL(%s, 'null'), ', ''end''; commit; ') FROM vals", shown);
    char *text = log_ask(fixture, sql);
    int code = log_read(fixture);
    cr_assert_eq(code, 0, "%s %s: %s", type, value, fixture->error.text);
    cr_assert_str_eq(fixture->text, text, "%s %s: %s in place of %s", type, value, fixture->text, text);
    free(text);
}

#define AS_TEXT "CONCAT('''', CAST(v AS CHAR), '''')"
#define AS_NUMBER "CAST(v AS CHAR)"
#define AS_HEX "CONCAT('x', LOWER(HEX(v)))"
#define AS_TIME "CONCAT('t', TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', v))"

Test(log_values, integers_of_all_sizes_and_signs)
{
    static const char *const types[] = {"TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT"};
    static const int bits[] = {8, 16, 24, 32, 64};
    struct log_fixture fixture;
    char type[40], value[40];
    log_open(&fixture, "vals");
    for (int i = 0; i < 5; i++) {
        long long highest = (long long)(~0ull >> (65 - bits[i]));
        long long values[] = {0, -1, highest, -highest - 1};
        for (int k = 0; k < 4; k++) {
            snprintf(value, sizeof value, "%lld", values[k]);
            expect(&fixture, types[i], value, MYS_LOG_AS_TEXT, AS_NUMBER);
        }
        snprintf(type, sizeof type, "%s UNSIGNED", types[i]);
        snprintf(value, sizeof value, "%llu", ~0ull >> (64 - bits[i]));
        expect(&fixture, type, value, MYS_LOG_AS_TEXT, bits[i] == 64 ? AS_TEXT : AS_NUMBER);
    }
    expect(&fixture, "YEAR", "2155", MYS_LOG_AS_TEXT, AS_NUMBER);
    expect(&fixture, "YEAR", "0", MYS_LOG_AS_TEXT, "'0'");
    expect(&fixture, "INT", "NULL", MYS_LOG_AS_TEXT, AS_NUMBER);
    log_close(&fixture);
}

Test(log_values, decimals)
{
    static const char *const cases[][2] = {
        {"DECIMAL(10, 2)", "12345678.90"},
        {"DECIMAL(10, 2)", "-0.05"},
        {"DECIMAL(65, 30)", "-12345678901234567890123456789012345.000000000000000000000000000001"},
        {"DECIMAL(5, 5)", "0.00001"},
        {"DECIMAL(20, 0)", "-99999999999999999999"},
        {"DECIMAL(18, 9)", "123456789.987654321"},
        {"DECIMAL(1, 0)", "0"},
        {"DECIMAL(14, 4)", "-1234567890.1234"}};
    struct log_fixture fixture;
    log_open(&fixture, "vals");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(&fixture, cases[i][0], cases[i][1], MYS_LOG_AS_TEXT, AS_TEXT);
    log_close(&fixture);
}

Test(log_values, reals)
{
    struct log_fixture fixture;
    log_open(&fixture, "vals");
    expect(&fixture, "FLOAT", "1.5", MYS_LOG_AS_TEXT, "'f1.5'");
    expect(&fixture, "FLOAT", "-325000", MYS_LOG_AS_TEXT, "'f-325000'");
    expect(&fixture, "DOUBLE", "0.1", MYS_LOG_AS_TEXT, "'d0.10000000000000001'");
    expect(&fixture, "DOUBLE", "-1e300", MYS_LOG_AS_TEXT, "'d-1.0000000000000001e+300'");
    log_close(&fixture);
}

Test(log_values, times_at_each_precision)
{
    static const char *const times[] = {"'2026-11-29 17:04:05.123456'", "'1970-01-01 00:00:01'",
                                        "'2038-01-19 03:14:06.999'"};
    struct log_fixture fixture;
    char type[40];
    log_open(&fixture, "vals");
    for (int digits = 0; digits <= 6; digits++) {
        snprintf(type, sizeof type, "DATETIME(%d)", digits);
        expect(&fixture, type, times[digits % 3], MYS_LOG_AS_TEXT, AS_TIME);
        snprintf(type, sizeof type, "TIMESTAMP(%d) NULL", digits);
        expect(&fixture, type, times[0], MYS_LOG_AS_TEXT, AS_TIME);
        snprintf(type, sizeof type, "TIME(%d)", digits);
        expect(&fixture, type, "'-12:34:56.123456'", MYS_LOG_AS_TEXT, AS_TEXT);
        expect(&fixture, type, "'838:59:58.000001'", MYS_LOG_AS_TEXT, AS_TEXT);
        expect(&fixture, type, "'-00:00:00.9'", MYS_LOG_AS_TEXT, AS_TEXT);
    }
    expect(&fixture, "DATE", "'1999-12-31'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "DATETIME(6)", "'0001-01-01 00:00:00.000001'", MYS_LOG_AS_TEXT, AS_TIME);
    expect(&fixture, "DATETIME", "'9999-12-31 23:59:59'", MYS_LOG_AS_TEXT, AS_TIME);
    log_run(&fixture, "SET sql_mode = 'ALLOW_INVALID_DATES'");
    expect(&fixture, "DATETIME", "'0000-00-00 00:00:00'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "DATETIME(3)", "'2026-02-31 01:02:03.25'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "DATETIME", "'2026-04-00 01:02:03'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "DATETIME", "'2024-02-29 01:02:03'", MYS_LOG_AS_TEXT, AS_TIME);
    expect(&fixture, "TIMESTAMP NULL", "'0000-00-00 00:00:00'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "TIMESTAMP(6) NULL", "'0000-00-00 00:00:00'", MYS_LOG_AS_TEXT, AS_TEXT);
    log_close(&fixture);
}

Test(log_values, texts_and_bytes)
{
    struct log_fixture fixture;
    log_open(&fixture, "vals");
    expect(&fixture, "VARCHAR(10)", "'a''\xc3\xbc '", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "VARCHAR(300)", "REPEAT('x', 300)", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "VARCHAR(300)", "''", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "CHAR(20)", "'abc  '", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "CHAR(255)", "REPEAT('\xc3\xbc', 255)", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "CHAR(36) CHARACTER SET ascii", "UUID()", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "BINARY(16)", "x'00112233445566778899aabbccddeeff'", MYS_LOG_AS_BYTES, AS_HEX);
    expect(&fixture, "BINARY(16)", "x'00112233445566778899aabbccdd0000'", MYS_LOG_AS_BYTES, AS_HEX);
    expect(&fixture, "BINARY(16)", "x'00112233445566778899aabbccdd0000'", MYS_LOG_AS_UUID,
           "CONCAT('u', LOWER(HEX(v)))");
    expect(&fixture, "VARBINARY(16)", "x'00ff00'", MYS_LOG_AS_BYTES, AS_HEX);
    expect(&fixture, "TINYBLOB", "x'00ff00'", MYS_LOG_AS_BYTES, AS_HEX);
    expect(&fixture, "BLOB", "REPEAT(x'00', 1000)", MYS_LOG_AS_BYTES, AS_HEX);
    expect(&fixture, "MEDIUMBLOB", "REPEAT(x'01', 70000)", MYS_LOG_AS_BYTES, AS_HEX);
    expect(&fixture, "LONGBLOB", "x''", MYS_LOG_AS_BYTES, AS_HEX);
    expect(&fixture, "LONGTEXT", "'\xf0\x9f\x98\x80'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "BIT(12)", "b'101010101010'", MYS_LOG_AS_BYTES, "'x0aaa'");
    expect(&fixture, "BIT(16)", "b'1000000010000001'", MYS_LOG_AS_BYTES, "'x8081'");
    expect(&fixture, "ENUM('red', 'it''s', '')", "'it''s'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "SET('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i')", "'a,c,i'", MYS_LOG_AS_TEXT, AS_TEXT);
    expect(&fixture, "SET('a', 'b')", "''", MYS_LOG_AS_TEXT, AS_TEXT);
    log_close(&fixture);
}

Test(log_values, json_as_the_server_prints_it)
{
    static const char *const values[] = {
        "'{\"b\": 1, \"a\": [true, false, null, -1, 70000, -70000, 5000000000, 18446744073709551615]}'",
        "'{\"s\": \"quote \\\\\" slash \\\\\\\\ tab \\\\t \\\\u0001 \xc3\xbc\", \"e\": {}, \"l\": []}'",
        "'[1.0, 0.1, -2.5, 1e20, 1e-20, 123456789012345.0, 1234567890123456.0, 0.001, 1.7976931348623157e308, 0.0]'",
        "'\"text\"'", "'17'", "JSON_OBJECT('x', REPEAT('y', 70000), 'z', 70000)",
        /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma) */
        "JSON_OBJECT('d', CAST('2026-11-29 17:00:00.5' AS DATETIME(6)), 'e', CAST('2026-11-29' AS DATE), 'n', "
        "CAST(-1.50 "
        "AS DECIMAL(10, 2)))",
        "JSON_OBJECT('t', CAST('-10:11:12.25' AS TIME(6)), 'b', x'0102')",
        "JSON_ARRAY(JSON_ARRAY(JSON_ARRAY()), 32767, -32768, 65535, 65536, 2147483648)"};
    struct log_fixture fixture;
    log_open(&fixture, "vals");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        expect(&fixture, "JSON", values[i], MYS_LOG_AS_TEXT, AS_TEXT);
    log_close(&fixture);
}

Test(log_values, types_of_mariadb)
{
    struct log_fixture fixture;
    log_open(&fixture, "vals");
    if (fixture.mariadb) {
        expect(&fixture, "UUID", "'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'", MYS_LOG_AS_MARIADB_UUID, AS_TEXT);
        expect(&fixture, "UUID", "'019a1b2c-3d4e-7f60-8123-456789abcdef'", MYS_LOG_AS_MARIADB_UUID, AS_TEXT);
        expect(&fixture, "UUID", "'00000000-0000-0000-0000-000000000000'", MYS_LOG_AS_MARIADB_UUID, AS_TEXT);
        expect(&fixture, "INET6", "'2001:db8::ff00:42:8329'", MYS_LOG_AS_INET6, AS_TEXT);
        expect(&fixture, "INET4", "'192.0.2.0'", MYS_LOG_AS_INET4, AS_TEXT);
    }
    log_close(&fixture);
}
