/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/json_valid.c - is this text one value of RFC 8259?
 *
 * One pass without recursion: a bit for each open bracket. Deeper nesting than DEPTH counts as invalid.
 */
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

#define DEPTH 512

enum expected { VALUE, VALUE_OR_END, NAME, NAME_OR_END, NEXT };

struct scan {
    const char *at, *end;
    enum expected expected;
    unsigned depth;
    unsigned char in_object[DEPTH];
};

static bool take(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\n\r", *scan->at) && *scan->at)
        scan->at++;
}

static bool take_digits(struct scan *scan)
{
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > start;
}

static bool take_number(struct scan *scan)
{
    take(scan, '-');
    if (!take(scan, '0') && !take_digits(scan))
        return false;
    if (take(scan, '.') && !take_digits(scan))
        return false;
    if (!take(scan, 'e') && !take(scan, 'E'))
        return true;
    if (!take(scan, '+'))
        take(scan, '-');
    return take_digits(scan);
}

static bool take_escape(struct scan *scan)
{
    if (!take(scan, 'u')) {
        bool known = scan->at < scan->end && *scan->at && strchr("\"\\/bfnrt", *scan->at);
        scan->at += known;
        return known;
    }
    const char *start = scan->at;
    while (scan->at < scan->end && scan->at < start + 4 && *scan->at && strchr("0123456789abcdefABCDEF", *scan->at))
        scan->at++;
    return scan->at == start + 4;
}

static bool take_string(struct scan *scan)
{
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end && (unsigned char)*scan->at >= 0x20) {
        if (take(scan, '"'))
            return true;
        if (!take(scan, '\\'))
            scan->at++;
        else if (!take_escape(scan))
            return false;
    }
    return false;
}

static bool take_word(struct scan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t size = strlen(words[i]);
        if ((size_t)(scan->end - scan->at) >= size && !memcmp(scan->at, words[i], size)) {
            scan->at += size;
            return true;
        }
    }
    return take_number(scan);
}

static bool open_bracket(struct scan *scan, bool object)
{
    if (scan->depth == DEPTH)
        return false;
    scan->in_object[scan->depth++] = object;
    scan->expected = object ? NAME_OR_END : VALUE_OR_END;
    return true;
}

static bool take_value(struct scan *scan)
{
    if (take(scan, '{'))
        return open_bracket(scan, true);
    if (take(scan, '['))
        return open_bracket(scan, false);
    scan->expected = NEXT;
    return *scan->at == '"' ? take_string(scan) : take_word(scan);
}

static bool take_name(struct scan *scan)
{
    if (!take_string(scan))
        return false;
    skip_blanks(scan);
    scan->expected = VALUE;
    return take(scan, ':');
}

/* The bracket that closes the innermost one. */
static bool take_end(struct scan *scan)
{
    if (!scan->depth || !take(scan, scan->in_object[scan->depth - 1] ? '}' : ']'))
        return false;
    scan->depth--;
    scan->expected = NEXT;
    return true;
}

static bool take_comma(struct scan *scan)
{
    if (!scan->depth || !take(scan, ','))
        return false;
    scan->expected = scan->in_object[scan->depth - 1] ? NAME : VALUE;
    return true;
}

static bool step(struct scan *scan)
{
    switch (scan->expected) {
    case VALUE_OR_END:
        return take_end(scan) || take_value(scan);
    case NAME_OR_END:
        return take_end(scan) || take_name(scan);
    case NAME:
        return take_name(scan);
    case NEXT:
        return take_comma(scan) || take_end(scan);
    default:
        return take_value(scan);
    }
}

bool obx_json_valid(const void *bytes, size_t size)
{
    if (!size || !obx_utf8_valid(bytes, size))
        return false;
    struct scan scan = {.at = bytes, .end = (const char *)bytes + size};
    for (skip_blanks(&scan); scan.at < scan.end; skip_blanks(&scan))
        if (!step(&scan))
            return false;
    return scan.expected == NEXT && !scan.depth;
}
