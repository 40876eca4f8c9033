/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/common/cloudevent_json.h - a CloudEvent as one JSON object: for the transform cloudevents and the HTTP broker
 *
 * The payload is `data` as it stands where it is JSON and the content type says so, `data` as a string where it is
 * other text, else `data_base64`. JSON is checked, not encoded again. Needs jansson. Any thread.
 */
#ifndef OBX_PLUGINS_COMMON_CLOUDEVENT_JSON_H
#define OBX_PLUGINS_COMMON_CLOUDEVENT_JSON_H

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include <outbox/plugin_util.h>

static inline struct outbox_bytes ce_text(const char *text)
{
    return (struct outbox_bytes){text, strlen(text)};
}

/* NULL: no memory, or not UTF-8. */
static inline json_t *ce_string(struct outbox_bytes value)
{
    return json_stringn(value.size ? (const char *)value.data : "", value.size);
}

static inline json_t *ce_base64(struct outbox_bytes value)
{
    char *text = (char *)malloc(OUTBOX_BASE64_SIZE(value.size));
    json_t *string = text ? json_stringn(text, outbox_base64(text, value.data, value.size)) : NULL;
    free(text);
    return string;
}

/* A null is left out. What is no text goes under the name `binary_name`, in base64. False: no memory. */
static inline bool ce_set(json_t *object, const char *name, const char *binary_name, struct outbox_bytes value)
{
    if (!value.data)
        return true;
    json_t *string = ce_string(value);
    return json_object_set_new(object, string ? name : binary_name, string ? string : ce_base64(value)) == 0;
}

/* "application/json", "application/problem+json; charset=utf-8", "text/json". */
static inline bool ce_is_json_type(struct outbox_bytes type)
{
    const char *text = (const char *)type.data, *end = (const char *)memchr(text, ';', type.size);
    size_t size = end ? (size_t)(end - text) : type.size;
    while (size && text[size - 1] == ' ')
        size--;
    return size >= 5 && (text[size - 5] == '/' || text[size - 5] == '+') && !strncasecmp(text + size - 4, "json", 4);
}

static inline bool ce_is_json(struct outbox_bytes text)
{
    json_t *value =
        json_loadb(text.size ? (const char *)text.data : "", text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_decref(value);
    return value != NULL;
}

/* The payload, which is not null. raw: JSON, for ce_write(). False: no memory. */
static inline bool ce_set_data(json_t *object, struct outbox_bytes type, struct outbox_bytes value,
                               struct outbox_bytes *raw)
{
    bool is_json_type = ce_is_json_type(type);
    json_t *string = NULL;
    if (is_json_type && ce_is_json(value)) {
        *raw = value;
        return true;
    }
    if (!is_json_type)
        string = ce_string(value);
    return json_object_set_new(object, string ? "data" : "data_base64", string ? string : ce_base64(value)) == 0;
}

/* {attributes} and ,"data":RAW as one object, in memory of alloc(). data NULL: no memory. */
static inline struct outbox_bytes ce_write(const json_t *object, struct outbox_bytes raw,
                                           void *(*alloc)(const void *arg, size_t size), const void *arg)
{
    static const char name[] = ",\"data\":";
    char *head = json_dumps(object, JSON_COMPACT);
    size_t head_size = head ? strlen(head) - 1 : 0; /* without '}' */
    size_t size = head_size + (raw.data ? sizeof name - 1 + raw.size : 0) + 1;
    char *body = head ? (char *)alloc(arg, size) : NULL;
    if (body) {
        char *out = (char *)mempcpy(body, head, head_size);
        if (raw.data)
            out = (char *)mempcpy(mempcpy(out, name, sizeof name - 1), raw.data, raw.size);
        *out = '}';
    }
    free(head);
    return (struct outbox_bytes){body, size};
}

#endif
