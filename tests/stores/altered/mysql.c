/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/altered/mysql.c - altered packets of MySQL: a size of three bytes, a number, a body
 *
 * A client library refuses packets whose numbers are not in sequence: so they are numbered anew.
 */
#include <string.h>

#include "altering_proxy.h"

enum { HEAD = 4 };

static size_t message(const uint8_t *data, size_t size)
{
    size_t whole = size < HEAD ? HEAD : HEAD + (size_t)(data[0] | data[1] << 8 | data[2] << 16);
    return size < whole ? 0 : whole;
}

static bool ends_login(const uint8_t *data, size_t size)
{
    return size > HEAD && data[HEAD] == 0;
}

static void renumber(struct alter *alter, uint8_t *data, size_t size)
{
    if (size >= HEAD)
        data[3] = alter->number++;
}

/* A command begins a new sequence. */
static void sent(struct alter *alter, const uint8_t *data, size_t size)
{
    if (size >= HEAD)
        alter->number = (uint8_t)(data[3] + 1);
}

static void emit(struct alter *alter, const char *body, size_t size)
{
    uint8_t copy[HEAD + 64] = {(uint8_t)size};
    memcpy(copy + HEAD, body, size);
    alter_emit(alter, copy, HEAD + size);
}

/* ---- one packet -------------------------------------------------------------------------------------------------- */

struct change {
    struct alter *alter;
    uint8_t *data;
    size_t size;
};

static void resize(struct change *change, size_t size)
{
    change->size = size;
    change->data[0] = (uint8_t)(size - HEAD);
    change->data[1] = (uint8_t)((size - HEAD) >> 8);
    change->data[2] = (uint8_t)((size - HEAD) >> 16);
}

static void flip_byte(struct change *change)
{
    if (change->size > HEAD)
        change->data[HEAD + alter_random(change->alter, change->size - HEAD)] ^=
            (uint8_t)(1u << alter_random(change->alter, 8));
}

static void cut_body(struct change *change)
{
    resize(change, HEAD + alter_random(change->alter, change->size - HEAD + 1));
}

/* Of a result, where this packet has one. */
static void change_column_count(struct change *change)
{
    if (change->size == HEAD + 1)
        change->data[HEAD] = (uint8_t)alter_random(change->alter, 12);
    else
        flip_byte(change);
}

/* A value of a row becomes null: its length byte, and its bytes go. */
static void null_value(struct change *change)
{
    size_t at = HEAD;
    for (uint64_t skip = alter_random(change->alter, 4); at < change->size; skip--) {
        size_t length = change->data[at] < 251 ? change->data[at] : 0;
        if (at + 1 + length > change->size)
            return;
        if (!skip) {
            change->data[at] = 0xfb;
            memmove(change->data + at + 1, change->data + at + 1 + length, change->size - at - 1 - length);
            resize(change, change->size - length);
            return;
        }
        at += 1 + length;
    }
}

/* The last values of a row are gone. */
static void drop_values(struct change *change)
{
    size_t at = HEAD;
    for (uint64_t left = 1 + alter_random(change->alter, 3); left && at < change->size; left--)
        at += 1 + (change->data[at] < 251 ? change->data[at] : 0);
    if (at <= change->size)
        resize(change, at);
}

static void random_digits(struct change *change)
{
    for (size_t i = HEAD; i < change->size; i++)
        if (change->data[i] >= '0' && change->data[i] <= '9' && !alter_random(change->alter, 3))
            change->data[i] = (uint8_t)('-' + alter_random(change->alter, 13));
}

static void (*const changes[])(struct change *change) = {flip_byte,  cut_body,    change_column_count,
                                                         null_value, drop_values, random_digits};

static void change_one(struct alter *alter, const uint8_t *data, size_t size)
{
    static uint8_t copy[ALTER_MESSAGE + 64]; /* there is one thread */
    struct change change = {alter, copy, size};
    memcpy(copy, data, size);
    for (uint64_t i = 1 + alter_random(alter, 2); i; i--)
        changes[alter_random(alter, sizeof changes / sizeof *changes)](&change);
    alter_emit(alter, copy, change.size);
}

/* ---- another packet ---------------------------------------------------------------------------------------------- */

static void emit_another(struct alter *alter)
{
    static const struct {
        const char *body;
        size_t size;
    } all[] = {
        {"\0\0\0\2\0\0\0", 7},           /* OK */
        {"\0\xfc\xff\xff\0\2\0\0\0", 9}, /* OK, of 65,535 rows */
        {"\0\0\0\x0a\0\0\0", 7},         /* OK, with more results to come */
        {"\xfe\0\0\2\0", 5},             /* EOF */
        {"\xfe\0\0\x0a\0", 5},           /* EOF, with more results to come */
        {"\xff\x51\4#23000x", 10},       /* an error */
        {"\xff\x19\4#HY000", 9},         /* 1049 */
        {"\xff", 1},
        {"\1", 1},               /* one column */
        {"\xfb/etc/passwd", 12}, /* asks for a file */
        {"\xfb", 1},             /* a null */
        {"\xfb\xfb\xfb\xfb", 4},
        {"", 0},
        {"\1x", 2},
        {"\0", 1},
    };
    uint64_t index = alter_random(alter, sizeof all / sizeof *all);
    emit(alter, all[index].body, all[index].size);
}

static void alter_packet(struct alter *alter, const uint8_t *data, size_t size)
{
    switch (alter_random(alter, 10)) {
    case 0: /* it is gone */
        break;
    case 1:
        alter_emit(alter, data, size);
        alter_emit(alter, data, size);
        break;
    case 2:
        alter_emit_kept(alter);
        break;
    case 3:
        emit_another(alter);
        break;
    case 4:
        emit_another(alter);
        alter_emit(alter, data, size);
        break;
    default:
        change_one(alter, data, size);
    }
}

const struct alter_protocol alter_mysql = {message, ends_login, alter_packet, renumber, sent};
