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
