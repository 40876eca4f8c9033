/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/params.c - parameters in binary form */
#include "params.h"

#include <string.h>

void pg_buf_free(struct pg_buf *buf)
{
    if (buf->host)
        buf->host->release(buf->host, buf->data);
    buf->data = NULL;
    buf->size = buf->room = 0;
    buf->failed = false;
}

static void put_int4(char *to, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        to[i] = (char)(value & 0xff);
}

void pg_put_int8(char *to, uint64_t value)
{
    put_int4(to, (uint32_t)(value >> 32));
    put_int4(to + 4, (uint32_t)value);
}

uint16_t pg_get_int2(const char *from)
{
    const unsigned char *byte = (const unsigned char *)from;
    return (uint16_t)(byte[0] << 8 | byte[1]);
}

uint32_t pg_get_int4(const char *from)
{
    return (uint32_t)pg_get_int2(from) << 16 | pg_get_int2(from + 2);
}

uint64_t pg_get_int8(const char *from)
{
    return (uint64_t)pg_get_int4(from) << 32 | pg_get_int4(from + 4);
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
    put_int4(to, count ? 1 : 0); /* dimensions */
    put_int4(to + 4, 1);         /* there may be nulls */
    put_int4(to + 8, element_type);
    if (!count)
        return;
    put_int4(to + 12, count);
    put_int4(to + 16, 1); /* the lowest index */
}

void pg_array_int8(struct pg_buf *buf, int64_t value)
{
    char *to = more(buf, 12);
    if (!to)
        return;
    put_int4(to, 8);
    pg_put_int8(to + 4, (uint64_t)value);
}

void pg_array_int4(struct pg_buf *buf, int32_t value)
{
    char *to = more(buf, 8);
    if (!to)
        return;
    put_int4(to, 4);
    put_int4(to + 4, (uint32_t)value);
}

void pg_array_bytes(struct pg_buf *buf, struct outbox_bytes value)
{
    char *to = more(buf, 4 + (value.data ? value.size : 0));
    if (!to)
        return;
    put_int4(to, value.data ? (uint32_t)value.size : UINT32_MAX);
    if (value.data && value.size)
        memcpy(to + 4, value.data, value.size);
}

static void add(struct pg_params *params, const char *value, size_t length)
{
    params->values[params->count] = value;
    params->lengths[params->count] = (int)length;
    params->formats[params->count] = 1;
    params->count++;
}

void pg_param_int8(struct pg_params *params, int64_t value)
{
    pg_put_int8(params->numbers[params->count], (uint64_t)value);
    add(params, params->numbers[params->count], 8);
}

void pg_param_int4(struct pg_params *params, int32_t value)
{
    put_int4(params->numbers[params->count], (uint32_t)value);
    add(params, params->numbers[params->count], 4);
}

void pg_param_buf(struct pg_params *params, const struct pg_buf *buf)
{
    add(params, buf->data, buf->size);
}

void pg_param_text(struct pg_params *params, const char *text)
{
    add(params, text, text ? strlen(text) : 0);
}

void pg_param_bytes(struct pg_params *params, struct outbox_bytes bytes)
{
    add(params, bytes.data, bytes.size);
}
