/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/relay/route_test.c - rows to messages
 *
 * The golden rows are those of Debezium's outbox event router with its defaults: topic outbox.event.<aggregatetype>,
 * key aggregateid, value the payload's bytes, one header `id`.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "mem_fault.h"
#include "relay/route.h"

struct fixture {
    struct obx_config *config;
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_arena arena;
    struct outbox_value row[OBX_MAX_COLUMNS];
    struct outbox_message message;
    struct outbox_error error;
};

static int compile(struct fixture *f, const char *yaml)
{
    const struct obx_section *section;
    *f = (struct fixture){0};
    cr_assert_eq(obx_config_parse("t.yaml", yaml, strlen(yaml), &f->config, &f->error), 0, "%s", f->error.text);
    int code = obx_relay_settings_parse(obx_config_root(f->config), &f->settings, &f->error);
    if (!code)
        code = obx_section_child(obx_config_root(f->config), "route", &section, &f->error);
    if (!code)
        code = obx_route_compile(&f->settings.route, section, &f->route, &f->error);
    return code;
}

static void set(struct fixture *f, const char *column, struct outbox_value value)
{
    for (uint32_t i = 0; i < f->route.columns.count; i++) {
        if (!strcmp(f->route.columns.list[i].name, column))
            f->row[i] = value;
    }
}

static void set_text(struct fixture *f, const char *column, const char *text)
{
    set(f, column, (struct outbox_value){.as.data = text, .size = (uint32_t)strlen(text), .type = OUTBOX_TEXT});
}

static void open_fixture(struct fixture *f, const char *yaml)
{
    static const unsigned char uuid[16] = {0x9b, 0xb8, 0x33, 0x44, 0x25, 0xc7, 0x49, 0xd0,
                                           0xb2, 0xf1, 0xed, 0x72, 0xf8, 0x89, 0x1a, 0x5c};
    cr_assert_eq(compile(f, yaml), 0, "%s", f->error.text);
    set(f, "event_id", (struct outbox_value){.as.data = uuid, .size = 16, .type = OUTBOX_UUID});
    set_text(f, "aggregatetype", "Order");
    set_text(f, "aggregateid", "4711");
    set_text(f, "type", "OrderCreated");
    set_text(f, "payload", "{\"id\": 4711}");
    set(f, "created_at", (struct outbox_value){.as.integer = 1700000000123456, .type = OUTBOX_TIME});
}

static int route(struct fixture *f)
{
    return obx_route_row(&f->route, f->row, (struct outbox_position){77, 0}, &f->arena, &f->message, &f->error);
}

static void close_fixture(struct fixture *f)
{
    obx_arena_free(&f->arena);
    obx_route_free(&f->route);
    obx_config_free(f->config);
    cr_assert_eq(mem_live(), 0);
}

static void is(struct outbox_bytes bytes, const char *text)
{
    cr_assert_not_null(bytes.data);
    cr_assert(bytes.size == strlen(text) && !memcmp(bytes.data, text, bytes.size), "'%.*s' is not '%s'",
              (int)bytes.size, (const char *)bytes.data, text);
}

Test(route, defaults_are_those_of_debezium)
{
    struct fixture f;
    open_fixture(&f, "{}");
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    is(f.message.topic, "outbox.event.Order");
    is(f.message.key, "4711");
    is(f.message.value, "{\"id\": 4711}");
    cr_assert_eq(f.message.header_count, 1);
    is(f.message.headers[0].name, "id");
    is(f.message.headers[0].value, "9bb83344-25c7-49d0-b2f1-ed72f8891a5c");
    is(f.message.id, "9bb83344-25c7-49d0-b2f1-ed72f8891a5c");
    is(f.message.type, "OrderCreated");
    cr_assert_eq(f.message.partition, -1);
    cr_assert_eq(f.message.timestamp_us, 1700000000123456);
    close_fixture(&f);
}

Test(route, null_payload_is_a_tombstone_and_null_key_is_no_key)
{
    struct fixture f;
    open_fixture(&f, "{}");
    set(&f, "payload", (struct outbox_value){.type = OUTBOX_NULL});
    set(&f, "aggregateid", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), 0);
    cr_assert_null(f.message.value.data);
    cr_assert_null(f.message.key.data);
    close_fixture(&f);
    open_fixture(&f, "route: {tombstone: false}");
    set(&f, "payload", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), OUTBOX_E_REJECTED);
    cr_assert_str_eq(f.error.text, "payload is null; set route.tombstone: true to publish it as a tombstone");
    close_fixture(&f);
}

