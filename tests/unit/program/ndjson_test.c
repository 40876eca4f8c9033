/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/ndjson_test.c - from a line to an event: accepted fields, byte for byte, and refused lines */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/ndjson.h"

static void expect_bytes(struct outbox_bytes bytes, const char *text)
{
    if (!text) {
        cr_expect_null(bytes.data);
        return;
    }
    cr_assert_not_null(bytes.data);
    cr_expect_eq(bytes.size, strlen(text));
    cr_expect(bytes.size == strlen(text) && !memcmp(bytes.data, text, bytes.size), "got %.*s, not %s", (int)bytes.size,
              (const char *)bytes.data, text);
}

static void expect_refused(const char *line, const char *text)
{
    struct obx_parsed_event parsed;
    struct outbox_error error = {0};
    cr_expect_eq(obx_ndjson_parse(line, strlen(line), &parsed, &error), OUTBOX_E_REJECTED);
    cr_expect_str_eq(error.text, text);
}

Test(ndjson, every_field_is_read)
{
    static const char line[] = " { \"aggregatetype\" : \"order\", \"aggregateid\":\"7\",\"type\":\"pl\\u00e4ced\","
                               "\"event_id\":\"e\",\"headers\": {\"a\": [1, \"}\"]} ,\"payload\":\"a\\nb\"}";
    struct obx_parsed_event parsed;
    struct outbox_error error;
    cr_assert_eq(obx_ndjson_parse(line, strlen(line), &parsed, &error), OUTBOX_OK);
    expect_bytes(parsed.event.aggregate_type, "order");
    expect_bytes(parsed.event.aggregate_id, "7");
    expect_bytes(parsed.event.type, "pl\xc3\xa4"
                                    "ced");
    expect_bytes(parsed.event.event_id, "e");
    expect_bytes(parsed.event.headers, "{\"a\": [1, \"}\"]}");
    expect_bytes(parsed.event.payload, "a\nb");
    obx_ndjson_free(&parsed);
}

Test(ndjson, payload_of_another_type_keeps_its_json_text)
{
    static const char *const values[] = {
        "1.0",       "-0", "1e400", "123456789012345678901234567890", "true", "[1,  2]", "{\"a\\\"}\": {\"b\": []}}",
        "[\"\\\\\"]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char line[256];
        struct obx_parsed_event parsed;
        struct outbox_error error = {0};
        snprintf(line, sizeof line, "{\"payload\": %s, \"aggregatetype\":\"a\",\"aggregateid\":\"1\",\"type\":\"t\"}",
                 values[i]);
        if (obx_ndjson_parse(line, strlen(line), &parsed, &error)) {
            cr_expect_str_eq(values[i], "1e400", "%s: %s", values[i], error.text); /* out of a number's range */
            continue;
        }
        expect_bytes(parsed.event.payload, values[i]);
        obx_ndjson_free(&parsed);
    }
}

Test(ndjson, null_and_absent_values_are_null)
{
    static const char line[] = "{\"aggregatetype\":\"a\",\"aggregateid\":\"\",\"type\":\"t\",\"payload\":null,\"event_"
                               "id\":null,\"headers\":null}";
    struct obx_parsed_event parsed;
    struct outbox_error error;
    cr_assert_eq(obx_ndjson_parse(line, strlen(line), &parsed, &error), OUTBOX_OK);
    expect_bytes(parsed.event.aggregate_id, "");
    expect_bytes(parsed.event.payload, NULL);
    expect_bytes(parsed.event.event_id, NULL);
    expect_bytes(parsed.event.headers, NULL);
    obx_ndjson_free(&parsed);
}

Test(ndjson, refused_line_names_the_fault)
{
    expect_refused("[]", "the line is not a JSON object");
    expect_refused("{\"aggregatetype\":\"a\"}", "\"aggregateid\" is missing");
    expect_refused("{\"aggregatetype\":7}", "\"aggregatetype\" must be a string");
    expect_refused("{\"aggregatetype\":\"a\",\"aggregateid\":\"1\",\"type\":\"t\",\"headers\":[]}",
                   "\"headers\" must be an object");
    expect_refused(
        "{\"aggregatetyp\":\"a\"}",
        "unknown name \"aggregatetyp\"; known are aggregatetype, aggregateid, type, payload, headers and event_id");
    expect_refused("{\"aggregatetype\":\"a\",\"aggregateid\":\"1\",\"type\":\"t\",\"pay\\u006coad\":1}",
                   "the name \"payload\" must be written without escapes");
    struct obx_parsed_event parsed;
    struct outbox_error error = {0};
    cr_expect_eq(obx_ndjson_parse("{\"a\":1,\"a\":2}", 13, &parsed, &error), OUTBOX_E_REJECTED);
    cr_expect(!strncmp(error.text, "not valid JSON at column ", 25), "%s", error.text);
}
