/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/encode_test.c - lines are exact, every byte survives, and no size of buffer changes them */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../brokers/file/encode.h"
#include "base/buf.h"
#include "mem_fault.h"

static struct outbox_bytes text(const char *text)
{
    return (struct outbox_bytes){text, text ? strlen(text) : 0};
}

static int gather(void *arg, const char *data, size_t size)
{
    obx_buf_add(arg, data, size);
    return 0;
}

/* Through a buffer of `room` bytes; the caller frees the result. */
static struct obx_buf encode_in(const struct outbox_message *message, size_t room)
{
    struct obx_buf line = {0};
    struct file_out out = {.data = malloc(room), .room = room, .flush = gather, .arg = &line};
    file_encode(&out, message);
    cr_assert_eq(file_flush(&out), 0);
    free(out.data);
    return line;
}

static void expect(const struct outbox_message *message, const char *expected)
{
    struct obx_buf line = encode_in(message, FILE_MIN_ROOM);
    cr_assert_str_eq(obx_buf_text(&line), expected);
    obx_buf_free(&line);
}

Test(encode, writes_every_field_in_its_place)
{
    struct outbox_header headers[] = {{text("a"), text("1")}, {text("b"), {0}}, {text("c"), {"\xff", 1}}};
    struct outbox_message message = {.topic = text("orders"),
                                     .key = text("k\"1"),
                                     .value = text("{\"x\":\"\\n\"}"),
                                     .headers = headers,
                                     .header_count = 3,
                                     .id = text("0b4e"),
                                     .type = text("Created"),
                                     .created_us = 1769903999123456};
    expect(&message, "{\"topic\":\"orders\",\"key\":\"k\\\"1\",\"id\":\"0b4e\",\"type\":\"Created\","
                     "\"time\":\"2026-01-31T23:59:59.123456Z\",\"headers\":{\"a\":\"1\",\"b\":null,"
                     "\"c\":{\"base64\":\"/w==\"}},\"payload\":\"{\\\"x\\\":\\\"\\\\n\\\"}\"}\n");
}

Test(encode, writes_null_for_missing_values)
{
    struct outbox_message message = {.topic = text("t"), .created_us = INT64_MIN};
    expect(&message, "{\"topic\":\"t\",\"key\":null,\"id\":null,\"type\":null,\"time\":null,\"headers\":{},"
                     "\"payload\":null}\n");
}

Test(encode, distinguishes_empty_from_null)
{
    struct outbox_message message = {
        .topic = text("t"), .key = text(""), .value = text(""), .type = text(""), .created_us = 0};
    expect(&message, "{\"topic\":\"t\",\"key\":\"\",\"id\":null,\"type\":\"\","
                     "\"time\":\"1970-01-01T00:00:00.000000Z\",\"headers\":{},\"payload\":\"\"}\n");
}

Test(encode, writes_bytes_as_base64)
{
    struct outbox_message message = {.topic = text("t"), .key = {"\x00\xff\x10", 3}, .created_us = INT64_MIN};
    message.value = (struct outbox_bytes){"\x80", 1};
    expect(&message, "{\"topic\":\"t\",\"key\":{\"base64\":\"AP8Q\"},\"id\":null,\"type\":null,\"time\":null,"
                     "\"headers\":{},\"payload_base64\":\"gA==\"}\n");
    message.value = (struct outbox_bytes){"\x80\x81\x82\x83\x84", 5};
    message.key.data = NULL;
    expect(&message, "{\"topic\":\"t\",\"key\":null,\"id\":null,\"type\":null,\"time\":null,"
                     "\"headers\":{},\"payload_base64\":\"gIGCg4Q=\"}\n");
}

Test(encode, escapes_every_control_character)
{
    char payload[34];
    for (int i = 0; i < 0x20; i++)
        payload[i] = (char)i;
    payload[32] = '"';
    payload[33] = '\\';
    struct outbox_message message = {.topic = text("t"), .value = {payload, 34}, .created_us = INT64_MIN};
    expect(&message,
           "{\"topic\":\"t\",\"key\":null,\"id\":null,\"type\":null,\"time\":null,\"headers\":{},\"payload\":\""
           "\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\\u0010"
           "\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e"
           "\\u001f\\\"\\\\\"}\n");
}

/* A simple generator, so that a failure is the same on every machine. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill(char *data, size_t size, uint32_t seed)
{
    static const char alphabet[] = "abc \"\\\n\x01\x7f{}:,xyz";
    for (size_t i = 0; i < size; i++)
        data[i] = alphabet[next_random(&seed) % (sizeof alphabet - 1)];
}

/* Python's splitlines() and some readers end a line at U+0085, U+2028 and U+2029; other characters with the same first
 * bytes stay as they are. Each one at every offset of a block, and across the steps of the encoder. */
