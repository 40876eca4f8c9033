/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/json_headers_test.c - the headers column */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "mem_fault.h"
#include "relay/json_headers.h"

static int parse(const char *json, struct outbox_header *headers, uint32_t *count, struct obx_arena *arena,
                 struct outbox_error *error)
{
    *count = 0;
    return obx_json_headers((struct outbox_bytes){json, strlen(json)}, headers, 4, count, arena, error);
}

static bool is(struct outbox_bytes bytes, const char *text)
{
    return bytes.data && bytes.size == strlen(text) && !memcmp(bytes.data, text, bytes.size);
}

Test(json_headers, strings_null_and_other_values_become_headers)
{
    struct outbox_header headers[4];
    struct obx_arena arena = {0};
    uint32_t count;
    const char *json = " { \"a\" : \"x\" , \"b\":null,\"c\":[1,{\"d\":\"},\"}], \"e\":-1.5e3 } ";
    cr_assert_eq(parse(json, headers, &count, &arena, NULL), 0);
    cr_assert_eq(count, 4);
    cr_assert(is(headers[0].name, "a") && is(headers[0].value, "x"));
    cr_assert(is(headers[1].name, "b"));
    cr_assert_null(headers[1].value.data);
    cr_assert(is(headers[2].value, "[1,{\"d\":\"},\"}]"));
    cr_assert(is(headers[3].value, "-1.5e3"));
    cr_assert_eq(parse("{}", headers, &count, &arena, NULL), 0);
    cr_assert_eq(count, 0);
    obx_arena_free(&arena);
    cr_assert_eq(mem_live(), 0);
}

Test(json_headers, texts_that_clients_write_for_none_are_no_headers)
{
    static const char *const none[] = {"", " ", "null", " null ", "[]", " [ ] ", "{}"};
    struct outbox_header headers[4];
    struct obx_arena arena = {0};
    uint32_t count;
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        cr_assert_eq(parse(none[i], headers, &count, &arena, NULL), 0, "'%s'", none[i]);
        cr_assert_eq(count, 0, "'%s'", none[i]);
    }
}

Test(json_headers, escapes_are_decoded)
{
    struct outbox_header headers[4];
    struct obx_arena arena = {0};
    uint32_t count;
    const char *json = "{\"a\\n\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"}";
    cr_assert_eq(parse(json, headers, &count, &arena, NULL), 0);
    cr_assert(is(headers[0].name, "a\n"));
    cr_assert(is(headers[0].value, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    obx_arena_free(&arena);
}

static void refuse(const char *json, const char *text)
{
    struct outbox_header headers[4];
    struct obx_arena arena = {0};
    struct outbox_error error = {0};
    uint32_t count;
    cr_assert_eq(parse(json, headers, &count, &arena, &error), OUTBOX_E_REJECTED, "%s", json);
    char expected[200];
    snprintf(expected, sizeof expected, "headers column: %s; it must hold a JSON object", text);
    cr_assert_str_eq(error.text, expected);
    obx_arena_free(&arena);
}

Test(json_headers, broken_objects_are_refused_with_a_location)
{
    refuse("[1]", "not a JSON object at byte 0");
    refuse("[", "not a JSON object at byte 0");
    refuse("nul", "not a JSON object at byte 0");
    refuse("null 1", "not a JSON object at byte 0");
    refuse("0", "not a JSON object at byte 0");
    refuse("{\"a\":1", "',' or '}' expected at byte 6");
    refuse("{\"a\":\"x\"", "',' or '}' expected at byte 8");
    refuse("{\"a\"}", "':' expected at byte 4");
    refuse("{a:1}", "name in double quotes expected at byte 1");
    refuse("{\"a\":}", "value is missing or does not end at byte 5");
    refuse("{\"a\":[1}", "brackets do not match at byte 8");
    refuse("{\"a\":null\1}", "control character in a value at byte 9");
    refuse("{\"a\":[1", "value is missing or does not end at byte 7");
    refuse("{\"a\":\"x", "string does not end at byte 7");
    refuse("{\"a\":\"x\\", "string does not end at byte 8");
    refuse("{\"a\":\"\\q\"}", "unknown escape in a string at byte 9");
    refuse("{\"a\":\"\\ud800\"}", "half a surrogate pair at byte 13");
    refuse("{\"a\":\"\\ud800\\u0041\"}", "half a surrogate pair at byte 19");
    refuse("{\"a\":\"\\ud800\\u00x1\"}", "bad \\u escape at byte 19");
    refuse("{\"a\":\"\\u12g4\"}", "bad \\u escape at byte 13");
    refuse("{\"a\\q\":1}", "unknown escape in a string at byte 6");
    char deep[100] = "{\"a\":";
    memset(deep + 5, '[', 70);
    refuse(deep, "value is nested too deeply at byte 70");
    refuse("{\"a\":\"\n\"}", "control character in a string at byte 6");
    refuse("{} x", "something follows the object at byte 3");
    refuse("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}", "too many headers at byte 25");
}

Test(json_headers, failed_allocation_is_not_a_rejection)
{
    struct outbox_header headers[4];
    struct obx_arena arena = {0};
    struct outbox_error error = {0};
    uint32_t count;
    mem_fail_at(1, true);
    cr_assert_eq(parse("{\"a\":\"\\n\"}", headers, &count, &arena, &error), OUTBOX_E_NO_MEMORY);
    mem_fail_at(0, false);
    obx_arena_free(&arena);
}
