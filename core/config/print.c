/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/print.c - typed values back to YAML
 *
 * A text stands without quotes only where no reader of YAML could take it for anything else; else it is a JSON
 * string, which is YAML too. "${" is doubled to "$${" where reading would expand it.
 */
#include "config/print.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/utf8.h"
#include "config/redact.h"
#include "config/table.h"
#include "config/value.h"

#define HIDDEN "\"***\""

static void indent(struct obx_print *print)
{
    for (unsigned i = 0; i < print->depth; i++)
        obx_buf_puts(print->buf, "  ");
}

static bool is_word(const char *text)
{
    static const char *const taken[] = {"null", "true", "false", "yes", "no", "on", "off"};
    for (size_t i = 0; i < OBX_COUNT(taken); i++)
        if (!strcasecmp(text, taken[i]))
            return false;
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/+=";
    return strchr(letters, *text) && *text && !text[strspn(text, more)];
}

/* The characters that JSON leaves as they are but libyaml refuses, or takes for an end of line; 0 for all others. */
static unsigned unreadable(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (byte[0] == 0xc2 && byte[1] < 0xa0)
        return byte[1]; /* control characters U+0080 to U+009F */
    if (!strncmp(at, "\xef\xbb\xbf", 3))
        return 0xfeff;
    if (!strncmp(at, "\xe2\x80\xa8", 3) || !strncmp(at, "\xe2\x80\xa9", 3))
        return 0x2000u + byte[2] - 0x80u;
    if (!strncmp(at, "\xef\xbf\xbe", 3) || !strncmp(at, "\xef\xbf\xbf", 3))
        return 0xffc0u + byte[2] - 0x80u;
    return 0;
}

static void quote(struct obx_buf *out, const char *text)
{
    struct obx_buf json = {0};
    obx_json_quote(&json, text, strlen(text));
    for (const char *at = obx_buf_text(&json); *at; at++) {
        unsigned code = unreadable(at);
        if (!code) {
            obx_buf_putc(out, *at);
            continue;
        }
        obx_buf_printf(out, "\\u%04x", code);
        at += code < 0x100 ? 1 : 2;
    }
    out->failed |= json.failed;
    obx_buf_free(&json);
}

static void scalar(struct obx_print *print, const char *text)
{
    if (is_word(text))
        obx_buf_puts(print->buf, text);
    else
        quote(print->buf, text);
}

static void expandable(struct obx_print *print, const char *text)
{
    struct obx_buf doubled = {0};
    for (const char *at = text; *at; at++) {
        if (!strncmp(at, "${", 2))
            obx_buf_putc(&doubled, '$');
        obx_buf_putc(&doubled, *at);
    }
    scalar(print, obx_buf_text(&doubled));
    print->buf->failed |= doubled.failed;
    obx_buf_free(&doubled);
}

static void string_value(struct obx_print *print, const struct outbox_option *option, const char *text)
{
    if (option->flags & OUTBOX_OPT_VERBATIM)
        scalar(print, text);
    else
        expandable(print, text);
}

static void start_key(struct obx_print *print, const char *name)
{
    indent(print);
    scalar(print, name);
    obx_buf_putc(print->buf, ':');
}

void obx_print_open(struct obx_print *print, const char *name)
{
    start_key(print, name);
    obx_buf_putc(print->buf, '\n');
    print->depth++;
}

void obx_print_close(struct obx_print *print)
{
    print->depth--;
}

void obx_print_text(struct obx_print *print, const char *name, const char *value)
{
    start_key(print, name);
    obx_buf_putc(print->buf, ' ');
    expandable(print, value);
    obx_buf_putc(print->buf, '\n');
}

static void map_value(struct obx_print *print, const struct outbox_option *option, const struct outbox_map *map)
{
    obx_buf_puts(print->buf, map->count ? "\n" : " {}\n");
    print->depth++;
    for (uint32_t i = 0; i < map->count; i++) {
        start_key(print, map->items[i].name);
        obx_buf_putc(print->buf, ' ');
        if (option->flags & OUTBOX_OPT_SECRET || obx_name_is_secret(map->items[i].name))
            obx_buf_puts(print->buf, HIDDEN);
        else
            string_value(print, option, map->items[i].value);
        obx_buf_putc(print->buf, '\n');
    }
    print->depth--;
}

static void number_value(struct obx_print *print, const struct outbox_option *option, int64_t number)
{
    char text[OBX_VALUE_TEXT];
    if (option->type == OUTBOX_OPT_ENUM)
        scalar(print, option->choices[number]);
    else
        obx_buf_puts(print->buf, obx_value_print(option->type, number, text));
}

static void value(struct obx_print *print, const struct outbox_option *option, const void *from)
{
    const char *text;
    int64_t number;
    obx_buf_putc(print->buf, ' ');
    switch (option->type) {
    case OUTBOX_OPT_STRING:
        memcpy(&text, from, sizeof text);
        string_value(print, option, text);
        break;
    case OUTBOX_OPT_BOOL:
        obx_buf_puts(print->buf, *(const bool *)from ? "true" : "false");
        break;
    default:
        memcpy(&number, from, sizeof number);
        number_value(print, option, number);
    }
    obx_buf_putc(print->buf, '\n');
}

/* Nothing was written and there is no default: a value made of zero bytes may not even be allowed. */
static bool is_unset(const struct outbox_option *option, const void *from)
{
    const char *text;
    int64_t number;
    switch (option->type) {
    case OUTBOX_OPT_STRING:
        memcpy(&text, from, sizeof text);
        return !text;
    case OUTBOX_OPT_INT:
    case OUTBOX_OPT_SIZE:
    case OUTBOX_OPT_DURATION:
        memcpy(&number, from, sizeof number);
        return !number && !option->default_value && (option->min > 0 || option->max < 0);
    default:
        return false;
    }
}

static void print_option(struct obx_print *print, const struct outbox_option *option, const void *from)
{
    if (is_unset(option, from)) {
        indent(print);
        obx_buf_printf(print->buf, "# %s: not set\n", option->name);
        return;
    }
    start_key(print, option->name);
    if (option->type == OUTBOX_OPT_MAP) {
        struct outbox_map map;
        memcpy(&map, from, sizeof map);
        map_value(print, option, &map);
    } else if (option->flags & OUTBOX_OPT_SECRET) {
        obx_buf_puts(print->buf, " " HIDDEN "\n");
    } else {
        value(print, option, from);
    }
}

void obx_print_options(struct obx_print *print, const struct outbox_option *options, uint32_t count, uint32_t stride,
                       const void *base)
{
    for (uint32_t i = 0; i < count; i++) {
        struct outbox_option option = obx_option_at(options, stride, i);
        print_option(print, &option, (const char *)base + option.offset);
    }
}
