/* SPDX-License-Identifier: Apache-2.0 */
/* tests/proxy/altering/alter.c - one stream: messages in, messages out */
#include <stdlib.h>
#include <string.h>

#include "alter.h"

uint64_t alter_random(struct alter *alter, uint64_t below)
{
    uint64_t x = alter->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    alter->random = x;
    return (x >> 11) % below;
}

static void append(uint8_t **to, size_t *size, size_t *room, const uint8_t *data, size_t more)
{
    while (*size + more > *room)
        *room = *room ? *room * 2 : 1 << 16;
    *to = realloc(*to, *room);
    if (!*to)
        abort();
    memcpy(*to + *size, data, more);
    *size += more;
}

void alter_emit(struct alter *alter, const uint8_t *message, size_t size)
{
    append(&alter->out, &alter->out_size, &alter->out_room, message, size);
    if (alter->protocol->renumber)
        alter->protocol->renumber(alter, alter->out + alter->out_size - size, size);
}

void alter_emit_kept(struct alter *alter)
{
    if (!alter->kept_count)
        return;
    unsigned index = (unsigned)alter_random(alter, alter->kept_count < ALTER_KEPT ? alter->kept_count : ALTER_KEPT);
    alter_emit(alter, alter->kept[index].data, alter->kept[index].size);
}

static void keep(struct alter *alter, const uint8_t *message, size_t size)
{
    unsigned index = alter->kept_count++ % ALTER_KEPT;
    alter->kept[index].data = realloc(alter->kept[index].data, size);
    if (!alter->kept[index].data)
        abort();
    memcpy(alter->kept[index].data, message, size);
    alter->kept[index].size = size;
}

static void pass(struct alter *alter, const uint8_t *message, size_t size, struct altering_proxy *proxy)
{
    bool login = !alter->logged_in, change = !alter_random(alter, login ? 4 * alter->one_in : alter->one_in);
    atomic_fetch_add(&proxy->messages, 1);
    if (change && size <= ALTER_MESSAGE) {
        atomic_fetch_add(&proxy->altered, 1);
        alter->protocol->alter(alter, message, size);
    } else {
        alter_emit(alter, message, size);
    }
    alter->logged_in = alter->logged_in || alter->protocol->ends_login(message, size);
    if (size <= ALTER_MESSAGE)
        keep(alter, message, size);
}

void alter_take(struct alter *alter, const uint8_t *data, size_t size, struct altering_proxy *proxy)
{
    size_t used = 0, message;
    append(&alter->in, &alter->in_size, &alter->in_room, data, size);
    while ((message = alter->protocol->message(alter->in + used, alter->in_size - used))) {
        pass(alter, alter->in + used, message, proxy);
        used += message;
    }
    memmove(alter->in, alter->in + used, alter->in_size - used);
    alter->in_size -= used;
}

void alter_begin(struct alter *alter, const struct alter_protocol *protocol, uint64_t seed)
{
    static const unsigned rates[] = {2, 5, 10, 30, 100};
    *alter = (struct alter){.protocol = protocol, .random = (seed + 1) * 0x9e3779b97f4a7c15u};
    for (int i = 0; i < 8; i++)
        alter_random(alter, 2);
    alter->one_in = rates[alter_random(alter, sizeof rates / sizeof *rates)];
}

void alter_end(struct alter *alter)
{
    for (unsigned i = 0; i < ALTER_KEPT; i++)
        free(alter->kept[i].data);
    free(alter->in);
    free(alter->out);
}
