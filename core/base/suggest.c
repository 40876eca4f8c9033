/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/suggest.c - edit distance (optimal string alignment) in three rows on the stack */
#include "base/suggest.h"

#include <string.h>

#include "base/mem.h"

#define MAX_LENGTH 63 /* longer words get no suggestion */

static uint32_t minimum(uint32_t a, uint32_t b, uint32_t c)
{
    return OBX_MIN(a, OBX_MIN(b, c));
}

static uint32_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    uint32_t rows[3][MAX_LENGTH + 1];
    uint32_t *second_last = rows[0], *last = rows[1], *now = rows[2];
    for (uint32_t j = 0; j <= b_size; j++)
        last[j] = j;
    for (uint32_t i = 1; i <= a_size; i++) {
        now[0] = i;
        for (uint32_t j = 1; j <= b_size; j++) {
            now[j] = minimum(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = OBX_MIN(now[j], second_last[j - 2] + 1);
        }
        uint32_t *reused = second_last;
        second_last = last;
        last = now;
        now = reused;
    }
    return last[b_size];
}

static size_t common_prefix(const char *a, const char *b)
{
    size_t size = 0;
    while (a[size] && a[size] == b[size])
        size++;
    return size;
}

void obx_suggest_offer(struct obx_suggest *suggestion, const char *candidate)
{
    size_t word = strlen(suggestion->word), other = strlen(candidate);
    if (word > MAX_LENGTH || other > MAX_LENGTH)
        return;
    uint32_t found = distance(suggestion->word, word, candidate, other);
    if (found > OBX_MAX(word, other) / 3 || (suggestion->best && found > suggestion->distance))
        return;
    if (suggestion->best && found == suggestion->distance &&
        common_prefix(suggestion->word, candidate) <= common_prefix(suggestion->word, suggestion->best))
        return;
    suggestion->best = candidate;
    suggestion->distance = found;
}
