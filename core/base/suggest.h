/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/suggest.h - "did you mean ...?": finds the known name that is most similar to a mistyped one
 *
 *     struct obx_suggest suggestion = {.word = "tabel"};
 *     obx_suggest_offer(&suggestion, "table");   for every known name
 *     if (suggestion.best) ...
 */
#ifndef OBX_BASE_SUGGEST_H
#define OBX_BASE_SUGGEST_H

#include <stdint.h>

struct obx_suggest {
    const char *word;
    const char *best;  /* NULL: no candidate is similar */
    uint32_t distance; /* of best */
};

/* Similar: at most one edit per three letters. An edit adds, drops or changes a letter, or swaps two. Of equally
 * similar candidates the one with the longer common prefix wins, then the first one. */
void obx_suggest_offer(struct obx_suggest *suggestion, const char *candidate);

#endif
