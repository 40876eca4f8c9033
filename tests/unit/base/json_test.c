/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/json_test.c - JSON strings, checked against jansson */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "mem_fault.h"

static void expect_quoted(const char *bytes, size_t size, const char *quoted)
{
    struct obx_buf buf = {0};
    obx_json_quote(&buf, bytes, size);
    cr_expect_str_eq(obx_buf_text(&buf), quoted, "%s", obx_buf_text(&buf));
    obx_buf_free(&buf);
}

Test(json, mandatory_characters_are_escaped)
{
    expect_quoted(NULL, 0, "\"\"");
    expect_quoted("plain", 5, "\"plain\"");
    expect_quoted("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
    expect_quoted("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    expect_quoted("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
    expect_quoted("\xc2\x9b\xd8\x9c\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8", 13,
                  "\"\\u009b\\u061c\\u202e\\u2066\\u2028\"");
    expect_quoted("\xc2\xa0\xe2\x80\x94\xd8\x9d", 7, "\"\xc2\xa0\xe2\x80\x94\xd8\x9d\"");
    expect_quoted("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_quoted("a\xff\xc3", 3, "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    cr_assert_eq(mem_live(), 0);
}

Test(json, every_byte_can_be_read_back)
{
    for (int byte = 0; byte < 256; byte++) {
        struct obx_buf buf = {0};
        char text[2] = {(char)byte, 'x'};
        obx_json_quote(&buf, text, 2);
        json_t *value = json_loadb(buf.data, buf.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        cr_assert_not_null(value, "byte %d: %s", byte, buf.data);
        if (byte < 0x80)
            cr_expect_arr_eq(json_string_value(value), text, 2);
        else
            cr_expect_str_eq(json_string_value(value), "\xef\xbf\xbdx");
        json_decref(value);
        obx_buf_free(&buf);
    }
    cr_assert_eq(mem_live(), 0);
}

Test(json, failure_is_reported_by_the_buffer)
{
    struct obx_buf buf = {0};
    mem_fail_at(1, false);
    obx_json_quote(&buf, "x", 1);
    cr_expect(obx_buf_failed(&buf));
    obx_buf_free(&buf);
    cr_assert_eq(mem_live(), 0);
}

static bool is_valid(const char *text)
{
    return obx_json_valid(text, strlen(text));
}

Test(json, valid_texts_are_recognised)
{
    static const char *const good[] = {"null",
                                       " true ",
                                       "-0.5e+10",
                                       "0",
                                       "1E9",
                                       "\"\"",
                                       "\"a\\u00e9\\n\\\"é\"",
                                       "[]",
                                       "{}",
                                       "[1, [2, {}], \"x\"]",
                                       "{\"a\": {\"b\": [null, false]}, \"c\": -1}",
                                       "\t[\n1\r]"};
    static const char *const bad[] = {
        "",           " ",       "nul",         "truex", "01",  "-",    "1.",   ".5",    "1e", "+1",      "\"",
        "\"a\nb\"",   "\"\\x\"", "\"\\u12g4\"", "\"\\",  "[",   "]",    "[1,]", "[1 2]", "[}", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{a:1}",   "{1:2}",       "{} {}", "1 2", "[1]]", "\xff", "'a'",   ","};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(is_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(is_valid(bad[i]), "%s", bad[i]);
    cr_expect_not(obx_json_valid("1\0", 2));
    cr_expect_not(obx_json_valid(NULL, 0));
}

Test(json, nesting_has_a_limit)
{
    char text[2 * 513];
    memset(text, '[', 513);
    memset(text + 513, ']', 513);
    cr_assert(obx_json_valid(text + 1, 2 * 512));
    cr_assert_not(obx_json_valid(text, sizeof text));
}

/* Each text of up to five characters that JSON is made of, as jansson has it. */
Test(json, short_texts_are_judged_as_by_another_parser)
{
    static const char letters[] = "[]{},:\"\\1e-. ";
    char text[6];
    for (unsigned n = 0; n < 13u * 13 * 13 * 13 * 13; n++) {
        unsigned rest = n;
        for (int i = 0; i < 5; i++, rest /= 13)
            text[i] = letters[rest % 13];
        json_t *value = json_loadb(text, 5, JSON_DECODE_ANY, NULL);
        cr_assert_eq(obx_json_valid(text, 5), value != NULL, "%.5s", text);
        json_decref(value);
    }
}
