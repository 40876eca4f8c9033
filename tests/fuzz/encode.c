/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/encode.c - the lines of the file broker: one line of JSON, from which another parser gets every byte back,
 * whatever the size of the buffer
 */
#include "fuzz.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../brokers/file/encode.h"
#include "../oracle/base64.h"
#include "base/buf.h"

#define HEADERS 4

static int keep(void *arg, const char *data, size_t size)
{
    obx_buf_add(arg, data, size);
    return 0;
}

/* The buffer is made once: of this size the sanitizer would ask the kernel for it every time. */
static void encode(const struct outbox_message *message, char **buffer, size_t room, struct obx_buf *line)
{
    if (!*buffer && !(*buffer = malloc(room)))
        abort();
    struct file_out out = {.data = *buffer, .room = room, .flush = keep, .arg = line};
    file_encode(&out, message);
    FUZZ_CHECK(file_flush(&out) == 0);
}

static void check_base64(const json_t *value, struct outbox_bytes wanted)
{
    struct obx_buf bytes = {0};
    FUZZ_CHECK(json_is_string(value));
    FUZZ_CHECK(oracle_base64(json_string_value(value), json_string_length(value), &bytes));
    FUZZ_CHECK(bytes.size == wanted.size && (!wanted.size || !memcmp(bytes.data, wanted.data, wanted.size)));
    obx_buf_free(&bytes);
}

static void check_value(const json_t *value, struct outbox_bytes wanted)
{
    if (!wanted.data)
        FUZZ_CHECK(json_is_null(value));
    else if (json_is_object(value))
        check_base64(json_object_get(value, "base64"), wanted);
    else
        FUZZ_CHECK(json_string_length(value) == wanted.size && json_is_string(value) &&
                   !memcmp(json_string_value(value), wanted.data, wanted.size));
}

static void check_line(const struct outbox_message *message, const struct obx_buf *line)
{
    FUZZ_CHECK(line->size && memchr(line->data, '\n', line->size) == (char *)line->data + line->size - 1);
    json_t *object = json_loadb((const char *)line->data, line->size, JSON_ALLOW_NUL, NULL);
    FUZZ_CHECK(json_is_object(object)); /* jansson takes nothing that is not UTF-8 */
    check_value(json_object_get(object, "topic"), message->topic);
    check_value(json_object_get(object, "key"), message->key);
    check_value(json_object_get(object, "id"), message->id);
    check_value(json_object_get(object, "type"), message->type);
    if (json_object_get(object, "payload_base64"))
        check_base64(json_object_get(object, "payload_base64"), message->value);
    else
        check_value(json_object_get(object, "payload"), message->value);
    if (message->header_count == 1) {
        json_t *headers = json_object_get(object, "headers");
        FUZZ_CHECK(json_object_size(headers) == 1);
        check_value(json_object_iter_value(json_object_iter(headers)), message->headers[0].value);
    }
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct outbox_bytes name = {"name", 4};
    static char *small_buffer, *large_buffer;
    struct fuzz_input input = {data, data + size};
    struct outbox_header headers[HEADERS];
    struct outbox_message message = {.headers = headers, .header_count = (uint32_t)fuzz_int(&input, 1) % (HEADERS + 1)};
    message.created_us = (int64_t)fuzz_int(&input, 8);
    message.topic = fuzz_bytes(&input);
    message.key = fuzz_maybe(&input);
    message.id = fuzz_maybe(&input);
    message.type = fuzz_maybe(&input);
    for (uint32_t i = 0; i < message.header_count; i++)
        headers[i] = (struct outbox_header){name, fuzz_maybe(&input)};
    message.value = fuzz_maybe(&input);
    struct obx_buf small = {0}, large = {0};
    encode(&message, &small_buffer, FILE_MIN_ROOM, &small);
    encode(&message, &large_buffer, 1 << 19, &large);
    FUZZ_CHECK(small.size == large.size && !memcmp(small.data, large.data, small.size));
    check_line(&message, &small);
    obx_buf_free(&small);
    obx_buf_free(&large);
    for (uint32_t i = 0; i < message.header_count; i++)
        fuzz_free(headers[i].value.data);
    fuzz_free(message.topic.data);
    fuzz_free(message.key.data);
    fuzz_free(message.id.data);
    fuzz_free(message.type.data);
    fuzz_free(message.value.data);
    return 0;
}
