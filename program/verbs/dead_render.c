/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/dead_render.c - one dead letter as a line, as all its fields, or as JSON, on stdout */
#include "verbs/dead_render.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <outbox/plugin_util.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cli/escape.h"

#define TIME_TEXT 40

static void format_time(int64_t micros, char text[TIME_TEXT])
{
    time_t seconds = (time_t)(micros / 1000000);
    struct tm utc;
    strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
}

/* NULL: no memory. */
static json_t *base64(struct outbox_bytes bytes)
{
    char *text = obx_alloc(OUTBOX_BASE64_SIZE(bytes.size));
    json_t *json = text ? json_stringn(text, outbox_base64(text, bytes.data, bytes.size)) : NULL;
    obx_free(text);
    return json;
}

/* Invalid UTF-8 is written as in the lines of the file broker: {"base64": ...}. */
static void add_text(json_t *object, const char *name, struct outbox_bytes bytes)
{
    json_t *value = bytes.data ? json_stringn(bytes.data, bytes.size) : json_null();
    if (value)
        json_object_set_new(object, name, value);
    else
        json_object_set_new(object, name, json_pack("{s:o}", "base64", base64(bytes)));
}

static void add_payload(json_t *object, struct outbox_bytes bytes)
{
    if (bytes.data && !obx_utf8_valid(bytes.data, bytes.size))
        json_object_set_new(object, "payload_base64", base64(bytes));
    else
        add_text(object, "payload", bytes);
}

void obx_dead_print_json(const struct outbox_dead_letter *letter)
{
    char died[TIME_TEXT];
    format_time(letter->died_us, died);
    json_t *object = json_pack("{s:I, s:s, s:I}", "number", (json_int_t)letter->number, "died", died, "attempts",
                               (json_int_t)letter->attempts);
    add_text(object, "topic", letter->topic);
    add_text(object, "key", letter->key);
    add_text(object, "reason", letter->reason);
    add_text(object, "event_id", letter->event.event_id);
    add_text(object, "aggregatetype", letter->event.aggregate_type);
    add_text(object, "aggregateid", letter->event.aggregate_id);
    add_text(object, "type", letter->event.type);
    add_text(object, "headers", letter->event.headers);
    add_payload(object, letter->event.payload);
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}

static void print_field(const char *name, struct outbox_bytes bytes)
{
    printf("  %-14s ", name);
    obx_escape(stdout, bytes.data, bytes.size, false);
    putchar('\n');
}

/* Byte for byte; escaped on a terminal, which would act on control characters. */
static void print_payload(struct outbox_bytes bytes)
{
    printf("  %-14s ", "payload");
    if (isatty(STDOUT_FILENO))
        obx_escape(stdout, bytes.data, bytes.size, true);
    else if (bytes.data)
        fwrite(bytes.data, 1, bytes.size, stdout);
    putchar('\n');
}

void obx_dead_print_fields(const struct outbox_dead_letter *letter)
{
    char died[TIME_TEXT];
    format_time(letter->died_us, died);
    printf("%" PRIu64 "\n  %-14s %s\n  %-14s %" PRId64 "\n", letter->number, "died", died, "attempts",
           letter->attempts);
    print_field("reason", letter->reason);
    print_field("topic", letter->topic);
    print_field("key", letter->key);
    print_field("event_id", letter->event.event_id);
    print_field("aggregatetype", letter->event.aggregate_type);
    print_field("aggregateid", letter->event.aggregate_id);
    print_field("type", letter->event.type);
    print_field("headers", letter->event.headers);
    print_payload(letter->event.payload);
}

void obx_dead_print_line(const struct outbox_dead_letter *letter)
{
    char died[TIME_TEXT];
    format_time(letter->died_us, died);
    printf("%-8" PRIu64 " %s  ", letter->number, died);
    obx_escape(stdout, letter->topic.data, letter->topic.size, false);
    putchar('/');
    obx_escape(stdout, letter->key.data, letter->key.size, false);
    fputs("  ", stdout);
    obx_escape(stdout, letter->event.type.data, letter->event.type.size, false);
    printf("  attempts %" PRId64 ": ", letter->attempts);
    obx_escape(stdout, letter->reason.data, letter->reason.size, false);
    putchar('\n');
}
