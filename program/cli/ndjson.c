/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/ndjson.c - one line of JSON to one event
 *
 * jansson validates the line and decodes its strings. The raw text of nested values is cut out of the line itself:
 * printing a parsed value again would change its numbers, spaces and escapes.
 */
#include "cli/ndjson.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static struct outbox_bytes bytes_of(const json_t *string)
{
    return (struct outbox_bytes){json_string_value(string), json_string_length(string)};
}

/* ---- raw values: the line is valid JSON, so only strings and nesting matter ---- */

static size_t skip_string(const char *line, size_t size, size_t at)
{
    for (at++; at < size && line[at] != '"'; at++)
        at += line[at] == '\\';
    return at + 1;
}

static size_t skip_space(const char *line, size_t size, size_t at)
{
    while (at < size && strchr(" \t\r\n", line[at]))
        at++;
    return at;
}

static size_t skip_value(const char *line, size_t size, size_t at)
{
    int depth = 0;
    while (at < size) {
        char c = line[at];
        if (!depth && strchr(",} \t\r\n", c))
            return at;
        if (c == '"') {
            at = skip_string(line, size, at);
            continue;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        at++;
    }
    return at;
}

/* The text of a value of the object in `line`. False if the object has no such name. */
static bool find_raw(const char *line, size_t size, const char *name, struct outbox_bytes *raw)
{
    size_t length = strlen(name);
    size_t at = skip_space(line, size, 0) + 1; /* past the brace */
    while (at < size) {
        size_t key = skip_space(line, size, at);
        if (key >= size || line[key] != '"')
            return false;
        size_t end = skip_string(line, size, key);
        size_t value = skip_space(line, size, skip_space(line, size, end) + 1); /* past the colon */
        at = skip_value(line, size, value);
        if (end - key == length + 2 && !memcmp(line + key + 1, name, length)) {
            *raw = (struct outbox_bytes){line + value, at - value};
            return true;
        }
        at = skip_space(line, size, at) + 1; /* past the comma */
    }
    return false;
}

/* ---- the event ---- */

static int read_text(const json_t *object, const char *name, bool required, struct outbox_bytes *bytes,
                     struct outbox_error *error)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_string(value)) {
        *bytes = bytes_of(value);
        return OUTBOX_OK;
    }
    if (value && !json_is_null(value))
        return obx_error_set(error, OUTBOX_E_REJECTED, "\"%s\" must be a string", name);
    return required ? obx_error_set(error, OUTBOX_E_REJECTED, "\"%s\" is missing", name) : OUTBOX_OK;
}

static int read_raw(const json_t *object, const char *line, size_t size, const char *name, struct outbox_bytes *bytes,
                    struct outbox_error *error)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value) || find_raw(line, size, name, bytes))
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_REJECTED, "the name \"%s\" must be written without escapes", name);
}

static int refuse_unknown(json_t *object, struct outbox_error *error)
{
    static const char *const known[] = {"aggregatetype", "aggregateid", "type", "payload", "headers", "event_id"};
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t i = 0;
        while (i < OBX_COUNT(known) && strcmp(known[i], name))
            i++;
        if (i == OBX_COUNT(known))
            return obx_error_set(error, OUTBOX_E_REJECTED,
                                 "unknown name \"%.*s\"; known are aggregatetype, aggregateid, type, payload, "
                                 "headers and event_id",
                                 OUTBOX_CUT(name, 40));
    }
    return OUTBOX_OK;
}

static int read_event(json_t *object, const char *line, size_t size, struct outbox_event *event,
                      struct outbox_error *error)
{
    if (!json_is_object(object))
        return obx_error_set(error, OUTBOX_E_REJECTED, "the line is not a JSON object");
    const json_t *payload = json_object_get(object, "payload"), *headers = json_object_get(object, "headers");
    int status = refuse_unknown(object, error);
    if (!status)
        status = read_text(object, "aggregatetype", true, &event->aggregate_type, error);
    if (!status)
        status = read_text(object, "aggregateid", true, &event->aggregate_id, error);
    if (!status)
        status = read_text(object, "type", true, &event->type, error);
    if (!status)
        status = read_text(object, "event_id", false, &event->event_id, error);
    if (!status && headers && !json_is_null(headers) && !json_is_object(headers))
        status = obx_error_set(error, OUTBOX_E_REJECTED, "\"headers\" must be an object");
    if (!status)
        status = read_raw(object, line, size, "headers", &event->headers, error);
    if (!status && json_is_string(payload))
        event->payload = bytes_of(payload);
    else if (!status)
        status = read_raw(object, line, size, "payload", &event->payload, error);
    return status;
}

const char *obx_ndjson_explain(const json_error_t *why)
{
    enum json_error_code code = json_error_code(why);
    if (code == json_error_null_character || code == json_error_null_byte_in_key)
        return "\\u0000 is a character that databases cannot store in text";
    return why->text;
}

int obx_ndjson_parse(const char *line, size_t size, struct obx_parsed_event *parsed, struct outbox_error *error)
{
    json_error_t why;
    memset(parsed, 0, sizeof *parsed);
    parsed->event.struct_size = sizeof parsed->event;
    /* numbers are only validated, so any size is accepted */
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
    if (!object)
        return obx_error_set(error, OUTBOX_E_REJECTED, "not valid JSON at column %d: %s", why.column,
                             obx_ndjson_explain(&why));
    parsed->document = object;
    int status = read_event(object, line, size, &parsed->event, error);
    if (status)
        obx_ndjson_free(parsed);
    return status;
}

void obx_ndjson_free(struct obx_parsed_event *parsed)
{
    json_decref(parsed->document);
    memset(parsed, 0, sizeof *parsed);
}