Test(encode, line_separators_of_unicode_are_escaped)
{
    static const struct {
        const char *text, *escaped;
    } cases[] = {{"\xc2\x85", "\\u0085"},  {"\xe2\x80\xa8", "\\u2028"},      {"\xe2\x80\xa9", "\\u2029"},
                 {"\xc2\x86", "\xc2\x86"}, {"\xe2\x80\xaa", "\xe2\x80\xaa"}, {"\xe2\x82\xac", "\xe2\x82\xac"}};
    static char payload[FILE_STEP + 64], expected[FILE_STEP + 256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t before = 0; before < FILE_STEP + 20; before += before == 40 ? FILE_STEP - 45 : 1) {
            memset(payload, 'x', before);
            snprintf(payload + before, sizeof payload - before, "%s-end", cases[i].text);
            memset(expected, 'x', before);
            snprintf(expected + before, sizeof expected - before, "%s-end\"}\n", cases[i].escaped);
            struct outbox_message message = {
                .topic = {"t", 1}, .value = {payload, strlen(payload)}, .created_us = INT64_MIN};
            struct obx_buf line = encode_in(&message, FILE_MIN_ROOM);
            const char *found = strstr(obx_buf_text(&line), "\"payload\":\"");
            cr_assert_not_null(found);
            cr_assert_str_eq(found + 11, expected, "case %zu at %zu", i, before);
            obx_buf_free(&line);
        }
}

Test(encode, payload_of_every_length_reads_back)
{
    char payload[600];
    for (size_t size = 0; size < sizeof payload; size++) {
        fill(payload, size, (uint32_t)size + 1);
        struct outbox_message message = {.topic = text("t"), .value = {payload, size}, .created_us = INT64_MIN};
        struct obx_buf line = encode_in(&message, FILE_MIN_ROOM);
        json_t *json = json_loadb(line.data, line.size, JSON_ALLOW_NUL, NULL);
        json_t *value = json_object_get(json, "payload");
        cr_assert(json_string_length(value) == size && !memcmp(json_string_value(value), payload, size), "%zu", size);
        json_decref(json);
        obx_buf_free(&line);
    }
    cr_assert_eq(mem_live(), 0);
}

/* The encoder reads blocks of bytes: each byte, at each place of a block. */
Test(encode, every_byte_reads_back_at_every_place)
{
    char payload[80];
    for (unsigned byte = 0; byte < 0x80; byte++) {
        for (size_t at = 0; at < sizeof payload; at++) {
            memset(payload, 'x', sizeof payload);
            payload[at] = (char)byte;
            struct outbox_message message = {
                .topic = text("t"), .value = {payload, sizeof payload}, .created_us = INT64_MIN};
            struct obx_buf line = encode_in(&message, FILE_MIN_ROOM);
            bool plain = byte >= 0x20 && byte != '"' && byte != '\\';
            json_t *json = json_loadb(line.data, line.size, JSON_ALLOW_NUL, NULL);
            json_t *value = json_object_get(json, "payload");
            cr_assert(json_string_length(value) == sizeof payload &&
                          !memcmp(json_string_value(value), payload, sizeof payload),
                      "byte %u at %zu", byte, at);
            cr_assert(!plain || memmem(line.data, line.size, payload, sizeof payload), "byte %u at %zu", byte, at);
            json_decref(json);
            obx_buf_free(&line);
        }
    }
    cr_assert_eq(mem_live(), 0);
}

Test(encode, writes_the_same_line_through_any_buffer)
{
    enum { SIZE = 300000 };
    char *payload = malloc(SIZE);
    for (int binary = 0; binary < 2; binary++) {
        fill(payload, SIZE, 7);
        if (binary)
            payload[SIZE / 2] = '\xff';
        struct outbox_message message = {.topic = text("t"), .value = {payload, SIZE}, .created_us = INT64_MIN};
        struct obx_buf large = encode_in(&message, 8 * SIZE), small = encode_in(&message, FILE_MIN_ROOM);
        cr_assert_eq(large.size, small.size);
        cr_assert_eq(memcmp(large.data, small.data, small.size), 0);
        obx_buf_free(&large);
        obx_buf_free(&small);
    }
    free(payload);
}

static int refuse(void *arg, const char *data, size_t size)
{
    (void)data, (void)size;
    ++*(int *)arg;
    return OUTBOX_E_FULL;
}

Test(encode, keeps_the_first_failure_and_writes_no_more)
{
    int calls = 0;
    struct file_out out = {.data = malloc(FILE_MIN_ROOM), .room = FILE_MIN_ROOM, .flush = refuse, .arg = &calls};
    struct outbox_message message = {.topic = text("t"), .created_us = INT64_MIN};
    for (int i = 0; i < 2000; i++)
        file_encode(&out, &message);
    cr_assert_eq(file_flush(&out), OUTBOX_E_FULL);
    cr_assert_eq(calls, 1);
    free(out.data);
}
