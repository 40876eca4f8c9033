/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/backoff.h - pauses that double, with full jitter: a random part of the limit, so that relays do not
 * synchronise */
#ifndef OBX_RELAY_BACKOFF_H
#define OBX_RELAY_BACKOFF_H

#include "loop/loop.h"

/* Nanoseconds before try number `failures` + 1 (failures >= 1): at least a tenth of the bound, so never a hot loop. */
static inline uint64_t obx_backoff(struct obx_loop *loop, uint32_t failures, uint64_t min_ms, uint64_t max_ms)
{
    uint32_t doublings = failures < 2 ? 0 : OBX_MIN(failures - 1, 32u);
    uint64_t bound = OBX_MIN(max_ms, min_ms << doublings) * OBX_MS;
    uint64_t floor = bound / 10;
    return floor + loop->ops->random(loop) % (bound - floor + 1);
}

/* Of an operation or a connection, which many events wait for: after five failures at most one try a second. */
static inline uint64_t obx_backoff_operation(struct obx_loop *loop, uint32_t failures, uint64_t min_ms, uint64_t max_ms)
{
    uint64_t pause = obx_backoff(loop, failures, min_ms, max_ms);
    return failures < 5 ? pause : OBX_MAX(pause, OBX_MIN(max_ms, 1000u) * OBX_MS);
}

#endif
