/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/poll_schedule.c - the table of poll_schedule.h */
#include "relay/poll_schedule.h"

#include "base/mem.h"
#include "loop/loop.h"

#define POLL_NS OBX_MS
#define ACTIVE_NS (100 * OBX_MS)
#define ACTIVE_WAKEUP_NS (10 * OBX_MS)
#define ARM_DELAY_NS (16 * OBX_MS) /* the pause from which the wake-up is armed */
#define SLEEP_NS (1000 * OBX_MS)

void obx_poll_schedule_reset(struct obx_poll_schedule *schedule, uint64_t now)
{
    schedule->poll_at = now;
    schedule->idle_delay = POLL_NS;
}

void obx_poll_schedule_wake(struct obx_poll_schedule *schedule, uint64_t now)
{
    uint64_t soon = OBX_MAX(now, schedule->begun_at + POLL_NS / 2);
    schedule->woken = true;
    schedule->active_until = now + ACTIVE_WAKEUP_NS;
    schedule->idle_delay = POLL_NS;
    schedule->poll_at = OBX_MIN(schedule->poll_at, soon);
}

void obx_poll_schedule_begin(struct obx_poll_schedule *schedule, uint64_t now)
{
    schedule->begun_at = now;
    schedule->woken = false;
}

bool obx_poll_schedule_arms_wakeup(const struct obx_poll_schedule *schedule)
{
    return schedule->idle_delay >= ARM_DELAY_NS;
}

void obx_poll_schedule_after_rows(struct obx_poll_schedule *schedule, uint64_t now, bool has_wakeup, bool more)
{
    bool wakes = has_wakeup && !schedule->wakeup_unavailable;
    schedule->active_until = now + (wakes ? ACTIVE_WAKEUP_NS : ACTIVE_NS);
    schedule->idle_delay = POLL_NS;
    schedule->poll_at = more ? now : schedule->begun_at + POLL_NS;
}

void obx_poll_schedule_after_nothing(struct obx_poll_schedule *schedule, uint64_t now, bool armed, uint64_t max_ns)
{
    if (schedule->arms_wakeup)
        schedule->wakeup_unavailable = !armed;
    if (schedule->woken || now < schedule->active_until) {
        schedule->poll_at = schedule->begun_at + POLL_NS;
    } else if (armed) {
        schedule->poll_at = now + SLEEP_NS;
    } else {
        schedule->poll_at = now + schedule->idle_delay;
        schedule->idle_delay = OBX_MIN(schedule->idle_delay * 2, max_ns);
    }
}
