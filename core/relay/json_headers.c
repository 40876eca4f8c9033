/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/json_headers.c - a small reader for the one JSON shape that is read per event: {"name": value, ...}
 *
 * Written by hand because a document tree for every event would cost a dozen allocations. Nested values are
 * not parsed: they are skipped by bracket depth and passed on as their text.
 */
#include "relay/json_headers.h"

#include <string.h>

#include "base/error.h"

struct reader {
    const char *at, *end;
    struct obx_arena *arena;
    const char *wrong; /* the first fault; NULL: none */
    bool no_memory;
};

static bool fail(struct reader *in, const char *wrong)
{
    if (!in->wrong)
        in->wrong = wrong;
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct reader *in)
{
    while (in->at < in->end && is_space(*in->at))
        in->at++;
}

static bool take(struct reader *in, char c)
{
    skip_space(in);
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(struct reader *in, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = in->at < in->end ? hex_digit(*in->at++) : -1;
        if (digit < 0)
            return fail(in, "bad \\u escape");
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
        *to++ = (char)(0x80 | (point & 63));
    } else if (point < 0x10000) {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 63));
        *to++ = (char)(0x80 | (point & 63));
    } else {
        *to++ = (char)(0xf0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 63));
        *to++ = (char)(0x80 | (point >> 6 & 63));
        *to++ = (char)(0x80 | (point & 63));
    }
    return to;
}

