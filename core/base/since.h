/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/since.h - ", since 2026-11-29T20:15:00Z", the end of the text of an owner. Any thread. */
#ifndef OBX_BASE_SINCE_H
#define OBX_BASE_SINCE_H

#include <stdio.h>

#include <outbox/plugin_util.h>

struct obx_since {
    char text[32]; /* "": unknown */
};

/* us: microseconds since 1970; 0 or less: unknown. */
static inline struct obx_since obx_since(int64_t us)
{
    struct obx_since since = {""};
    char time[OUTBOX_TIME_SIZE];
    if (us > 0 && outbox_time_text(time, us))
        snprintf(since.text, sizeof since.text, ", since %.*sZ", 19, time);
    return since;
}

#endif
