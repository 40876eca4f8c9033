/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/body.c - the body of a structured CloudEvent
 *
 * The payload is `data` as it is if its content type is JSON and it is JSON, a string if it is other text, and else
 * `data_base64`. A tombstone has neither, and the attribute tombstone.
 */
#include <jansson.h>
#include <stdlib.h>

#include "broker.h"

static void set(json_t *object, const char *name, const void *value, size_t size)
{
    json_object_set_new(object, name, json_stringn(size ? value : "", size));
}

static json_t *attributes_of(const struct http_request *request, const struct outbox_message *event)
{
    json_t *object = json_pack("{ss ss}", "specversion", "1.0", "source", request->broker->source);
    const struct outbox_bytes *type = event->type.size ? &event->type : &event->topic;
    char time[40];
    set(object, "id", event->id.data, event->id.size);
    set(object, "type", type->data, type->size);
    set(object, "topic", event->topic.data, event->topic.size);
    if (*http_time(time, event->created_us))
        set(object, "time", time, strlen(time));
    if (event->key.data && http_is_text(event->key)) {
        set(object, "partitionkey", event->key.data, event->key.size);
    } else if (event->key.data) {
        char *text = http_base64(event->key.data, event->key.size);
        set(object, "partitionkeybase64", text ? text : "", text ? strlen(text) : 0);
        free(text);
    }
    return object;
}

/* "application/json", "application/problem+json; charset=utf-8", "text/json". */
static bool is_json_type(const char *type, size_t size)
{
    const char *end = memchr(type, ';', size);
    size = end ? (size_t)(end - type) : size;
    while (size && type[size - 1] == ' ')
        size--;
    return size >= 5 && (type[size - 5] == '/' || type[size - 5] == '+') && !strncasecmp(type + size - 4, "json", 4);
}

static bool is_json(struct outbox_bytes text)
{
    json_t *value = json_loadb(text.size ? text.data : "", text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_decref(value);
    return value != NULL;
}

/* Writes {attributes} and data, which is not encoded again, into one object. */
static char *join(const json_t *attributes, struct outbox_bytes data, size_t *size)
{
    static const char name[] = ",\"data\":";
    char *head = json_dumps(attributes, JSON_COMPACT), *body = NULL;
    size_t head_size = head ? strlen(head) - 1 : 0; /* without '}' */
    *size = head_size + (data.data ? sizeof name - 1 + data.size : 0) + 1;
    if (head && (body = malloc(*size + 1))) {
        char *out = mempcpy(body, head, head_size);
        if (data.data)
            out = mempcpy(mempcpy(out, name, sizeof name - 1), data.data, data.size);
        memcpy(out, "}", 2);
    }
    free(head);
    return body;
}

int http_structured_body(struct http_request *request, const struct outbox_message *event)
{
    size_t type_size;
    const char *type = http_content_type(request->broker, event, &type_size);
    json_t *object = attributes_of(request, event);
    struct outbox_bytes raw = {NULL, 0};
    bool is_json_data = is_json_type(type, type_size);
    if (event->value.data)
        set(object, "datacontenttype", type, type_size);
    if (!event->value.data) {
        json_object_set_new(object, "tombstone", json_true());
    } else if (is_json_data && is_json(event->value)) {
        raw = event->value;
    } else if (is_json_data ||
               json_object_set_new(object, "data", json_stringn(event->value.data, event->value.size))) {
        char *text = http_base64(event->value.data, event->value.size);
        json_object_set_new(object, "data_base64", json_string(text));
        free(text);
    }
    request->body = object ? join(object, raw, &request->body_size) : NULL;
    json_decref(object);
    return request->body ? OUTBOX_OK : OUTBOX_E_NO_MEMORY;
}
