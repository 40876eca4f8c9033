/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/common/transform.h - what the transforms share: headers are added to a copy of the list */
#ifndef OBX_PLUGINS_COMMON_TRANSFORM_H
#define OBX_PLUGINS_COMMON_TRANSFORM_H

#include <outbox/plugin_util.h>

/* A list of headers with room for `more`, in memory of the message. NULL: no memory. Any thread. */
static inline struct outbox_header *transform_headers(const struct outbox_transform *transform, uint32_t more)
{
    const struct outbox_message *message = transform->message;
    struct outbox_header *headers =
        (struct outbox_header *)transform->alloc(transform, (message->header_count + more) * sizeof *headers);
    if (headers && message->header_count)
        memcpy(headers, message->headers, message->header_count * sizeof *headers);
    return headers;
}

static inline struct outbox_bytes transform_text(const char *text)
{
    return (struct outbox_bytes){text, strlen(text)};
}

#endif
