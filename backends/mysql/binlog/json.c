/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/json.c - MySQL's binary JSON as the text that the server prints
 *
 * A value is a byte of type and its content. Objects and arrays have tables of offsets at their begin, of 2 bytes or,
 * in large ones, of 4; small scalars stand in the table itself. Nested up to 100 deep, as in the server. Offsets are
 * checked against the end of the container.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "row.h"

enum json_type {
    SMALL_OBJECT,
    LARGE_OBJECT,
    SMALL_ARRAY,
    LARGE_ARRAY,
    LITERAL,
    INT16,
    UINT16,
    INT32,
    UINT32,
    INT64,
    UINT64,
    DOUBLE,
    STRING,
    OPAQUE = 15
};
enum { DEPTH_MAX = 100, TEXT_FACTOR = 16 };

/* Containers of a damaged value may share their elements, and would be printed without end. */
struct limit {
    unsigned depth;
    uint64_t size; /* of the text, at most */
};

static bool print_value(struct obx_sql_text *text, unsigned type, struct mys_cursor value, struct limit limit);

/* ---- scalars ----------------------------------------------------------------------------------------------------- */

/* Seven bits in each byte, the lowest first. */
static uint64_t take_size(struct mys_cursor *cursor)
{
    uint64_t size = 0;
    for (unsigned i = 0; i < 5; i++) {
        uint64_t byte = mys_take_int(cursor, 1);
        size |= (byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return size;
    }
    cursor->bad = true;
    return 0;
}

static void print_escaped(struct obx_sql_text *text, unsigned char byte)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = memchr(from, byte, sizeof from - 1);
    char piece[8];
    if (at)
        snprintf(piece, sizeof piece, "\\%c", to[at - from]);
    else
        snprintf(piece, sizeof piece, "\\u%04x", byte);
    obx_sql_text_puts(text, piece);
}

static void print_string(struct obx_sql_text *text, struct mys_cursor bytes)
{
    const unsigned char *begin = bytes.at;
    obx_sql_text_add(text, "\"", 1);
    for (; bytes.at < bytes.end; bytes.at++) {
        if (*bytes.at >= 0x20 && *bytes.at != '"' && *bytes.at != '\\')
            continue;
        obx_sql_text_add(text, (const char *)begin, (size_t)(bytes.at - begin));
        print_escaped(text, *bytes.at);
        begin = bytes.at + 1;
    }
    obx_sql_text_add(text, (const char *)begin, (size_t)(bytes.end - begin));
    obx_sql_text_add(text, "\"", 1);
}

static void print_int(struct obx_sql_text *text, struct mys_cursor *value, unsigned size, bool is_signed)
{
    uint64_t number = mys_take_int(value, size);
    char piece[24];
    if (is_signed && size < 8 && number >> (8 * size - 1) & 1)
        number |= ~UINT64_C(0) << 8 * size;
    snprintf(piece, sizeof piece, is_signed ? "%lld" : "%llu", (unsigned long long)number);
    obx_sql_text_puts(text, piece);
}

