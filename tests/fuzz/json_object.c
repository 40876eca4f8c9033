/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/json_object.c - the writers' check of headers
 *
 * An object that another parser accepts is accepted, up to the limits; and the relay can read whatever is accepted.
 */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#include "json_object.h"
#include "relay/json_headers.h"

#define MEMBERS 32

static void check_accepted(struct outbox_bytes json)
{
    struct outbox_header headers[MEMBERS];
    struct obx_arena arena = {0};
    struct outbox_error error = {0};
    uint32_t count = 0;
    FUZZ_CHECK(obx_json_headers(json, headers, MEMBERS, &count, &arena, &error) == OUTBOX_OK);
    obx_arena_free(&arena);
}

static void check_refused(struct outbox_bytes json, const char *wrong, size_t offset)
{
    json_error_t ignored;
    FUZZ_CHECK(offset <= json.size);
    if (json.size && memchr(json.data, 0, json.size))
        return; /* the other parser accepts a NUL outside of strings */
    json_t *object = json_loadb(json.data, json.size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &ignored);
    FUZZ_CHECK(!json_is_object(object) || strstr(wrong, "32 headers") || strstr(wrong, "too deeply"));
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct outbox_bytes json = fuzz_bytes(&input);
    size_t offset;
    const char *wrong = obx_json_object_error(json, &offset);
    if (wrong)
        check_refused(json, wrong, offset);
    else
        check_accepted(json);
    fuzz_free(json.data);
    return 0;
}
