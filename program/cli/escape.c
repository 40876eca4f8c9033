/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/escape.c - makes control characters visible: a key may contain an escape sequence or a line end */
#include "cli/escape.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static void print_escaped(FILE *to, unsigned char byte)
{
    if (byte == '\n')
        fputs("\\n", to);
    else if (byte == '\t')
        fputs("\\t", to);
    else
        fprintf(to, "\\x%02x", byte);
}

/* The size in bytes of a printable character at the start; 0: it must be escaped. */
static size_t printable_length(const unsigned char *at, size_t size, bool keep_lines)
{
    size_t length = obx_utf8_length(at, size);
    bool is_break = keep_lines && (*at == '\n' || *at == '\t');
    return length && obx_utf8_is_control(at) && !is_break ? 0 : length;
}

void obx_escape(FILE *to, const void *bytes, size_t size, bool keep_lines)
{
    const unsigned char *at = bytes, *end = at ? at + size : NULL;
    while (at < end) {
        const unsigned char *from = at;
        size_t length = 0;
        while (at < end && (length = printable_length(at, (size_t)(end - at), keep_lines)))
            at += length;
        fwrite(from, 1, (size_t)(at - from), to);
        if (at < end)
            print_escaped(to, *at++);
    }
}

void obx_escape_text(FILE *to, const char *text)
{
    obx_escape(to, text, strlen(text), false);
}

void obx_escape_line(FILE *to, const char *format, ...)
{
    char text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    obx_escape_text(to, text);
    putc('\n', to);
}

/* NULL: no memory. */
static char *escape_dup(const char *text)
{
    char *escaped = NULL;
    size_t size;
    FILE *memory = open_memstream(&escaped, &size);
    if (!memory)
        return NULL;
    obx_escape_text(memory, text);
    if (!fclose(memory))
        return escaped;
    free(escaped);
    return NULL;
}

struct json_t *obx_escape_json(const char *text)
{
    json_t *value = json_string(text);
    char *escaped = value ? NULL : escape_dup(text);
    if (escaped)
        value = json_string(escaped);
    free(escaped);
    return value ? value : json_null();
}