static void expect_tombstone(const char *yaml, const char *payload, bool expected)
{
    struct fixture f;
    open_fixture(&f, yaml);
    set_text(&f, "payload", payload);
    cr_assert_eq(route(&f), 0);
    cr_assert_eq(!f.message.value.data, expected, "%s: '%s'", yaml, payload);
    close_fixture(&f);
}

Test(route, empty_and_blank_payloads_are_tombstones_if_wanted)
{
    expect_tombstone("route: {tombstone: empty}", "", true);
    expect_tombstone("route: {tombstone: empty}", " \t\n", true);
    expect_tombstone("route: {tombstone: empty}", " x", false);
    expect_tombstone("route: {tombstone: true}", " ", false);
    expect_tombstone("route: {tombstone: true}", "", false);
}

Test(route, value_of_a_json_template_must_be_json)
{
    struct fixture f;
    open_fixture(&f, "route: {value: '{\"type\":${json(type)},\"data\":${payload}}'}");
    set_text(&f, "type", "it's \"new\"");
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    is(f.message.value, "{\"type\":\"it's \\\"new\\\"\",\"data\":{\"id\": 4711}}");
    set(&f, "payload", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), OUTBOX_E_REJECTED);
    cr_assert_str_eq(f.error.text, "value is no valid JSON; write ${json(column)} for a text in route.value, and "
                                   "${default(column, 'null')} for JSON that may be null");
    close_fixture(&f);
    open_fixture(&f, "route: {value: '[${default(payload, ''null'')}]'}");
    set(&f, "payload", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    is(f.message.value, "[null]");
    close_fixture(&f);
}

Test(route, topic_without_a_match_is_rejected)
{
    struct fixture f;
    open_fixture(&f, "route: {topic: \"${lower(tenant)}.${match(aggregatetype, '^[A-Z][a-z]+')}\"}");
    set_text(&f, "tenant", "ACME");
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    is(f.message.topic, "acme.Order");
    set_text(&f, "aggregatetype", "7");
    cr_assert_eq(route(&f), OUTBOX_E_REJECTED);
    cr_assert_str_eq(f.error.text, "nothing matches '^[A-Z][a-z]+' of the topic; check route.topic");
    set(&f, "tenant", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), OUTBOX_E_REJECTED);
    cr_assert_str_eq(f.error.text, "column 'tenant' is null, and the topic is made of it; check route.topic");
    close_fixture(&f);
    open_fixture(&f, "route: {topic: \"${default(tenant, 'none')}\"}");
    set(&f, "tenant", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    is(f.message.topic, "none");
    close_fixture(&f);
}

Test(route, empty_payload_is_not_null)
{
    struct fixture f;
    open_fixture(&f, "route: {tombstone: false}");
    set_text(&f, "payload", "");
    cr_assert_eq(route(&f), 0);
    is(f.message.value, "");
    close_fixture(&f);
}

Test(route, every_part_of_a_message_can_be_a_template)
{
    struct fixture f;
    open_fixture(&f,
                 "route:\n"
                 "  topic: \"${aggregatetype}-events\"\n"
                 "  key: \"${aggregatetype}/${aggregateid}\"\n"
                 "  partition: \"${shard}\"\n"
                 "  timestamp: \"${millis}\"\n"
                 "  headers: {id: \"${event_id}\", type: \"${type}\", traceparent: \"${traceparent}\", from: shop}\n");
    set(&f, "shard", (struct outbox_value){.as.integer = 3, .type = OUTBOX_INT});
    set(&f, "millis", (struct outbox_value){.as.integer = 1700000000123, .type = OUTBOX_INT});
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    is(f.message.topic, "Order-events");
    is(f.message.key, "Order/4711");
    cr_assert_eq(f.message.partition, 3);
    cr_assert_eq(f.message.timestamp_us, 1700000000123000);
    cr_assert_eq(f.message.header_count, 3, "a null column alone leaves its header out");
    is(f.message.headers[1].value, "OrderCreated");
    is(f.message.headers[2].value, "shop");
    close_fixture(&f);
}

