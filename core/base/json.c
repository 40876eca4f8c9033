/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json.c - strings of RFC 8259: UTF-8 is kept; mandatory characters and controls (utf8.h) are escaped */
#include "base/json.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static void escape(struct obx_buf *buf, unsigned char byte)
{
    static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *name = byte ? strchr(names, byte) : NULL;
    if (name)
        obx_buf_printf(buf, "\\%c", letters[name - names]);
    else
        obx_buf_printf(buf, "\\u%04x", byte);
}

/* Controls of more than one byte are below U+10000. */
static unsigned code_of(const char *at, size_t length)
{
    const unsigned char *byte = (const unsigned char *)at;
    return length == 2 ? (byte[0] & 0x1fu) << 6 | (byte[1] & 0x3fu)
                       : (byte[0] & 0x0fu) << 12 | (byte[1] & 0x3fu) << 6 | (byte[2] & 0x3fu);
}

void obx_json_quote(struct obx_buf *buf, const void *bytes, size_t size)
{
    const char *at = bytes, *end = size ? at + size : at;
    obx_buf_putc(buf, '"');
    while (at < end) {
        const char *run = at;
        while (at < end && is_plain((unsigned char)*at))
            at++;
        obx_buf_add(buf, run, (size_t)(at - run));
        if (at == end)
            break;
        size_t length = obx_utf8_length(at, (size_t)(end - at));
        if (length > 1 && obx_utf8_is_control(at))
            obx_buf_printf(buf, "\\u%04x", code_of(at, length));
        else if (length > 1)
            obx_buf_add(buf, at, length);
        else if (length == 1)
            escape(buf, (unsigned char)*at);
        else
            obx_buf_puts(buf, "\xef\xbf\xbd");
        at += length ? length : 1;
    }
    obx_buf_putc(buf, '"');
}
