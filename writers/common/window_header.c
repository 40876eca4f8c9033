/* SPDX-License-Identifier: Apache-2.0 */
/* writers/common/window_header.c - see window_header.h */
#include "window_header.h"

struct cursor {
    const char *at, *end;
};

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool number(struct cursor *cursor, uint64_t *value)
{
    const char *start = cursor->at;
    *value = 0;
    for (; cursor->at < cursor->end && digit(*cursor->at) >= 0; cursor->at++)
        *value = *value << 4 | (uint64_t)digit(*cursor->at);
    return cursor->at > start && cursor->at - start <= 16;
}

static bool skip(struct cursor *cursor, char c)
{
    bool there = cursor->at < cursor->end && *cursor->at == c;
    cursor->at += there;
    return there;
}

/* One number, or two with a hyphen. */
static bool pair(struct cursor *cursor, uint64_t *first, uint64_t *second)
{
    *second = 0;
    return number(cursor, first) && (!skip(cursor, '-') || number(cursor, second));
}

bool window_header_parse(struct outbox_bytes text, struct window_header *header)
{
    struct cursor cursor = {text.data, (const char *)text.data + text.size};
    return number(&cursor, &header->source) && skip(&cursor, '.') && pair(&cursor, &header->epoch, &header->nonce) &&
           skip(&cursor, '.') && pair(&cursor, &header->position.major, &header->position.minor) &&
           skip(&cursor, '.') && pair(&cursor, &header->low.major, &header->low.minor) &&
           (cursor.at == cursor.end || *cursor.at == '.');
}
