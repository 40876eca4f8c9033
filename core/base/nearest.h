/*
 * core/base/nearest.h - "did you mean?": the known name that a mistyped one was probably meant to be
 *
 *     struct obx_nearest nearest = {.word = "tabel"};
 *     obx_nearest_offer(&nearest, "table");   for every known name
 *     if (nearest.best) ...
 */
#ifndef OBX_BASE_NEAREST_H
#define OBX_BASE_NEAREST_H

#include <stdint.h>

struct obx_nearest {
    const char *word;
    const char *best;  /* NULL: nothing offered is near */
    uint32_t distance; /* of best */
};

/* Near: at most one edit in three letters, an edit being a letter added, dropped, changed, or two swapped.
 * Of those that are as near, the one with which it begins longer, else the one offered first. */
void obx_nearest_offer(struct obx_nearest *nearest, const char *candidate);

#endif
