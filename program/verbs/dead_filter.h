/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/dead_filter.h - which dead letters an action of `outbox dead` is about: by their fields and their age
 */
#ifndef OBX_PROGRAM_VERBS_DEAD_FILTER_H
#define OBX_PROGRAM_VERBS_DEAD_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include <outbox/store.h>

/* Zeroed: all. The texts are borrowed from the command line. */
struct obx_dead_filter {
    const char *topic, *key, *type; /* equal; NULL: any */
    const char *reason;             /* a part of it */
    int64_t since_us, until_us;     /* since 1970; 0: any */
    bool any;                       /* one of them is set */
};

bool obx_dead_filter_matches(const struct obx_dead_filter *filter, const struct outbox_dead_letter *letter);
/* "2026-11-29T20:15:00Z", "2026-11-29", or a time before now, like 90s or 2h. */
bool obx_dead_filter_time(const char *word, int64_t now_us, int64_t *us);

#endif
