/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/body.c - the body of a structured CloudEvent
 *
 * cloudevent_json.h has how the payload is written. A tombstone has no data, but the attribute tombstone.
 */
#include "broker.h"
#include "cloudevent_json.h"

static json_t *attributes_of(const struct http_request *request, const struct outbox_message *event)
{
    json_t *object = json_pack("{ss}", "specversion", "1.0");
    char time[OUTBOX_TIME_SIZE];
    struct outbox_bytes created = {time, outbox_time_text(time, event->created_us)};
    const struct {
        const char *name, *binary_name;
        struct outbox_bytes value;
    } list[] = {{"source", "source", ce_text(request->broker->source)},
                {"id", "id", event->id},
                {"type", "type", event->type.size ? event->type : event->topic},
                {"topic", "topic", event->topic},
                {"time", "time", created.size ? created : (struct outbox_bytes){NULL, 0}},
                {"partitionkey", "partitionkeybase64", event->key}};
    bool fine = object;
    for (unsigned i = 0; fine && i < sizeof list / sizeof *list; i++)
        fine = ce_set(object, list[i].name, list[i].binary_name, list[i].value);
    if (fine)
        return object;
    json_decref(object);
    return NULL;
}

static bool set_payload(const struct http_request *request, const struct outbox_message *event, json_t *object,
                        struct outbox_bytes *raw)
{
    struct outbox_bytes type;
    if (!event->value.data)
        return json_object_set_new(object, "tombstone", json_true()) == 0;
    type.data = http_content_type(request->broker, event, &type.size);
    return ce_set(object, "datacontenttype", "datacontenttype", type) && ce_set_data(object, type, event->value, raw);
}

static void *alloc_body(const void *unused, size_t size)
{
    (void)unused;
    return malloc(size);
}

int http_structured_body(struct http_request *request, const struct outbox_message *event)
{
    json_t *object = attributes_of(request, event);
    struct outbox_bytes raw = {NULL, 0}, body = {NULL, 0};
    if (object && set_payload(request, event, object, &raw))
        body = ce_write(object, raw, alloc_body, NULL);
    json_decref(object);
    memcpy(&request->body, &body.data, sizeof request->body); /* ours to free */
    request->body_size = body.size;
    return request->body ? OUTBOX_OK : OUTBOX_E_NO_MEMORY;
}
