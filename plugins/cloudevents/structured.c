/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/cloudevents/structured.c - a CloudEvent as one JSON object
 *
 * cloudevent_json.h has how the payload is written. A tombstone stays a tombstone: Kafka deletes by it, and it has no
 * body to hold attributes.
 */
#include "cloudevent_json.h"
#include "cloudevents.h"

static json_t *object_of(const struct cloudevents *self, const struct attributes *all)
{
    json_t *object = json_object();
    bool fine = object;
    for (unsigned i = 0; fine && i < CE_COUNT; i++)
        fine = ce_set(object, all->list[i].name, all->list[i].binary_name, all->list[i].value);
    if (fine && ce_set(object, "datacontenttype", "datacontenttype", transform_text(self->content_type)))
        return object;
    json_decref(object);
    return NULL;
}

static void *alloc_for(const void *transform, size_t size)
{
    const struct outbox_transform *of = transform;
    return of->alloc(of, size);
}

static bool set_body(const struct cloudevents *self, const struct outbox_transform *transform,
                     const struct attributes *all)
{
    struct outbox_bytes *value = &transform->message->value, raw = {NULL, 0};
    json_t *object = object_of(self, all);
    struct outbox_bytes body = {NULL, 0};
    if (object && ce_set_data(object, transform_text(self->content_type), *value, &raw))
        body = ce_write(object, raw, alloc_for, transform);
    json_decref(object);
    *value = body.data ? body : *value;
    return body.data != NULL;
}

int ce_make_structured(const struct cloudevents *self, const struct outbox_transform *transform,
                       const struct attributes *all)
{
    struct outbox_message *message = transform->message;
    if (!message->value.data)
        return OUTBOX_OK;
    struct transform_headers headers;
    if (!transform_headers(transform, 1, &headers) || !set_body(self, transform, all))
        return OUTBOX_E_NO_MEMORY;
    transform_set(&headers, "content-type", transform_text("application/cloudevents+json"));
    transform_use(transform, &headers);
    return OUTBOX_OK;
}
