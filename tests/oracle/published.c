/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oracle/published.c - published events, line by line, checked as they are read
 *
 * A line is a JSON object: the file broker's (id, key, type, time, headers, payload or payload_base64), or one of
 * kcat -J, where the id is a header and headers are a flat list of names and values. Any other line counts
 * as garbled, and reading continues.
 */
#include "published.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/error.h"
#include "base64.h"
#include "lines.h"

/* The value of a header; headers are an object, or kcat's list. */
static const json_t *header(const json_t *headers, const char *name)
{
    for (size_t i = 0; i + 1 < json_array_size(headers); i += 2) {
        const char *there = json_string_value(json_array_get(headers, i));
        if (there && strcmp(there, name) == 0)
            return json_array_get(headers, i + 1);
    }
    return json_object_get(headers, name);
}

static bool hash_payload(const json_t *object, uint64_t *hash)
{
    const json_t *text = json_object_get(object, "payload");
    const json_t *encoded = json_object_get(object, "payload_base64");
    if (json_is_string(text)) {
        *hash = XXH3_64bits(json_string_value(text), json_string_length(text));
        return true;
    }
    if (!json_is_string(encoded)) {
        *hash = 0;
        return true;
    }
    struct obx_buf bytes = {0};
    bool ok = oracle_base64(json_string_value(encoded), json_string_length(encoded), &bytes);
    *hash = XXH3_64bits(bytes.data, bytes.size);
    obx_buf_free(&bytes);
    return ok;
}

/* All fields that a consumer gets, independent of their order and spacing. */
static uint64_t hash_content(const json_t *object, uint64_t payload)
{
    static const char *const fields[] = {"topic", "key", "id", "type", "time", "headers"};
    uint64_t hash = payload;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *text = json_dumps(json_object_get(object, fields[i]), JSON_COMPACT | JSON_ENCODE_ANY);
        hash = XXH3_64bits_withSeed(text ? text : "", text ? strlen(text) : 0, hash);
        free(text);
    }
    return hash;
}

bool oracle_line_parse(struct oracle_line *line, const char *text, size_t size)
{
    struct oracle_sighting *seen = &line->seen;
    line->object = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!json_is_object(line->object))
        return false;
    const json_t *id = json_object_get(line->object, "id");
    if (!json_is_string(id))
        id = header(json_object_get(line->object, "headers"), "id");
    const json_t *key = json_object_get(line->object, "key");
    *seen = (struct oracle_sighting){.id = json_string_value(id),
                                     .id_size = json_string_length(id),
                                     .key = json_string_value(key),
                                     .key_size = json_string_length(key)};
    if (!seen->id || !hash_payload(line->object, &seen->payload))
        return false;
    seen->content = hash_content(line->object, seen->payload);
    return true;
}

void oracle_line_drop(struct oracle_line *line)
{
    json_decref(line->object);
    line->object = NULL;
}

static int read_line(struct oracle *oracle, char *text, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)number;
    (void)error;
    struct oracle_line line = {0};
    if (oracle_line_parse(&line, text, size))
        oracle_saw(oracle, &line.seen);
    else
        oracle_garbled(oracle, text);
    oracle_line_drop(&line);
    return OUTBOX_OK;
}

int oracle_read_published(struct oracle *oracle, const char *path, struct outbox_error *error)
{
    return oracle_each_line(oracle, path, read_line, &oracle->verdict.unfinished, error);
}
