/* SPDX-License-Identifier: Apache-2.0 */
/* writers/common/json_object.c - see json_object.h */
#include "json_object.h"

#include <stdbool.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_MEMBERS 32 /* of the object itself */

struct reader {
    const unsigned char *at, *end;
    const char *error;       /* NULL: none so far */
    int depth;               /* of open containers */
    int members;             /* of the outermost object */
    char closers[MAX_DEPTH]; /* one for each open container */
};

static bool fail(struct reader *in, const char *error)
{
    in->error = error;
    return false;
}

static void skip_space(struct reader *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

static int peek(const struct reader *in)
{
    return in->at < in->end ? *in->at : -1;
}

static bool accept(struct reader *in, int c)
{
    if (peek(in) != c)
        return false;
    in->at++;
    return true;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex_digit(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool read_hex4(struct reader *in, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, in->at++) {
        int c = peek(in);
        if (!is_hex_digit(c))
            return fail(in, "an escape \\u needs four hexadecimal digits");
        *unit = *unit << 4 | (unsigned)(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    return true;
}

/* After \u. A character above U+FFFF is a pair of units. */
static bool read_unit(struct reader *in)
{
    unsigned unit, low;
    if (!read_hex4(in, &unit))
        return false;
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || !accept(in, '\\') || !accept(in, 'u') || !read_hex4(in, &low) || low < 0xdc00 || low > 0xdfff)
        return fail(in, "an escape \\u is half a surrogate pair");
    return true;
}

/* After the backslash. */
static bool read_escape(struct reader *in)
{
    int c = peek(in);
    if (c <= 0 || !strchr("\"\\/bfnrtu", c))
        return fail(in, "an escape in a string is unknown");
    in->at++;
    return c != 'u' || read_unit(in);
}

/* After the opening quote. */
static bool read_string(struct reader *in)
{
    while (!accept(in, '"')) {
        int c = peek(in);
        if (c < 0)
            return fail(in, "a string does not end");
        if (c < 0x20)
            return fail(in, "a control character is in a string");
        in->at++;
        if (c == '\\' && !read_escape(in))
            return false;
    }
    return true;
}

static bool read_digits(struct reader *in)
{
    if (!is_digit(peek(in)))
        return fail(in, "a number lacks a digit");
    while (is_digit(peek(in)))
        in->at++;
    return true;
}

static bool read_number(struct reader *in)
{
    accept(in, '-');
    if (!accept(in, '0') && !read_digits(in))
        return false;
    if (accept(in, '.') && !read_digits(in))
        return false;
    if (!accept(in, 'e') && !accept(in, 'E'))
        return true;
    if (!accept(in, '+'))
        accept(in, '-');
    return read_digits(in);
}

static bool read_literal(struct reader *in)
{
    static const char *const literals[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t size = strlen(literals[i]);
        if ((size_t)(in->end - in->at) >= size && !memcmp(in->at, literals[i], size)) {
            in->at += size;
            return true;
        }
    }
    return fail(in, "a value is missing");
}

static bool read_scalar(struct reader *in)
{
    int c = peek(in);
    if (accept(in, '"'))
        return read_string(in);
    return c == '-' || is_digit(c) ? read_number(in) : read_literal(in);
}

/* A member's name and its colon. */
static bool read_name(struct reader *in)
{
    if (in->depth == 1 && in->members++ == MAX_MEMBERS)
        return fail(in, "there are more than 32 headers");
    skip_space(in);
    if (!accept(in, '"'))
        return fail(in, "a name in double quotes is missing");
    if (!read_string(in))
        return false;
    skip_space(in);
    return accept(in, ':') || fail(in, "a colon is missing after a name");
}

/* { or [ is next. Afterwards its first value is, or, if *empty, what follows the container. */
static bool open_container(struct reader *in, bool *empty)
{
    char closer = peek(in) == '{' ? '}' : ']';
    in->at++;
    if (in->depth == MAX_DEPTH)
        return fail(in, "it is nested too deeply");
    skip_space(in);
    *empty = accept(in, closer);
    if (*empty)
        return true;
    in->closers[in->depth++] = closer;
    return closer != '}' || read_name(in);
}

/* Closes containers, up to where the next value is. */
static bool read_after_value(struct reader *in)
{
    while (in->depth) {
        char closer = in->closers[in->depth - 1];
        skip_space(in);
        if (accept(in, ','))
            return closer != '}' || read_name(in);
        if (!accept(in, closer))
            return fail(in, closer == '}' ? "a comma or } is missing" : "a comma or ] is missing");
        in->depth--;
    }
    return true;
}

static bool read_object(struct reader *in)
{
    do {
        bool complete = true;
        skip_space(in);
        bool opens = peek(in) == '{' || peek(in) == '[';
        if (opens ? !open_container(in, &complete) : !read_scalar(in))
            return false;
        if (complete && !read_after_value(in))
            return false;
    } while (in->depth);
    return true;
}

const char *obx_json_object_error(struct outbox_bytes text, size_t *offset)
{
    struct reader in = {.at = text.data, .end = (const unsigned char *)text.data + text.size};
    skip_space(&in);
    if (peek(&in) != '{')
        fail(&in, "it does not begin with {");
    else if (read_object(&in))
        skip_space(&in);
    if (!in.error && in.at != in.end)
        in.error = "something follows the object";
    *offset = (size_t)(in.at - (const unsigned char *)text.data);
    return in.error;
}
