/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/escape.c - a key may hold an escape sequence, or the line of another event: it is shown as what it is */
#include "cli/escape.h"

#include <string.h>

#include "base/utf8.h"

static void escape(FILE *to, unsigned char byte)
{
    if (byte == '\n')
        fputs("\\n", to);
    else if (byte == '\t')
        fputs("\\t", to);
    else
        fprintf(to, "\\x%02x", byte);
}

/* The size of the character at the start, which is shown as it is; 0: it is not. */
static size_t plain(const unsigned char *at, size_t size, bool lines)
{
    size_t length = obx_utf8_length(at, size);
    bool breaks = lines && (*at == '\n' || *at == '\t');
    return length && obx_utf8_is_control(at) && !breaks ? 0 : length;
}

void obx_show(FILE *to, const void *bytes, size_t size, bool lines)
{
    const unsigned char *at = bytes, *end = at ? at + size : NULL;
    while (at < end) {
        const unsigned char *from = at;
        size_t length = 0;
        while (at < end && (length = plain(at, (size_t)(end - at), lines)))
            at += length;
        fwrite(from, 1, (size_t)(at - from), to);
        if (at < end)
            escape(to, *at++);
    }
}

void obx_show_text(FILE *to, const char *text)
{
    obx_show(to, text, strlen(text), false);
}
