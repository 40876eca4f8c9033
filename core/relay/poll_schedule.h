/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/poll_schedule.h - when the outbox is polled next
 *
 * | the last poll                             | the next poll                                               |
 * |-------------------------------------------|-------------------------------------------------------------|
 * | reached a limit                           | at once                                                     |
 * | gave rows, or a wake-up or rows came      | 1 ms after that poll began                                  |
 * |   lately (10 ms with wake-ups, 100 ms     |                                                             |
 * |   without)                                |                                                             |
 * | gave nothing, and armed the wake-up       | at the wake-up, after 1 s at the latest                     |
 * | gave nothing                              | after a pause that doubles from 1 ms to poll_interval_max   |
 *
 * A store whose wake-up cannot be armed is polled like one without. Times are nanoseconds of the loop's clock.
 */
#ifndef OBX_RELAY_POLL_SCHEDULE_H
#define OBX_RELAY_POLL_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct obx_poll_schedule {
    uint64_t poll_at;        /* next poll */
    uint64_t begun_at;       /* when the last claim began */
    uint64_t active_until;   /* rows or a wake-up came lately */
    uint64_t idle_delay;     /* the next pause, when nothing comes */
    bool woken;              /* a wake-up came since the last claim began */
    bool arms_wakeup;        /* the last poll asked the store to arm its wake-up */
    bool wakeup_unavailable; /* the store could not arm it the last time */
};

/* Poll at once; pauses are short again. */
void obx_poll_schedule_reset(struct obx_poll_schedule *schedule, uint64_t now);
void obx_poll_schedule_wake(struct obx_poll_schedule *schedule, uint64_t now);
void obx_poll_schedule_begin(struct obx_poll_schedule *schedule, uint64_t now); /* a claim begins */
/* The next poll should arm the wake-up of a store that has one. */
bool obx_poll_schedule_arms_wakeup(const struct obx_poll_schedule *schedule);

void obx_poll_schedule_after_rows(struct obx_poll_schedule *schedule, uint64_t now, bool has_wakeup, bool more);
/* armed: the store has armed its wake-up. max_ns: poll_interval_max. */
void obx_poll_schedule_after_nothing(struct obx_poll_schedule *schedule, uint64_t now, bool armed, uint64_t max_ns);

#endif
