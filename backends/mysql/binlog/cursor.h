/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/cursor.h - reading the bytes of an event, never past its end
 *
 * The first read past the end sets `bad`, and every later one returns zero: check `bad` once, at the end of a group of
 * reads.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_CURSOR_H
#define OBX_BACKENDS_MYSQL_BINLOG_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct mys_cursor {
    const unsigned char *at, *end;
    bool bad;
};

static inline size_t mys_left(const struct mys_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* The next bytes; NULL: there are not so many. */
static inline const unsigned char *mys_take(struct mys_cursor *cursor, size_t size)
{
    const unsigned char *at = cursor->at;
    if (cursor->bad || mys_left(cursor) < size) {
        cursor->bad = true;
        return NULL;
    }
    cursor->at += size;
    return at;
}

static inline uint64_t mys_little(const unsigned char *at, unsigned size)
{
    uint64_t value = 0;
    while (size--)
        value = value << 8 | at[size];
    return value;
}

static inline uint64_t mys_big(const unsigned char *at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | at[i]; /* NOLINT(clang-analyzer-core.UndefinedBinaryOperatorResult): callers fill it */
    return value;
}

/* A number of 1 to 8 bytes, the lowest first. */
static inline uint64_t mys_take_int(struct mys_cursor *cursor, unsigned size)
{
    const unsigned char *at = mys_take(cursor, size);
    return at ? mys_little(at, size) : 0;
}

/* A number whose first byte gives its size: "length-encoded" in MySQL's documentation. */
static inline uint64_t mys_take_packed(struct mys_cursor *cursor)
{
    uint64_t first = mys_take_int(cursor, 1);
    if (first < 251)
        return first;
    if (first == 251 || first == 255) {
        cursor->bad = true;
        return 0;
    }
    return mys_take_int(cursor, first == 252 ? 2 : first == 253 ? 3 : 8);
}

/* Bytes with their size, of size_bytes bytes, before them. */
static inline struct mys_cursor mys_take_part(struct mys_cursor *cursor, uint64_t size)
{
    const unsigned char *at = size <= SIZE_MAX ? mys_take(cursor, (size_t)size) : NULL;
    if (!at) {
        cursor->bad = true;
        return (struct mys_cursor){.bad = true};
    }
    return (struct mys_cursor){.at = at, .end = at + size};
}

#endif
