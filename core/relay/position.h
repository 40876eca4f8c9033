/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/position.h - the order of positions in an outbox */
#ifndef OBX_RELAY_POSITION_H
#define OBX_RELAY_POSITION_H

#include <outbox/plugin.h>

static inline bool obx_position_before(struct outbox_position a, struct outbox_position b)
{
    return a.major != b.major ? a.major < b.major : a.minor < b.minor;
}

static inline bool obx_position_same(struct outbox_position a, struct outbox_position b)
{
    return a.major == b.major && a.minor == b.minor;
}

/* For qsort(). */
static inline int obx_position_compare(struct outbox_position a, struct outbox_position b)
{
    return obx_position_before(b, a) - obx_position_before(a, b);
}

#endif