/* The rows of a released batch, and what was made of them, are gone. */
Test(route, nothing_of_a_released_batch_is_used_again)
{
    struct fixture f;
    open_fixture(&f, "route:\n"
                     "  topic: \"t-${a}\"\n"
                     "  key: \"k-${a}\"\n"
                     "  value: \"v-${a}\"\n"
                     "  partition: \"1${a}\"\n"
                     "  timestamp: \"${a}000\"\n"
                     "  headers: {h: \"h-${a}\"}\n");
    for (int batch = 0; batch < 2; batch++) {
        char *column = malloc(2);
        memcpy(column, "7", 2);
        set(&f, "a", (struct outbox_value){.as.data = column, .size = 1, .type = OUTBOX_TEXT});
        obx_route_forget(&f.route);
        cr_assert_eq(route(&f), 0, "%s", f.error.text);
        is(f.message.topic, "t-7");
        is(f.message.headers[0].value, "h-7");
        cr_assert_eq(f.message.partition, 17);
        cr_assert_eq(f.message.timestamp_us, 7000000);
        obx_arena_reset(&f.arena);
        memset(obx_arena_bytes(&f.arena, 2000), 'x', 2000);
        obx_arena_reset(&f.arena);
        free(column);
    }
    close_fixture(&f);
}

