/* core/base/json.c - JSON as RFC 8259 has it; strings keep their UTF-8 and escape only what they must, and DEL */
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Before every value and key. */
static void separate(struct obx_json *json)
{
    if (json->comma)
        obx_buf_putc(json->buf, ',');
    json->comma = true;
}

void obx_json_open(struct obx_json *json, char bracket)
{
    separate(json);
    obx_buf_putc(json->buf, bracket);
    json->comma = false;
}

void obx_json_close(struct obx_json *json, char bracket)
{
    obx_buf_putc(json->buf, bracket);
    json->comma = true;
}

void obx_json_key(struct obx_json *json, const char *name)
{
    obx_json_string(json, name);
    obx_buf_putc(json->buf, ':');
    json->comma = false;
}

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
        if (length > 1)
            obx_buf_add(buf, at, length);
        else if (length == 1)
            escape(buf, (unsigned char)*at);
        else
            obx_buf_puts(buf, "\xef\xbf\xbd");
        at += length ? length : 1;
    }
    obx_buf_putc(buf, '"');
}

void obx_json_bytes(struct obx_json *json, const void *bytes, size_t size)
{
    separate(json);
    obx_json_quote(json->buf, bytes, size);
}

void obx_json_string(struct obx_json *json, const char *text)
{
    if (text)
        obx_json_bytes(json, text, strlen(text));
    else
        obx_json_null(json);
}

void obx_json_raw(struct obx_json *json, const char *text, size_t size)
{
    separate(json);
    obx_buf_add(json->buf, text, size);
}

void obx_json_int(struct obx_json *json, int64_t value)
{
    separate(json);
    obx_buf_printf(json->buf, "%" PRId64, value);
}

void obx_json_uint(struct obx_json *json, uint64_t value)
{
    separate(json);
    obx_buf_printf(json->buf, "%" PRIu64, value);
}

void obx_json_bool(struct obx_json *json, bool value)
{
    separate(json);
    obx_buf_puts(json->buf, value ? "true" : "false");
}

void obx_json_null(struct obx_json *json)
{
    separate(json);
    obx_buf_puts(json->buf, "null");
}
