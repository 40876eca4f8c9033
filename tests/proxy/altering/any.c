/* SPDX-License-Identifier: Apache-2.0 */
/* tests/proxy/altering/any.c - changes that need no knowledge of the protocol */
#include <string.h>

#include "altering_proxy.h"

size_t alter_line(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    return end ? (size_t)(end - data) + 1 : 0;
}

/* The part of a copy that may be changed. */
struct part {
    struct alter *alter;
    uint8_t *data;
    size_t size;
};

static void flip_bits(struct part *part)
{
    for (uint64_t i = 1 + alter_random(part->alter, 3); i; i--)
        part->data[alter_random(part->alter, part->size)] ^= (uint8_t)(1u << alter_random(part->alter, 8));
}

/* Two bytes become a small number: an error code, a count, a size. */
static void put_small_number(struct part *part)
{
    size_t at = alter_random(part->alter, part->size);
    if (at + 1 < part->size)
        part->data[at] = alter_random(part->alter, 4) ? 0 : 0xff;
    part->data[at + (at + 1 < part->size)] = (uint8_t)alter_random(part->alter, 128);
}

static void change_digits(struct part *part)
{
    for (size_t i = 0; i < part->size; i++)
        if (part->data[i] >= '0' && part->data[i] <= '9' && !alter_random(part->alter, 3))
            part->data[i] = (uint8_t)('-' + alter_random(part->alter, 13));
}

static void cut(struct part *part)
{
    size_t at = alter_random(part->alter, part->size), gone = 1 + alter_random(part->alter, part->size - at);
    memmove(part->data + at, part->data + at + gone, part->size - at - gone);
    part->size -= gone;
}

static void (*const changes[])(struct part *part) = {flip_bits, put_small_number, change_digits, cut};

void alter_change(struct alter *alter, struct alter_bytes message, size_t head, size_t tail)
{
    static uint8_t copy[ALTER_MESSAGE]; /* there is one thread */
    memcpy(copy, message.data, message.size);
    if (message.size <= head + tail) {
        alter_emit(alter, copy, message.size);
        return;
    }
    struct part part = {alter, copy + head, message.size - head - tail};
    for (uint64_t i = 1 + alter_random(alter, 2); i && part.size; i--)
        changes[alter_random(alter, sizeof changes / sizeof *changes)](&part);
    memcpy(part.data + part.size, message.data + message.size - tail, tail);
    alter_emit(alter, copy, head + part.size + tail);
}

void alter_emit_one(struct alter *alter, const struct alter_bytes *others, unsigned count)
{
    const struct alter_bytes *other = &others[alter_random(alter, count)];
    alter_emit(alter, (const uint8_t *)other->data, other->size);
}

static void emit_bytes(struct alter *alter, struct alter_bytes bytes)
{
    alter_emit(alter, (const uint8_t *)bytes.data, bytes.size);
}

void alter_any(struct alter *alter, struct alter_bytes message, size_t head, size_t tail,
               const struct alter_bytes *others, unsigned count)
{
    uint64_t how = alter_random(alter, 10);
    if (!how) /* it is gone */
        return;
    if (how == 1)
        emit_bytes(alter, message);
    if (how == 2)
        alter_emit_kept(alter);
    if (count && (how == 3 || how == 4))
        alter_emit_one(alter, others, count);
    if (how == 1 || how == 4)
        emit_bytes(alter, message);
    if (how > 4)
        alter_change(alter, message, head, tail);
}