Test(route, empty_templates_set_nothing)
{
    struct fixture f;
    open_fixture(&f, "route: {key: \"\", partition: \"${p}\", timestamp: \"${t}\"}");
    set(&f, "p", (struct outbox_value){.type = OUTBOX_NULL});
    set(&f, "t", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    cr_assert_null(f.message.key.data);
    cr_assert_eq(f.message.partition, -1);
    cr_assert_eq(f.message.timestamp_us, INT64_MIN);
    close_fixture(&f);
    open_fixture(&f, "route: {timestamp: \"\"}");
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    cr_assert_eq(f.message.timestamp_us, INT64_MIN);
    close_fixture(&f);
}

/* W3C trace context, in columns of the table's own. */
Test(route, trace_columns_become_headers)
{
    static const char parent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct fixture f;
    open_fixture(&f, "route: {headers: {id: \"${event_id}\", traceparent: \"${traceparent}\", "
                     "tracestate: \"${tracestate}\"}}\n");
    set_text(&f, "traceparent", parent);
    set_text(&f, "tracestate", "congo=t61rcWkgMzE");
    set_text(&f, "headers", "{\"tenant\": \"a\"}");
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    cr_assert_eq(f.message.header_count, 4);
    is(f.message.headers[1].name, "traceparent");
    is(f.message.headers[1].value, parent);
    is(f.message.headers[2].name, "tracestate");
    is(f.message.headers[2].value, "congo=t61rcWkgMzE");
    is(f.message.headers[3].name, "tenant");
    close_fixture(&f);
}

Test(route, headers_column_is_added)
{
    struct fixture f;
    open_fixture(&f, "{}");
    set_text(&f, "headers", "{\"tenant\": \"a\\nb\", \"n\": 7}");
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    cr_assert_eq(f.message.header_count, 3);
    is(f.message.headers[1].name, "tenant");
    is(f.message.headers[1].value, "a\nb");
    is(f.message.headers[2].value, "7");
    close_fixture(&f);
}

Test(route, headers_column_cannot_replace_a_header_of_the_route)
{
    struct fixture f;
    open_fixture(&f, "route: {headers: {id: \"${event_id}\", note: \"${note}\"}}");
    set(&f, "note", (struct outbox_value){.type = OUTBOX_NULL});
    set_text(&f, "headers", "{\"id\": \"mine\", \"idx\": \"1\", \"\": \"2\", \"note\": \"3\"}");
    cr_assert_eq(route(&f), 0, "%s", f.error.text);
    cr_assert_eq(f.message.header_count, 3);
    is(f.message.headers[0].value, "9bb83344-25c7-49d0-b2f1-ed72f8891a5c");
    is(f.message.headers[1].name, "idx");
    is(f.message.headers[2].value, "2");
    is(*f.route.left_out, "note");
    close_fixture(&f);
}

Test(route, event_without_an_id_is_named_by_its_position)
{
    struct fixture f;
    open_fixture(&f, "{}");
    set(&f, "event_id", (struct outbox_value){.type = OUTBOX_NULL});
    cr_assert_eq(route(&f), 0);
    is(f.message.id, "77");
    is(f.message.headers[0].value, "77");
    close_fixture(&f);
}

static void rejects(const char *yaml, const char *column, struct outbox_value value, const char *text)
{
    struct fixture f;
    open_fixture(&f, yaml);
    set(&f, column, value);
    cr_assert_eq(route(&f), OUTBOX_E_REJECTED);
    cr_assert_str_eq(f.error.text, text);
    close_fixture(&f);
}

static struct outbox_value text_value(const char *text)
{
    return (struct outbox_value){.as.data = text, .size = (uint32_t)strlen(text), .type = OUTBOX_TEXT};
}

Test(route, impossible_rows_are_rejected_with_a_reason)
{
    rejects("route: {topic: \"${aggregatetype}\"}", "aggregatetype", text_value(""),
            "topic is empty; check route.topic and its column");
    rejects("{}", "aggregatetype", (struct outbox_value){.type = OUTBOX_NULL},
            "column 'aggregatetype' is null, and the topic is made of it; check route.topic");
    rejects("route: {topic: \"x.${b}\"}", "b", (struct outbox_value){.type = OUTBOX_NULL},
            "column 'b' is null, and the topic is made of it; check route.topic");
    rejects("route: {partition: \"${p}\"}", "p", text_value("one"),
            "partition 'one' is not a number from 0 to 2147483647");
    rejects("route: {partition: \"${p}\"}", "p", text_value("2147483648"),
            "partition '2147483648' is not a number from 0 to 2147483647");
    rejects("route: {partition: \"${p}\"}", "p", text_value("1234567890123456789"),
            "partition '1234567890123456789' is not a number from 0 to 2147483647");
    rejects("route: {partition: \"${p}\"}", "p", text_value("123456789012345678901234567890123456789\xc3\xa9"),
            "partition '123456789012345678901234567890123456789' is not a number from 0 to 2147483647");
    rejects("route: {timestamp: \"${t}\"}", "t", text_value("noon"),
            "timestamp 'noon' is neither a time nor milliseconds since 1970");
    rejects("{}", "headers", text_value("[1]"),
            "headers column: not a JSON object at byte 0; it must hold a JSON object");
}

Test(route, optional_columns_may_be_missing)
{
    struct fixture f;
    open_fixture(&f, "{}");
    for (uint32_t i = 0; i < f.route.columns.count; i++) {
        const char *name = f.route.columns.list[i].name;
        bool optional = f.route.columns.list[i].flags & OUTBOX_COLUMN_OPTIONAL;
        bool expected = strcmp(name, "aggregatetype") && strcmp(name, "aggregateid") && strcmp(name, "payload");
        cr_assert_eq(optional, expected, "%s", name);
    }
    close_fixture(&f);
}

static void refuses(const char *yaml, const char *text)
{
    struct fixture f;
    cr_assert_neq(compile(&f, yaml), 0);
    cr_assert_str_eq(f.error.text, text);
    close_fixture(&f);
}

Test(route, bad_routes_are_refused_with_a_location)
{
    refuses("route:\n  topic: \"${\"\n",
            "t.yaml:2:3: topic: '${' needs a column name and '}'; write '$$' for a dollar sign");
    refuses("retry_min: 2s\nretry_max: 1s\n", "t.yaml:1:1: retry_min is longer than retry_max; make retry_min shorter");
    refuses("route:\n  topic: ''\n",
            "t.yaml:2:3: topic is empty; every event needs one, e.g. outbox.event.${aggregatetype}");
    refuses("route: {partition: two}\n", "t.yaml:1:9: partition 'two' is not a number from 0 to 2147483647");
    refuses("route: {partition: 2147483648}\n",
            "t.yaml:1:9: partition '2147483648' is not a number from 0 to 2147483647");
    refuses("route: {partition: \"p${shard}\"}\n",
            "t.yaml:1:9: partition 'p${shard}' is not a number from 0 to 2147483647");
    refuses("route: {tpoic: x}\n", "t.yaml:1:9: unknown key 'tpoic' in route; did you mean 'topic'?");
}

/* Of the items, each with its number in the place of every '#'. */
static const char *many(const char *prefix, const char *item, unsigned count, const char *suffix)
{
    static char text[4000];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", prefix);
    for (unsigned i = 0; i < count; i++)
        for (const char *at = item; *at; at++)
            used += (size_t)(*at == '#' ? snprintf(text + used, sizeof text - used, "%u", i)
                                        : snprintf(text + used, sizeof text - used, "%c", *at));
    snprintf(text + used, sizeof text - used, "%s", suffix);
    return text;
}

Test(route, too_many_columns_and_headers_are_refused)
{
    refuses(many("route:\n  headers: {", "h#: x, ", 33, "}\n"), "t.yaml:2:3: more than 32 headers");
    refuses(many("route:\n  headers: {", "h#: \"${c#}\", ", 30, "}\n"),
            "t.yaml:2:3: headers: the route uses more than 32 columns");
    refuses(many("route:\n  value: \"", "${c#}", 17, "\"\n"), "t.yaml:2:3: value: template has more than 16 pieces");
    refuses("route:\n  headers: {a: \"${\"}\n",
            "t.yaml:2:3: headers: '${' needs a column name and '}'; write '$$' for a dollar sign");
}

static void every_allocation_may_fail(const char *yaml)
{
    for (size_t n = 1;; n++) {
        struct fixture f;
        open_fixture(&f, yaml);
        set_text(&f, "p", "7");
        set_text(&f, "t", "7");
        set_text(&f, "headers", "{\"tenant\": \"a\\nb\"}");
        mem_fail_at(n, true);
        int code = route(&f);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(code, failed ? OUTBOX_E_NO_MEMORY : 0);
        close_fixture(&f);
        if (!failed)
            break;
    }
}

Test(route, every_allocation_may_fail)
{
    every_allocation_may_fail("{}");
    every_allocation_may_fail(
        "route: {partition: \"0${p}\", timestamp: \"1${t}\", value: \"<${payload}>\", headers: {a: "
        "\"<${created_at}>\", b: \"${event_id}\"}}");
}

static void names(const char *name, const char *text)
{
    struct obx_config *config;
    struct outbox_error error = {0};
    cr_assert_eq(obx_config_parse("t.yaml", "a: b", 4, &config, &error), 0);
    int code = obx_relay_check_name(obx_config_root(config), name, &error);
    cr_expect_eq(code, text ? OUTBOX_E_CONFIG : 0);
    cr_expect_str_eq(error.text, text ? text : "");
    obx_config_free(config);
}

Test(route, relay_names_that_cannot_be_shown_are_refused)
{
    names("orders", NULL);
    names("shop's \"new\" orders/eu, 2", NULL);
    names("k\xc3\xa4se", NULL);
    names("\xe6\x97\xa5\xe6\x9c\xac", NULL);
    names("123456789-123456789-123456789-123456789-123456789-123456789-123", NULL);
    names("123456789-123456789-123456789-123456789-123456789-123456789-1234",
          "t.yaml:1:1: the relay's name '123456789-123456789-...' has 64 bytes; give it at most 63");
    names("a\nb", "t.yaml:1:1: the relay's name has a control character as its byte 2; take it out");
    names("\x1b[31m", "t.yaml:1:1: the relay's name has a control character as its byte 1; take it out");
    names("ab\x7f", "t.yaml:1:1: the relay's name has a control character as its byte 3; take it out");
    names("a\xc2\x9b", "t.yaml:1:1: the relay's name has a control character as its byte 2; take it out");
    names("a\xc2\xa0", NULL);
}

static const struct outbox_position both = {0x7f, 0xab}, last = {UINT64_MAX, UINT64_MAX};

Test(route, position_is_a_header_that_no_row_can_set)
{
    struct fixture f;
    open_fixture(&f, "route: {position: true}");
    set_text(&f, "headers", "{\"outbox-position\": \"1.1-0.1.9\", \"a\": \"1\"}");
    obx_position_text_set_owner(&f.route.position, 0x12, 0x3, 0xffff00001234abcd);
    obx_position_text_set_low(&f.route.position, (struct outbox_position){0x7e, 0x1});
    f.route.position.known = true;
    cr_assert_eq(obx_route_row(&f.route, f.row, both, &f.arena, &f.message, &f.error), 0);
    cr_assert_eq(f.message.header_count, 3);
    is(f.message.headers[1].name, "outbox-position");
    is(f.message.headers[1].value, "0000000000000012.3-1234abcd.7f-ab.7e-1");
    is(f.message.headers[2].name, "a");
    obx_position_text_set_owner(&f.route.position, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    obx_position_text_set_low(&f.route.position, last);
    cr_assert_eq(obx_route_row(&f.route, f.row, last, &f.arena, &f.message, &f.error), 0);
    cr_assert_eq(f.message.headers[1].value.size, 16 + 1 + 25 + 1 + 33 + 1 + 33);
    close_fixture(&f);
}

Test(route, own_header_with_the_name_of_the_position_is_refused)
{
    struct fixture f;
    cr_assert_eq(compile(&f, "route:\n  position: true\n  headers: {outbox-position: \"${type}\"}\n"), OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "t.yaml:3:3: header 'outbox-position' is that of position: true; give yours another "
                                   "name");
    obx_config_free(f.config);
}
