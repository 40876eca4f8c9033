/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/cloudevents/structured.c - a CloudEvent as one JSON object
 *
 * The payload is `data` as it stands where it is JSON and the content type names JSON; `data` as a string where it is
 * other text; else `data_base64`. A tombstone stays a tombstone: Kafka deletes by it, and it has no body to hold
 * attributes.
 */
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "cloudevents.h"

static bool is_json_type(const char *type)
{
    size_t size = strcspn(type, "; ");
    return size >= 4 && !strncasecmp(type + size - 4, "json", 4);
}

static bool is_json(struct outbox_bytes text)
{
    json_t *value = json_loadb(text.size ? text.data : "", text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_decref(value);
    return value != NULL;
}

/* NULL: no memory. */
static json_t *base64(struct outbox_bytes value)
{
    char *text = malloc(OUTBOX_BASE64_SIZE(value.size));
    json_t *json = text ? json_stringn(text, outbox_base64(text, value.data, value.size)) : NULL;
    free(text);
    return json;
}

/* A text that is not UTF-8 goes as base64. */
static void set(json_t *object, const char *name, struct outbox_bytes value)
{
    if (value.data && json_object_set_new(object, name, json_stringn(value.data, value.size)))
        json_object_set_new(object, name, base64(value));
}

static json_t *object_of(const struct cloudevents *self, const struct attributes *all)
{
    json_t *object = json_object();
    for (unsigned i = 0; object && i < CE_COUNT; i++)
        set(object, all->list[i].name, all->list[i].value);
    set(object, "datacontenttype", transform_text(self->content_type));
    return object;
}

/* {attributes} and ,"data":RAW as one object. RAW is not encoded again. */
static int join(const struct outbox_transform *transform, const json_t *object, struct outbox_bytes raw)
{
    static const char name[] = ",\"data\":";
    struct outbox_bytes *value = &transform->message->value;
    char *head = json_dumps(object, JSON_COMPACT);
    size_t head_size = head ? strlen(head) - 1 : 0; /* without '}' */
    size_t size = head_size + (raw.data ? sizeof name - 1 + raw.size : 0) + 1;
    char *body = head ? transform->alloc(transform, size) : NULL, *out = body;
    if (body) {
        out = mempcpy(out, head, head_size);
        if (raw.data)
            out = mempcpy(mempcpy(out, name, sizeof name - 1), raw.data, raw.size);
        *out = '}';
        *value = (struct outbox_bytes){body, size};
    }
    free(head);
    return body ? OUTBOX_OK : OUTBOX_E_NO_MEMORY;
}

static int set_body(const struct cloudevents *self, const struct outbox_transform *transform,
                    const struct attributes *all)
{
    struct outbox_bytes value = transform->message->value, raw = {NULL, 0};
    json_t *object = object_of(self, all);
    bool json_type = is_json_type(self->content_type);
    if (!object)
        return OUTBOX_E_NO_MEMORY;
    if (json_type && is_json(value))
        raw = value;
    else if (json_type || json_object_set_new(object, "data", json_stringn(value.size ? value.data : "", value.size)))
        json_object_set_new(object, "data_base64", base64(value));
    int code = join(transform, object, raw);
    json_decref(object);
    return code;
}

int ce_make_structured(const struct cloudevents *self, const struct outbox_transform *transform,
                       const struct attributes *all)
{
    struct outbox_message *message = transform->message;
    if (!message->value.data)
        return OUTBOX_OK;
    struct outbox_header *headers = transform_headers(transform, 1);
    if (!headers || set_body(self, transform, all))
        return OUTBOX_E_NO_MEMORY;
    headers[message->header_count++] =
        (struct outbox_header){transform_text("content-type"), transform_text("application/cloudevents+json")};
    message->headers = headers;
    return OUTBOX_OK;
}
