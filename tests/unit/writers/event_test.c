/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/writers/event_test.c - what every writer library checks of an event, and its headers as JSON */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "event.h"
#include "json_object.h"

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_event event_with_headers(const char *headers)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("7"),
                                 .type = text("placed"),
                                 .headers = headers ? text(headers) : (struct outbox_bytes){0}};
}

static void expect(const struct outbox_event *event, const char *why)
{
    struct outbox_error error;
    cr_expect_eq(obx_event_check(event, "add an event to t", &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, why);
    cr_expect_eq(obx_event_check(event, "add an event to t", NULL), OUTBOX_E_INVALID);
}

Test(writers_event, event_needs_its_required_values)
{
    struct outbox_event event = event_with_headers(NULL);
    cr_expect_eq(obx_event_check(&event, "add", NULL), OUTBOX_OK);
    expect(NULL, "add an event to t: event is NULL");
    event.type = (struct outbox_bytes){0};
    expect(&event, "add an event to t: type is missing; every event needs one");
    event.type = (struct outbox_bytes){"", 0};
    cr_expect_eq(obx_event_check(&event, "add", NULL), OUTBOX_OK, "empty is not missing");
    event.struct_size = 0;
    expect(&event, "add an event to t: struct_size of the event is 0; set it to sizeof(struct outbox_event)");
}

Test(writers_event, headers_must_be_an_object)
{
    struct outbox_event event = event_with_headers("[1]");
    expect(&event,
           "add an event to t: headers: it does not begin with {, at byte 0; they must be a JSON object, or null");
    event = event_with_headers("{bad");
    expect(&event, "add an event to t: headers: a name in double quotes is missing, at byte 1; they must be a JSON "
                   "object, or null");
    event = event_with_headers("");
    expect(&event,
           "add an event to t: headers: it does not begin with {, at byte 0; they must be a JSON object, or null");
    event = event_with_headers(" {\"a\": null} ");
    cr_expect_eq(obx_event_check(&event, "add", NULL), OUTBOX_OK);
}

static void expect_json(const char *json, const char *wrong)
{
    size_t offset;
    const char *got = obx_json_object_error(text(json), &offset);
    if (wrong)
        cr_expect(got && !strcmp(got, wrong), "%s: %s", json, got ? got : "accepted");
    else
        cr_expect_null(got, "%s: %s at byte %zu", json, got ? got : "", offset);
}

Test(writers_event, every_json_object_is_accepted)
{
    expect_json("{}", NULL);
    expect_json(" { \"a\" : { } , \"b\" : [ ] } ", NULL);
    expect_json("{\"a\":[1,-2.5e+3,0.1E-7,\"x\",true,false,null,{\"b\":[[]]}]}", NULL);
    expect_json("{\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\xc3\xa9\"}", NULL);
}

Test(writers_event, broken_json_is_refused_with_a_reason)
{
    static const struct {
        const char *json, *wrong;
    } all[] = {
        {"null", "it does not begin with {"},
        {"{", "a name in double quotes is missing"},
        {"{\"a\"}", "a colon is missing after a name"},
        {"{\"a\":}", "a value is missing"},
        {"{\"a\":nul}", "a value is missing"},
        {"{\"a\":1", "a comma or } is missing"},
        {"{\"a\":1,}", "a name in double quotes is missing"},
        {"{\"a\":[1,]}", "a value is missing"},
        {"{\"a\":[1}", "a comma or ] is missing"},
        {"{\"a\":01}", "a comma or } is missing"},
        {"{\"a\":-}", "a number lacks a digit"},
        {"{\"a\":1.}", "a number lacks a digit"},
        {"{\"a\":1e}", "a number lacks a digit"},
        {"{\"a\":\"x", "a string does not end"},
        {"{\"a\":\"\n\"}", "a control character is in a string"},
        {"{\"a\":\"\\q\"}", "an escape in a string is unknown"},
        {"{\"a\":\"\\", "an escape in a string is unknown"},
        {"{\"a\":\"\\u12g4\"}", "an escape \\u needs four hexadecimal digits"},
        {"{\"a\":\"\\ud83d\"}", "an escape \\u is half a surrogate pair"},
        {"{\"a\":\"\\ude00\"}", "an escape \\u is half a surrogate pair"},
        {"{\"a\":\"\\ud83d\\u0041\"}", "an escape \\u is half a surrogate pair"},
        {"{} x", "something follows the object"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        expect_json(all[i].json, all[i].wrong);
}

/* The limits of the relay: what is beyond them would block its key. */
Test(writers_event, headers_stay_within_the_limits_of_the_relay)
{
    char json[2000], *to = json;
    for (int i = 0; i < 33; i++)
        to += sprintf(to, "%c\"h%d\":\"v\"", i ? ',' : '{', i);
    strcpy(to, "}");
    expect_json(json, "there are more than 32 headers");
    strcpy(strstr(json, ",\"h32\""), "}");
    expect_json(json, NULL);
    strcpy(json, "{\"a\":");
    memset(json + 5, '[', 64);
    memset(json + 69, ']', 64);
    strcpy(json + 133, "}");
    expect_json(json, "it is nested too deeply");
    strcpy(json, "{\"a\":");
    memset(json + 5, '[', 63);
    memset(json + 68, ']', 63);
    strcpy(json + 131, "}");
    expect_json(json, NULL);
}

/* Without liboutbox. */
Test(writers_event, every_error_code_has_a_name)
{
    cr_expect_str_eq(outbox_error_name(OUTBOX_OK), "OK");
    cr_expect_str_eq(outbox_error_name(OUTBOX_E_NOT_FOUND), "NOT_FOUND");
    for (int code = OUTBOX_E_BUG; code < 0; code++)
        cr_expect_str_neq(outbox_error_name(code), "UNKNOWN", "%d", code);
    cr_expect_str_eq(outbox_error_name(OUTBOX_E_BUG - 1), "UNKNOWN");
    cr_expect_str_eq(outbox_error_name(1), "UNKNOWN");
}
