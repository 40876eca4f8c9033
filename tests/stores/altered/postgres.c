/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/altered/postgres.c - altered messages of Postgres: a type, a size of four bytes, a body */
#include <string.h>

#include "altering_proxy.h"

enum { HEAD = 5 };

static uint32_t get4(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put4(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t message(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    size_t whole = 1 + (size_t)get4(data + 1);
    return size < whole ? 0 : whole;
}

static bool ends_login(const uint8_t *data, size_t size)
{
    (void)size;
    return data[0] == 'Z';
}

static void emit(struct alter *alter, char type, const void *body, size_t size)
{
    uint8_t copy[HEAD + 256] = {(uint8_t)type};
    put4(copy + 1, (uint32_t)size + 4);
    memcpy(copy + HEAD, body, size);
    alter_emit(alter, copy, HEAD + size);
}

/* ---- one message ------------------------------------------------------------------------------------------------- */

/* In a copy that has room for a little more. */
struct change {
    struct alter *alter;
    uint8_t *data;
    size_t size;
};

static void resize(struct change *change, size_t size)
{
    change->size = size;
    put4(change->data + 1, (uint32_t)size - 1);
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

/* How many columns the message says that it has. */
static void change_count(struct change *change)
{
    if (change->size >= HEAD + 2)
        change->data[HEAD + 1] = (uint8_t)alter_random(change->alter, 16);
}

/* The size of the message, which changes what follows it, too. */
static void change_size(struct change *change)
{
    put4(change->data + 1, (uint32_t)alter_random(change->alter, alter_random(change->alter, 4) ? 200 : UINT32_MAX));
}

static void without_columns(struct change *change)
{
    if (change->size < HEAD + 2)
        return;
    change->data[HEAD] = change->data[HEAD + 1] = 0;
    resize(change, HEAD + 2);
}

/* A DataRow: where column `index` begins; 0: it has not so many. */
static size_t column_at(const struct change *change, unsigned index)
{
    size_t at = HEAD + 2;
    for (unsigned i = 0; i < index && at + 4 <= change->size; i++)
        at += 4 + (get4(change->data + at) == UINT32_MAX ? 0 : get4(change->data + at));
    return at + 4 <= change->size ? at : 0;
}

/* A column of a row becomes null, empty, or of another length. */
static void change_column(struct change *change)
{
    unsigned count = change->size > HEAD + 1 ? change->data[HEAD + 1] : 0;
    size_t at = change->data[0] == 'D' && count ? column_at(change, (unsigned)alter_random(change->alter, count)) : 0;
    if (!at)
        return;
    uint32_t old = get4(change->data + at), next = (uint32_t)alter_random(change->alter, 12);
    size_t old_size = old == UINT32_MAX ? 0 : old, rest = at + 4 + old_size;
    if (rest > change->size)
        return;
    bool null = !alter_random(change->alter, 3);
    size_t next_size = null ? 0 : next;
    memmove(change->data + at + 4 + next_size, change->data + rest, change->size - rest);
    for (size_t i = old_size; i < next_size; i++)
        change->data[at + 4 + i] = (uint8_t)alter_random(change->alter, 256);
    put4(change->data + at, null ? UINT32_MAX : next);
    resize(change, change->size - old_size + next_size);
}

/* A RowDescription: another type of one column. */
static void change_type(struct change *change)
{
    static const uint8_t types[] = {16, 17, 19, 20, 21, 23, 25, 26, 114};
    size_t at = HEAD + 2;
    if (change->data[0] != 'T')
        return;
    for (uint64_t skip = alter_random(change->alter, 4); at < change->size; skip--) {
        const uint8_t *end = memchr(change->data + at, 0, change->size - at);
        if (!end || (size_t)(end - change->data) + 19 > change->size)
            return;
        at = (size_t)(end - change->data) + 19;
        if (skip)
            continue;
        put4(change->data + at - 12, types[alter_random(change->alter, sizeof types)]);
        change->data[at - 1] = (uint8_t)alter_random(change->alter, 2);
        return;
    }
}

static void (*const changes[])(struct change *change) = {flip_byte,   cut_body,        change_count,
                                                         change_size, without_columns, change_column,
                                                         change_type, change_column,   change_type};

static void change_one(struct alter *alter, const uint8_t *data, size_t size)
{
    static uint8_t copy[ALTER_MESSAGE + 64]; /* there is one thread */
    struct change change = {alter, copy, size};
    memcpy(copy, data, size);
    for (uint64_t i = 1 + alter_random(alter, 2); i; i--)
        changes[alter_random(alter, sizeof changes / sizeof *changes)](&change);
    alter_emit(alter, copy, change.size);
}

/* ---- another message --------------------------------------------------------------------------------------------- */

static void emit_another(struct alter *alter)
{
    static const struct {
        char type;
        const char *body;
        size_t size;
    } all[] = {
        {'C', "SELECT 0", 9},
        {'C', "DELETE 99999999999999", 22},
        {'I', "", 0},
        {'n', "", 0},
        {'1', "", 0},
        {'2', "", 0},
        {'Z', "I", 1},
        {'Z', "E", 1},
        {'E', "\0", 1},
        {'E', "SERROR\0C22P02\0Mx\0\0", 18},
        {'E', "C57P01\0\0", 8},
        {'N', "\0", 1},
        {'H', "\1\0\1\0\1", 5},
        {'W', "\1\0\1\0\1", 5},
        {'G', "\1\0\1\0\1", 5},
        {'A', "\0\0\0\1outbox\0\0", 12},
        {'S', "server_version\0x\0", 17},
        {'T', "\0\0", 2},
        {'D', "\0\0", 2},
        {'c', "", 0},
        {'d', "x", 1},
        {'t', "\0\0", 2},
        {'R', "\0\0\0\0", 4},
        {'v', "\0\0\0\0\0\0\0\0", 8},
    };
    uint64_t index = alter_random(alter, sizeof all / sizeof *all);
    emit(alter, all[index].type, all[index].body, all[index].size);
}

static void alter_message(struct alter *alter, const uint8_t *data, size_t size)
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

const struct alter_protocol alter_postgres = {message, ends_login, alter_message, NULL, NULL};
