/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/common/transform.h - what the transforms share: headers are set in a copy of the list
 *
 *     transform_headers(transform, 2, &headers) ... transform_set(&headers, "name", value) ... transform_use(transform,
 * &headers)
 *
 * Any thread.
 */
#ifndef OBX_PLUGINS_COMMON_TRANSFORM_H
#define OBX_PLUGINS_COMMON_TRANSFORM_H

#include <strings.h>

#include <outbox/plugin_util.h>

struct transform_headers {
    struct outbox_header *list;
    uint32_t count;
};

/* A copy of the message's headers with room for `more`, in memory of the message. False: no memory. */
static inline bool transform_headers(const struct outbox_transform *transform, uint32_t more,
                                     struct transform_headers *headers)
{
    const struct outbox_message *message = transform->message;
    headers->count = message->header_count;
    headers->list =
        (struct outbox_header *)transform->alloc(transform, (message->header_count + more) * sizeof *headers->list);
    if (headers->list && message->header_count)
        memcpy(headers->list, message->headers, message->header_count * sizeof *headers->list);
    return headers->list != NULL;
}

static inline bool transform_is_named(const struct outbox_header *header, const char *name)
{
    return header->name.size == strlen(name) && !strncasecmp((const char *)header->name.data, name, header->name.size);
}

static inline struct outbox_bytes transform_text(const char *text)
{
    return (struct outbox_bytes){text, strlen(text)};
}

/* Replaces the headers of this name, whatever the case of its letters; a new one takes room. Both live as long as the
 * message. */
static inline void transform_set(struct transform_headers *headers, const char *name, struct outbox_bytes value)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < headers->count; i++)
        if (!transform_is_named(&headers->list[i], name))
            headers->list[kept++] = headers->list[i];
    headers->list[kept] = (struct outbox_header){transform_text(name), value};
    headers->count = kept + 1;
}

/* The message has these headers now. */
static inline void transform_use(const struct outbox_transform *transform, const struct transform_headers *headers)
{
    transform->message->headers = headers->list;
    transform->message->header_count = headers->count;
}

#endif
