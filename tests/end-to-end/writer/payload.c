/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/writer/payload.c - random payloads of all kinds
 *
 * Mostly small JSON; some with characters that need escaping; some large, one byte, empty or null; some invalid UTF-8
 * if the column accepts it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "writer.h"

/* splitmix64 */
uint64_t writer_random_below(struct writer_random *random, uint64_t below)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

static bool make_json(struct writer_random *random, uint64_t number, size_t pad, bool plain, struct writer_event *event)
{
    char *text = event->payload = malloc(pad + 200);
    if (!text)
        return false;
    int size = snprintf(text, 190, "{\"n\": %" PRIu64 ", \"text\": \"%s\", \"pad\": \"", number,
                        plain ? "plain" : "gr\xc3\xbc\xc3\x9f \\\"\xe2\x82\xac\\\" \\n \xf0\x9f\x93\xae");
    memset(text + size, 'a' + (int)writer_random_below(random, 26), pad);
    memcpy(text + (size_t)size + pad, "\"}", 2);
    event->size = (size_t)size + pad + 2;
    return true;
}

static bool make_bytes(struct writer_random *random, struct writer_event *event)
{
    event->size = 4 + writer_random_below(random, 300);
    event->binary = true;
    if (!(event->payload = malloc(event->size)))
        return false;
    memcpy(event->payload, "\0\xff\xfe\x80", 4);
    for (size_t i = 4; i < event->size; i++)
        event->payload[i] = (char)writer_random_below(random, 256);
    return true;
}

bool writer_make_payload(const struct writer_payloads *payloads, struct writer_random *random, uint64_t number,
                         struct writer_event *event)
{
    uint64_t kind = writer_random_below(random, 100);
    if (kind == 0)
        return make_json(random, number, writer_random_below(random, payloads->large), true, event);
    if (kind <= 2 && payloads->binary)
        return make_bytes(random, event);
    if (kind == 3 && payloads->nulls)
        return true;
    if (kind == 4 || kind == 5) { /* empty, one byte */
        event->payload = strdup(kind == 4 ? "" : "1");
        event->size = kind - 4;
        return event->payload;
    }
    return make_json(random, number, writer_random_below(random, 200), kind >= 16, event);
}