/* Digits of the shortest text that reads back, and where the point is: 0.d1d2.. x 10^point. */
static int shortest(double number, char digits[24], int *point)
{
    char text[40];
    int precision = 0;
    do
        snprintf(text, sizeof text, "%.*e", precision, number);
    while (strtod(text, NULL) != number && ++precision < 17);
    int count = 0;
    for (const char *at = text; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            digits[count++] = *at;
    *point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

/* With an exponent where the point is more than 15 digits away. */
static void print_double(struct obx_sql_text *text, double number)
{
    enum { FAR = 15 };
    char digits[24], piece[16];
    int point, count = shortest(fabs(number), digits, &point);
    obx_sql_text_puts(text, signbit(number) ? "-" : "");
    if (number != 0 && (point > FAR || point < 1 - FAR)) {
        obx_sql_text_add(text, digits, 1);
        if (count > 1)
            obx_sql_text_puts(text, ".");
        obx_sql_text_add(text, digits + 1, (size_t)count - 1);
        snprintf(piece, sizeof piece, "e%d", point - 1);
        obx_sql_text_puts(text, piece);
        return;
    }
    if (point <= 0)
        obx_sql_text_puts(text, "0.");
    for (int i = point; i < 0; i++)
        obx_sql_text_puts(text, "0");
    for (int i = 0; i < count || i < point; i++) {
        obx_sql_text_add(text, i < count ? &digits[i] : "0", 1);
        if (i + 1 == point)
            obx_sql_text_puts(text, i + 1 < count ? "." : ".0");
    }
}

static bool print_real(struct obx_sql_text *text, struct mys_cursor *value)
{
    uint64_t bits = mys_take_int(value, 8);
    double number;
    memcpy(&number, &bits, sizeof number);
    if (!value->bad && isfinite(number))
        print_double(text, number);
    return !value->bad && isfinite(number);
}

static bool print_literal(struct obx_sql_text *text, struct mys_cursor *value)
{
    static const char *const names[] = {"null", "true", "false"};
    uint64_t number = mys_take_int(value, 1);
    if (value->bad || number > 2)
        return false;
    obx_sql_text_puts(text, names[number]);
    return true;
}

/* ---- types that JSON itself does not have ------------------------------------------------------------------------ */

static void print_base64(struct obx_sql_text *text, unsigned type, struct mys_cursor bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char piece[32];
    snprintf(piece, sizeof piece, "\"base64:type%u:", type);
    obx_sql_text_puts(text, piece);
    for (; bytes.at < bytes.end; bytes.at += bytes.end - bytes.at < 3 ? bytes.end - bytes.at : 3) {
        unsigned left = (unsigned)(bytes.end - bytes.at), size = left < 3 ? left : 3;
        unsigned group = (unsigned)mys_big(bytes.at, size) << (8 * (3 - size));
        for (unsigned i = 0; i < 4; i++)
            obx_sql_text_add(text, i <= size ? &alphabet[group >> (18 - 6 * i) & 63] : "=", 1);
    }
    obx_sql_text_puts(text, "\"");
}

static bool print_opaque(struct obx_sql_text *text, struct mys_cursor *value)
{
    unsigned type = (unsigned)mys_take_int(value, 1);
    struct mys_cursor bytes = mys_take_part(value, take_size(value));
    if (bytes.bad)
        return false;
    if (type == MYS_LT_NEWDECIMAL) {
        unsigned precision = (unsigned)mys_take_int(&bytes, 1), scale = (unsigned)mys_take_int(&bytes, 1);
        return !bytes.bad && mys_left(&bytes) >= mys_decimal_size(precision, scale) &&
               mys_decimal_print(text, precision, scale, bytes.at);
    }
    if (type != MYS_LT_DATE && type != MYS_LT_TIME && type != MYS_LT_DATETIME && type != MYS_LT_TIMESTAMP) {
        print_base64(text, type, bytes);
        return true;
    }
    int64_t packed = (int64_t)mys_take_int(&bytes, 8);
    obx_sql_text_puts(text, "\"");
    mys_temporal_print_packed(text, type, packed);
    obx_sql_text_puts(text, "\"");
    return !bytes.bad;
}

/* ---- objects and arrays ------------------------------------------------------------------------------------------ */

struct container {
    struct mys_cursor whole; /* from its count on; offsets count from here */
    unsigned width;          /* of an offset */
    uint64_t count;
    bool object;
};

static bool is_inline(unsigned type, unsigned width)
{
    return type == LITERAL || type == INT16 || type == UINT16 || (width == 4 && (type == INT32 || type == UINT32));
}

static struct mys_cursor at_offset(const struct container *container, uint64_t offset)
{
    struct mys_cursor at = container->whole;
    mys_take(&at, (size_t)offset);
    return at;
}

static bool print_key(struct obx_sql_text *text, const struct container *container, uint64_t index)
{
    unsigned width = container->width;
    struct mys_cursor entry = at_offset(container, 2 * (size_t)width + (size_t)index * (width + 2));
    uint64_t offset = mys_take_int(&entry, width), size = mys_take_int(&entry, 2);
    struct mys_cursor key = at_offset(container, offset), bytes = mys_take_part(&key, size);
    if (entry.bad || bytes.bad)
        return false;
    print_string(text, bytes);
    obx_sql_text_puts(text, ": ");
    return true;
}

static bool print_element(struct obx_sql_text *text, const struct container *container, uint64_t index,
                          struct limit limit)
{
    unsigned width = container->width;
    uint64_t keys = container->object ? (uint64_t)container->count * (width + 2) : 0;
    struct mys_cursor entry = at_offset(container, 2 * (size_t)width + keys + (size_t)index * (width + 1));
    unsigned type = (unsigned)mys_take_int(&entry, 1);
    struct mys_cursor value = entry;
    if (!is_inline(type, width))
        value = at_offset(container, mys_take_int(&entry, width));
    return !entry.bad && !value.bad && print_value(text, type, value, (struct limit){limit.depth + 1, limit.size});
}

static bool print_container(struct obx_sql_text *text, unsigned type, struct mys_cursor value, struct limit limit)
{
    struct container container = {.width = type == LARGE_OBJECT || type == LARGE_ARRAY ? 4 : 2,
                                  .object = type == SMALL_OBJECT || type == LARGE_OBJECT};
    struct mys_cursor head = value;
    container.count = mys_take_int(&head, container.width);
    uint64_t size = mys_take_int(&head, container.width);
    container.whole = mys_take_part(&value, size);
    if (head.bad || container.whole.bad || limit.depth > DEPTH_MAX)
        return false;
    obx_sql_text_puts(text, container.object ? "{" : "[");
    for (uint64_t i = 0; i < container.count; i++) {
        obx_sql_text_puts(text, i ? ", " : "");
        if ((container.object && !print_key(text, &container, i)) || !print_element(text, &container, i, limit) ||
            text->size > limit.size)
            return false;
    }
    obx_sql_text_puts(text, container.object ? "}" : "]");
    return !text->failed;
}

static bool print_number(struct obx_sql_text *text, unsigned type, struct mys_cursor *value)
{
    static const unsigned char sizes[] = {2, 2, 4, 4, 8, 8};
    print_int(text, value, sizes[type - INT16], type == INT16 || type == INT32 || type == INT64);
    return !value->bad;
}

static bool print_value(struct obx_sql_text *text, unsigned type, struct mys_cursor value, struct limit limit)
{
    struct mys_cursor bytes;
    switch (type) {
    case SMALL_OBJECT:
    case LARGE_OBJECT:
    case SMALL_ARRAY:
    case LARGE_ARRAY:
        return print_container(text, type, value, limit);
    case LITERAL:
        return print_literal(text, &value);
    case INT16:
    case UINT16:
    case INT32:
    case UINT32:
    case INT64:
    case UINT64:
        return print_number(text, type, &value);
    case DOUBLE:
        return print_real(text, &value);
    case STRING:
        bytes = mys_take_part(&value, take_size(&value));
        print_string(text, bytes);
        return !bytes.bad;
    case OPAQUE:
        return print_opaque(text, &value);
    default:
        return false;
    }
}

/* No bytes at all: the JSON null of rows that were written before the column was added. */
bool mys_json_print(struct obx_sql_text *text, struct mys_cursor value)
{
    if (!mys_left(&value)) {
        obx_sql_text_puts(text, "null");
        return !text->failed;
    }
    struct limit limit = {.size = TEXT_FACTOR * (uint64_t)mys_left(&value) + 64};
    unsigned type = (unsigned)mys_take_int(&value, 1);
    return print_value(text, type, value, limit) && !text->failed;
}
