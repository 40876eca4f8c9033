/* SPDX-License-Identifier: Apache-2.0 */
/* writers/common/window_position.h - the order of positions in an outbox */
#ifndef OBX_WRITERS_COMMON_WINDOW_POSITION_H
#define OBX_WRITERS_COMMON_WINDOW_POSITION_H

#include <stdbool.h>

#include <outbox/plugin.h>

static inline bool window_before(struct outbox_position a, struct outbox_position b)
{
    return a.major != b.major ? a.major < b.major : a.minor < b.minor;
}

static inline void window_raise(struct outbox_position *position, struct outbox_position to)
{
    if (window_before(*position, to))
        *position = to;
}

#endif
