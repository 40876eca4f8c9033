/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/text.c - builds statements; the only file that quotes names and literals */
#include "sql/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void obx_sql_text_free(struct obx_sql_text *text)
{
    if (text->host)
        text->host->release(text->host, text->data);
    text->data = NULL;
    text->size = text->room = 0;
    text->failed = false;
}

void obx_sql_text_clear(struct obx_sql_text *text)
{
    text->size = 0;
    text->failed = false;
    if (text->data)
        text->data[0] = '\0';
}

void obx_sql_text_add(struct obx_sql_text *text, const char *bytes, size_t size)
{
    if (text->failed || size > UINT32_MAX / 4 - text->size ||
        !obx_sql_grow(text->host, (void **)&text->data, &text->room, text->size + (uint32_t)size + 1, 1)) {
        text->failed = true;
        return;
    }
    memcpy(text->data + text->size, bytes, size);
    text->size += (uint32_t)size;
    text->data[text->size] = '\0';
}

void obx_sql_text_puts(struct obx_sql_text *text, const char *piece)
{
    obx_sql_text_add(text, piece, strlen(piece));
}

/* The value between two quotes, each quote in it (and, for literals of MySQL, each backslash) doubled. */
static void quoted(struct obx_sql_text *text, const char *value, char quote, bool backslash)
{
    obx_sql_text_add(text, &quote, 1);
    for (const char *at = value; *at; at++) {
        if (*at == quote || (backslash && *at == '\\'))
            obx_sql_text_add(text, at, 1);
        obx_sql_text_add(text, at, 1);
    }
    obx_sql_text_add(text, &quote, 1);
}

void obx_sql_text_name(struct obx_sql_text *text, const char *name)
{
    quoted(text, name, text->dialect == OBX_SQL_MYSQL ? '`' : '"', false);
}

void obx_sql_text_table(struct obx_sql_text *text, const char *schema, const char *table)
{
    if (schema) {
        obx_sql_text_name(text, schema);
        obx_sql_text_puts(text, ".");
    }
    obx_sql_text_name(text, table);
}

void obx_sql_text_literal(struct obx_sql_text *text, const char *value)
{
    quoted(text, value, '\'', text->dialect == OBX_SQL_MYSQL);
}

void obx_sql_text_int(struct obx_sql_text *text, int64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%lld", (long long)value);
    obx_sql_text_add(text, digits, (size_t)size);
}

void obx_sql_text_format(struct obx_sql_text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    for (const char *at = format; *at;) {
        size_t plain = strcspn(at, "%");
        obx_sql_text_add(text, at, plain);
        at += plain;
        if (!*at)
            break;
        switch (at[1]) {
        case 'n':
            obx_sql_text_name(text, va_arg(list, const char *));
            break;
        case 'l':
            obx_sql_text_literal(text, va_arg(list, const char *));
            break;
        case 's':
            obx_sql_text_puts(text, va_arg(list, const char *));
            break;
        case 'd':
            obx_sql_text_int(text, va_arg(list, int));
            break;
        default:
            obx_sql_text_puts(text, "%");
            break;
        }
        at += 2;
    }
    va_end(list);
}

const char *obx_sql_text_get(const struct obx_sql_text *text)
{
    return text->data ? text->data : "";
}

void obx_sql_text_lines(struct obx_sql_text *text, void (*line)(void *arg, const char *text), void *arg)
{
    char *end;
    for (char *at = text->data; at; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        line(arg, at);
    }
    obx_sql_text_clear(text);
}
