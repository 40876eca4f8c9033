/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/causes.c - see causes.h */
#include "relay/causes.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Bytes beyond ASCII are letters of some language. */
static bool has_more_letters(const char *word, size_t size)
{
    int balance = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)word[i], lower = byte | 0x20;
        balance += (lower >= 'a' && lower <= 'z') || byte >= 0x80;
        balance -= byte >= '0' && byte <= '9';
    }
    return balance > 0;
}

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    while (*text) {
        size_t size = strcspn(text, " \n");
        if (has_more_letters(text, size))
            number = XXH3_64bits_withSeed(text, size, number);
        text += size;
        text += strspn(text, " \n");
    }
    return number;
}

struct obx_cause *obx_causes_get(struct obx_causes *causes, const char *text, uint64_t now)
{
    uint64_t number = number_of(text);
    struct obx_cause *oldest = causes->list;
    for (struct obx_cause *cause = causes->list; cause < causes->list + OBX_CAUSES; cause++) {
        if (cause->logged && cause->number == number)
            return cause;
        if (!cause->logged || (oldest->logged && cause->logged_at < oldest->logged_at))
            oldest = cause;
    }
    if (oldest->logged && now - oldest->logged_at < OBX_LOG_EVERY_NS)
        return NULL;
    *oldest = (struct obx_cause){.number = number};
    return oldest;
}

void obx_cause_note(struct obx_cause *cause, uint64_t now)
{
    cause->logged = true;
    cause->logged_at = now;
}

bool obx_causes_log_due(struct obx_causes *causes, const char *text, uint64_t now, uint64_t pause_ns)
{
    struct obx_cause *cause = obx_causes_get(causes, text, now);
    if (!cause || (cause->logged && now - cause->logged_at < pause_ns))
        return false;
    obx_cause_note(cause, now);
    return true;
}
