/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/suggest.c - edit distance (optimal string alignment) in three rows on the stack */
#include "base/suggest.h"

#include <string.h>

#include "base/mem.h"

#define LONGEST 63 /* longer words are near to nothing */

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
    return OBX_MIN(a, OBX_MIN(b, c));
}

static uint32_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    uint32_t rows[3][LONGEST + 1];
    uint32_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (uint32_t j = 0; j <= b_size; j++)
        last[j] = j;
    for (uint32_t i = 1; i <= a_size; i++) {
        now[0] = i;
        for (uint32_t j = 1; j <= b_size; j++) {
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = OBX_MIN(now[j], before[j - 2] + 1);
        }
        uint32_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_size];
}

static size_t same_start(const char *a, const char *b)
{
    size_t size = 0;
    while (a[size] && a[size] == b[size])
        size++;
    return size;
}

void obx_suggest_offer(struct obx_suggest *nearest, const char *candidate)
{
    size_t word = strlen(nearest->word), other = strlen(candidate);
    if (word > LONGEST || other > LONGEST)
        return;
    uint32_t found = distance(nearest->word, word, candidate, other);
    if (found > OBX_MAX(word, other) / 3 || (nearest->best && found > nearest->distance))
        return;
    if (nearest->best && found == nearest->distance &&
        same_start(nearest->word, candidate) <= same_start(nearest->word, nearest->best))
        return;
    nearest->best = candidate;
    nearest->distance = found;
}
