/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/buf.c - a growing byte buffer: doubles its room, remembers the first failure */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void obx_buf_free(struct obx_buf *buf)
{
    obx_free(buf->data);
    *buf = (struct obx_buf){0};
}

void obx_buf_clear(struct obx_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

char *obx_buf_reserve(struct obx_buf *buf, size_t more)
{
    if (buf->failed || more >= SIZE_MAX / 2 - buf->size) {
        buf->failed = true;
        return NULL;
    }
    size_t need = buf->size + more + 1;
    if (need > buf->room) {
        size_t room = OBX_MAX(need, buf->room * 2);
        room = OBX_MAX(room, (size_t)64);
        char *data = obx_resize(buf->data, room);
        if (!data) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->room = room;
    }
    return buf->data + buf->size;
}

void obx_buf_add(struct obx_buf *buf, const void *bytes, size_t size)
{
    char *to = obx_buf_reserve(buf, size);
    if (!to)
        return;
    if (size)
        memcpy(to, bytes, size);
    to[size] = '\0';
    buf->size += size;
}

void obx_buf_puts(struct obx_buf *buf, const char *text)
{
    obx_buf_add(buf, text, strlen(text));
}

void obx_buf_putc(struct obx_buf *buf, char c)
{
    obx_buf_add(buf, &c, 1);
}

void obx_buf_printf(struct obx_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *to = size < 0 ? NULL : obx_buf_reserve(buf, (size_t)size);
    if (to) {
        vsnprintf(to, (size_t)size + 1, format, again);
        buf->size += (size_t)size;
    }
    va_end(again);
    va_end(args);
}

bool obx_buf_failed(const struct obx_buf *buf)
{
    return buf->failed;
}

const char *obx_buf_text(const struct obx_buf *buf)
{
    return buf->data ? buf->data : "";
}