static bool read_point(struct reader *in, uint32_t *point)
{
    uint32_t low;
    if (!read_hex4(in, point))
        return false;
    if (*point < 0xd800 || *point > 0xdfff)
        return true;
    if (*point > 0xdbff || in->end - in->at < 6 || in->at[0] != '\\' || in->at[1] != 'u')
        return fail(in, "half a surrogate pair");
    in->at += 2;
    if (!read_hex4(in, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return fail(in, "half a surrogate pair");
    *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static bool read_escape(struct reader *in, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->end)
        return fail(in, "string does not end"); /* not covered: the scan has found the end before */
    char c = *in->at++;
    if (c == 'u') {
        uint32_t point;
        if (!read_point(in, &point))
            return false;
        *to = put_utf8(*to, point);
        return true;
    }
    const char *name = c ? strchr(names, c) : NULL;
    if (!name)
        return fail(in, "unknown escape in a string");
    *(*to)++ = values[name - names];
    return true;
}

/* The raw extent of a string. in->at: after its opening quote; at the end, after the closing quote. */
static bool scan_string(struct reader *in, struct outbox_bytes *raw, bool *escaped)
{
    const char *start = in->at;
    *escaped = false;
    for (; in->at < in->end && *in->at != '"'; in->at++) {
        if ((unsigned char)*in->at < 0x20)
            return fail(in, "control character in a string");
        if (*in->at == '\\') {
            *escaped = true;
            in->at++;
        }
    }
    if (in->at >= in->end) {
        in->at = in->end;
        return fail(in, "string does not end");
    }
    *raw = (struct outbox_bytes){start, (size_t)(in->at - start)};
    in->at++;
    return true;
}

static bool read_string(struct reader *in, struct outbox_bytes *out)
{
    bool escaped;
    if (!scan_string(in, out, &escaped))
        return false;
    if (!escaped)
        return true;
    char *text = obx_arena_bytes(in->arena, out->size), *to = text;
    if (!text) {
        in->no_memory = true;
        return fail(in, "out of memory");
    }
    struct reader inner = {.at = out->data, .end = (const char *)out->data + out->size, .arena = in->arena};
    while (inner.at < inner.end) {
        char c = *inner.at++;
        if (c != '\\')
            *to++ = c;
        else if (!read_escape(&inner, &to))
            return fail(in, inner.wrong);
    }
    *out = (struct outbox_bytes){text, (size_t)(to - text)};
    return true;
}

struct brackets {
    uint64_t curly; /* a bit for each open bracket, innermost lowest: 1 for '{' */
    int depth;
};

static bool close_bracket(struct brackets *open, char c)
{
    bool curly = open->curly & 1;
    if (open->depth-- == 0 || curly != (c == '}'))
        return false;
    open->curly >>= 1;
    return true;
}

/* One character of a value that is not a string. False with in->wrong: broken; without: the value ends before it. */
static bool step(struct reader *in, struct brackets *open)
{
    struct outbox_bytes ignored;
    bool escaped;
    char c = *in->at;
    if (open->depth == 0 && (c == ',' || c == '}'))
        return false;
    if ((unsigned char)c < 0x20 && !is_space(c))
        return fail(in, "control character in a value");
    in->at++;
    if (c == '"')
        return scan_string(in, &ignored, &escaped);
    if ((c == '{' || c == '[') && open->depth++ == 64)
        return fail(in, "value is nested too deeply");
    if (c == '{' || c == '[')
        open->curly = open->curly << 1 | (c == '{');
    if ((c == '}' || c == ']') && !close_bracket(open, c))
        return fail(in, "brackets do not match");
    return true;
}

/* A value that is not a string: up to the comma or brace that ends it. */
static bool read_other(struct reader *in, struct outbox_bytes *out)
{
    const char *start = in->at;
    struct brackets open = {0, 0};
    while (in->at < in->end && step(in, &open)) {
    }
    if (in->wrong)
        return false;
    const char *end = in->at;
    while (end > start && is_space(end[-1]))
        end--;
    if (end == start || open.depth)
        return fail(in, "value is missing or does not end");
    *out = (struct outbox_bytes){start, (size_t)(end - start)};
    if (out->size == 4 && !memcmp(start, "null", 4))
        *out = (struct outbox_bytes){NULL, 0};
    return true;
}

static bool read_member(struct reader *in, struct outbox_header *header)
{
    if (!take(in, '"'))
        return fail(in, "name in double quotes expected");
    if (!read_string(in, &header->name))
        return false;
    if (!take(in, ':'))
        return fail(in, "':' expected");
    if (take(in, '"'))
        return read_string(in, &header->value);
    return read_other(in, &header->value);
}

static bool read_object(struct reader *in, struct outbox_header *headers, uint32_t room, uint32_t *count)
{
    if (!take(in, '{'))
        return fail(in, "not a JSON object");
    if (!take(in, '}')) {
        do {
            if (*count == room)
                return fail(in, "too many headers");
            if (!read_member(in, &headers[*count]))
                return false;
            ++*count;
        } while (take(in, ','));
        if (!take(in, '}'))
            return fail(in, "',' or '}' expected");
    }
    skip_space(in);
    return in->at == in->end || fail(in, "something follows the object");
}

/* What clients write for "none": nothing, null of JSON (SQLAlchemy's None), an empty array (PHP's empty map). */
static bool is_none(struct outbox_bytes json)
{
    struct reader in = {.at = json.data, .end = (const char *)json.data + json.size};
    if (take(&in, '[')) {
        if (!take(&in, ']'))
            return false;
    } else if (in.end - in.at >= 4 && !memcmp(in.at, "null", 4)) {
        in.at += 4;
    }
    skip_space(&in);
    return in.at == in.end;
}

int obx_json_headers(struct outbox_bytes json, struct outbox_header *headers, uint32_t room, uint32_t *count,
                     struct obx_arena *arena, struct outbox_error *error)
{
    struct reader in = {.at = json.data, .end = (const char *)json.data + json.size, .arena = arena};
    if (is_none(json) || read_object(&in, headers, room, count))
        return OUTBOX_OK;
    if (in.no_memory)
        return obx_error_no_memory(error);
    return obx_error_set(error, OUTBOX_E_REJECTED, "headers column: %s at byte %zu; it must hold a JSON object",
                         in.wrong, (size_t)(in.at - (const char *)json.data));
}
