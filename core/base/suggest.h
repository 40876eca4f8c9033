/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/suggest.h - "did you mean?": the known name that a mistyped one was probably meant to be
 *
 *     struct obx_suggest nearest = {.word = "tabel"};
 *     obx_suggest_offer(&nearest, "table");   for every known name
 *     if (nearest.best) ...
 */
#ifndef OBX_BASE_SUGGEST_H
#define OBX_BASE_SUGGEST_H

#include <stdint.h>

struct obx_suggest {
    const char *word;
    const char *best;  /* NULL: nothing offered is near */
    uint32_t distance; /* of best */
};

/* Near: at most one edit in three letters, an edit being a letter added, dropped, changed, or two swapped.
 * Of those that are as near, the one with which it begins longer, else the one offered first. */
void obx_suggest_offer(struct obx_suggest *nearest, const char *candidate);

#endif
