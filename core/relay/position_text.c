/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/position_text.c - see position_text.h */
#include "relay/position_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char *put_hex(char *to, uint64_t number)
{
    int shift = 60;
    while (shift && !(number >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[number >> shift & 15];
    return to;
}

static char *put_position(char *to, struct outbox_position position)
{
    to = put_hex(to, position.major);
    if (!position.minor)
        return to;
    *to++ = '-';
    return put_hex(to, position.minor);
}

void obx_position_text_set_owner(struct obx_position_text *text, uint64_t source, uint64_t epoch, uint64_t random)
{
    snprintf(text->owner, sizeof text->owner, "%016" PRIx64 ".%" PRIx64 "-%08" PRIx32 ".", source, epoch,
             (uint32_t)random);
    obx_position_text_set_low(text, (struct outbox_position){0, 0});
}

void obx_position_text_set_low(struct obx_position_text *text, struct outbox_position low)
{
    text->low = low;
    text->end[0] = '.';
    *put_position(text->end + 1, low) = 0;
}

static char *put_text(char *to, const char *text)
{
    size_t size = strlen(text);
    memcpy(to, text, size + 1);
    return to + size;
}

size_t obx_position_text_write(const struct obx_position_text *text, struct outbox_position position, char *to)
{
    char *at = put_position(put_text(to, text->owner), position);
    return (size_t)(put_text(at, text->end) - to);
}
