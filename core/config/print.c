/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/print.c - writes typed values as YAML
 *
 * A text has no quotes only if every YAML reader takes it for the same text; else it is written as a JSON string, which
 * is valid YAML. "${" becomes "$${" if reading would expand it.
 */
#include "config/print.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/utf8.h"
#include "config/redact.h"
#include "config/table.h"
#include "config/value.h"

#define REDACTED "\"***\""

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

/* The code of a character that JSON does not escape, and that libyaml refuses or takes for a line end; else 0. */
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

static void print_quoted(struct obx_buf *out, const char *text)
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

static void print_scalar(struct obx_print *print, const char *text)
{
    if (is_word(text))
        obx_buf_puts(print->buf, text);
    else
        print_quoted(print->buf, text);
}

static void print_expandable(struct obx_print *print, const char *text)
{
    struct obx_buf doubled = {0};
    for (const char *at = text; *at; at++) {
        if (!strncmp(at, "${", 2))
            obx_buf_putc(&doubled, '$');
        obx_buf_putc(&doubled, *at);
    }
    print_scalar(print, obx_buf_text(&doubled));
    print->buf->failed |= doubled.failed;
    obx_buf_free(&doubled);
}

static void print_string(struct obx_print *print, const struct outbox_option *option, const char *text)
{
    if (option->flags & OUTBOX_OPT_VERBATIM)
        print_scalar(print, text);
    else
        print_expandable(print, text);
}

static void print_key(struct obx_print *print, const char *name)
{
    indent(print);
    print_scalar(print, name);
    obx_buf_putc(print->buf, ':');
}

void obx_print_open(struct obx_print *print, const char *name)
{
    print_key(print, name);
    obx_buf_putc(print->buf, '\n');
    print->depth++;
}

void obx_print_close(struct obx_print *print)
{
    print->depth--;
}

void obx_print_text(struct obx_print *print, const char *name, const char *value)
{
    print_key(print, name);
    obx_buf_putc(print->buf, ' ');
    print_expandable(print, value);
    obx_buf_putc(print->buf, '\n');
}

/* Where the plugin lists the names of values that are no secrets, all others are. */
static bool may_show(const struct outbox_option *option, const char *name)
{
    if (option->flags & OUTBOX_OPT_SECRET)
        return false;
    if (!option->choices)
        return !obx_name_is_secret(name);
    for (const char *const *shown = option->choices; *shown; shown++)
        if (!strcmp(*shown, name))
            return true;
    return false;
}

static void print_map(struct obx_print *print, const struct outbox_option *option, const struct outbox_map *map)
{
    obx_buf_puts(print->buf, map->count ? "\n" : " {}\n");
    print->depth++;
    for (uint32_t i = 0; i < map->count; i++) {
        print_key(print, map->items[i].name);
        obx_buf_putc(print->buf, ' ');
        if (may_show(option, map->items[i].name))
            print_string(print, option, map->items[i].value);
        else
            obx_buf_puts(print->buf, REDACTED);
        obx_buf_putc(print->buf, '\n');
    }
    print->depth--;
}

static void print_number(struct obx_print *print, const struct outbox_option *option, int64_t number)
{
    char text[OBX_VALUE_TEXT];
    if (option->type == OUTBOX_OPT_ENUM)
        print_scalar(print, option->choices[number]);
    else
        obx_buf_puts(print->buf, obx_value_print(option->type, number, text));
}

static void print_value(struct obx_print *print, const struct outbox_option *option, const void *from)
{
    const char *text;
    int64_t number;
    obx_buf_putc(print->buf, ' ');
    switch (option->type) {
    case OUTBOX_OPT_STRING:
        memcpy(&text, from, sizeof text);
        print_string(print, option, text);
        break;
    case OUTBOX_OPT_BOOL:
        obx_buf_puts(print->buf, *(const bool *)from ? "true" : "false");
        break;
    default:
        memcpy(&number, from, sizeof number);
        print_number(print, option, number);
    }
    obx_buf_putc(print->buf, '\n');
}

/* The key is absent and has no default. Zero may be out of its range, so it is not printed as a value. */
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
    print_key(print, option->name);
    if (option->type == OUTBOX_OPT_MAP) {
        struct outbox_map map;
        memcpy(&map, from, sizeof map);
        print_map(print, option, &map);
    } else if (option->flags & OUTBOX_OPT_SECRET) {
        obx_buf_puts(print->buf, " " REDACTED "\n");
    } else {
        print_value(print, option, from);
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
