/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/headers.c - the headers column: the members of a flat object as another parser reads them, or a refusal */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#include "relay/json_headers.h"

#define ROOM 16

static void check_header(const struct outbox_header *header, const json_t *value)
{
    const char *text = header->value.data;
    FUZZ_CHECK(json_is_null(value) == !text);
    if (json_is_string(value))
        FUZZ_CHECK(header->value.size == json_string_length(value) &&
                   !memcmp(text, json_string_value(value), header->value.size));
    else if (text)
        FUZZ_CHECK(header->value.size && strchr("-0123456789tf[{", *text));
}

/* Without duplicates, since an object of the other parser has a name once. */
static void compare(struct outbox_bytes json, const struct outbox_header *headers, uint32_t count)
{
    json_t *object =
        json_loadb(json.data, json.size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    for (uint32_t i = 0; i < count && object; i++) {
        char name[512];
        if (headers[i].name.size >= sizeof name || memchr(headers[i].name.data, 0, headers[i].name.size))
            continue;
        memcpy(name, headers[i].name.data, headers[i].name.size);
        name[headers[i].name.size] = 0;
        const json_t *value = json_object_get(object, name);
        FUZZ_CHECK(value);
        check_header(&headers[i], value);
    }
    if (object)
        FUZZ_CHECK(json_object_size(object) == count);
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct outbox_header headers[ROOM];
    struct obx_arena arena = {0};
    struct outbox_error error = {0};
    uint32_t count = 0;
    struct outbox_bytes json = fuzz_bytes(&input);
    int code = obx_json_headers(json, headers, ROOM, &count, &arena, &error);
    FUZZ_CHECK(code == OUTBOX_OK || code == OUTBOX_E_REJECTED);
    FUZZ_CHECK(count <= ROOM);
    if (code)
        FUZZ_CHECK(error.text[0]);
    else
        compare(json, headers, count);
    obx_arena_free(&arena);
    fuzz_free(json.data);
    return 0;
}
