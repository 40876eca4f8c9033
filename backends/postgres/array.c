/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/array.c - see array.h */
#include "array.h"

#include <string.h>

void pg_buf_free(struct pg_buf *buf)
{
    if (buf->host)
        buf->host->release(buf->host, buf->data);
    buf->data = NULL;
    buf->size = buf->room = 0;
    buf->failed = false;
}

static char *more(struct pg_buf *buf, size_t size)
{
    if (buf->failed || size > INT32_MAX - buf->size ||
        !obx_sql_grow(buf->host, (void **)&buf->data, &buf->room, buf->size + (uint32_t)size, 1)) {
        buf->failed = true;
        return NULL;
    }
    char *to = buf->data + buf->size;
    buf->size += (uint32_t)size;
    return to;
}

void pg_buf_set(struct pg_buf *buf, const char *bytes, uint32_t size)
{
    buf->size = 0;
    buf->failed = false;
    char *to = more(buf, size);
    if (to)
        memcpy(to, bytes, size);
}

void pg_array_begin(struct pg_buf *buf, uint32_t element_type, uint32_t count)
{
    buf->size = 0;
    buf->failed = false;
    char *to = more(buf, count ? 20 : 12);
    if (!to)
        return;
    pg_put_int4(to, count ? 1 : 0); /* dimensions */
    pg_put_int4(to + 4, 1);         /* there may be nulls */
    pg_put_int4(to + 8, element_type);
    if (!count)
        return;
    pg_put_int4(to + 12, count);
    pg_put_int4(to + 16, 1); /* the lowest index */
}

void pg_array_int8(struct pg_buf *buf, int64_t value)
{
    char *to = more(buf, 12);
    if (!to)
        return;
    pg_put_int4(to, 8);
    pg_put_int8(to + 4, (uint64_t)value);
}

void pg_array_int4(struct pg_buf *buf, int32_t value)
{
    char *to = more(buf, 8);
    if (!to)
        return;
    pg_put_int4(to, 4);
    pg_put_int4(to + 4, (uint32_t)value);
}

void pg_array_bytes(struct pg_buf *buf, struct outbox_bytes value)
{
    char *to = more(buf, 4 + (value.data ? value.size : 0));
    if (!to)
        return;
    pg_put_int4(to, value.data ? (uint32_t)value.size : UINT32_MAX);
    if (value.data && value.size)
        memcpy(to + 4, value.data, value.size);
}

void pg_param_buf(struct pg_params *params, const struct pg_buf *buf)
{
    pg_param_add(params, buf->data, buf->size);
}
