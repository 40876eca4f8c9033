/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/poll_schedule_test.c - the table of relay/poll_schedule.h, line by line */
#include <criterion/criterion.h>

#include "loop/loop.h"
#include "relay/poll_schedule.h"

#define MS(n) ((n)*OBX_MS)

static struct obx_poll_schedule polled_at(uint64_t now)
{
    struct obx_poll_schedule schedule = {0};
    obx_poll_schedule_reset(&schedule, now);
    cr_assert_eq(schedule.poll_at, now);
    obx_poll_schedule_begin(&schedule, now);
    return schedule;
}

Test(poll_schedule, poll_that_reached_a_limit_is_repeated_at_once)
{
    struct obx_poll_schedule schedule = polled_at(MS(5));
    obx_poll_schedule_after_rows(&schedule, MS(7), false, true);
    cr_assert_eq(schedule.poll_at, MS(7));
}

Test(poll_schedule, outbox_is_polled_every_millisecond_while_rows_came_lately)
{
    struct obx_poll_schedule schedule = polled_at(MS(5));
    obx_poll_schedule_after_rows(&schedule, MS(6), false, false);
    cr_assert_eq(schedule.poll_at, MS(6));
    obx_poll_schedule_begin(&schedule, MS(105));
    obx_poll_schedule_after_nothing(&schedule, MS(105), false, MS(25));
    cr_assert_eq(schedule.poll_at, MS(106), "99 ms after the rows");
    obx_poll_schedule_begin(&schedule, MS(106));
    obx_poll_schedule_after_nothing(&schedule, MS(106), false, MS(25));
    obx_poll_schedule_begin(&schedule, MS(107));
    obx_poll_schedule_after_nothing(&schedule, MS(107), false, MS(25));
    cr_assert_eq(schedule.poll_at, MS(109), "the pauses double from the end of the active time");
}

Test(poll_schedule, store_with_wakeups_is_polled_often_for_a_shorter_time)
{
    struct obx_poll_schedule schedule = polled_at(0);
    obx_poll_schedule_after_rows(&schedule, 0, true, false);
    cr_assert_eq(schedule.active_until, MS(10));
    schedule.wakeup_unavailable = true;
    obx_poll_schedule_after_rows(&schedule, 0, true, false);
    cr_assert_eq(schedule.active_until, MS(100), "its wake-up does not work");
}

Test(poll_schedule, pauses_of_an_idle_outbox_double_up_to_the_maximum)
{
    struct obx_poll_schedule schedule = polled_at(0);
    uint64_t now = 0;
    for (uint64_t pause = 1; pause <= 64; pause *= 2) {
        obx_poll_schedule_begin(&schedule, now);
        obx_poll_schedule_after_nothing(&schedule, now, false, MS(25));
        cr_assert_eq(schedule.poll_at - now, MS(pause < 25 ? pause : 25), "pause %d", (int)pause);
        now = schedule.poll_at;
    }
}

Test(poll_schedule, armed_wakeup_lets_the_relay_sleep)
{
    struct obx_poll_schedule schedule = polled_at(0);
    cr_assert_not(obx_poll_schedule_arms_wakeup(&schedule));
    while (!obx_poll_schedule_arms_wakeup(&schedule)) {
        obx_poll_schedule_begin(&schedule, schedule.poll_at);
        obx_poll_schedule_after_nothing(&schedule, schedule.poll_at, false, MS(25));
    }
    uint64_t now = schedule.poll_at;
    schedule.arms_wakeup = true;
    obx_poll_schedule_begin(&schedule, now);
    obx_poll_schedule_after_nothing(&schedule, now, true, MS(25));
    cr_assert_eq(schedule.poll_at, now + MS(1000));
    cr_assert_not(schedule.wakeup_unavailable);
    obx_poll_schedule_after_nothing(&schedule, now, false, MS(25));
    cr_assert(schedule.wakeup_unavailable);
    cr_assert_eq(schedule.poll_at, now + MS(16));
}

Test(poll_schedule, wakeup_polls_soon_and_not_more_than_twice_a_millisecond)
{
    struct obx_poll_schedule schedule = polled_at(MS(10));
    schedule.poll_at = MS(900);
    obx_poll_schedule_wake(&schedule, MS(10) + 100);
    cr_assert_eq(schedule.poll_at, MS(10) + MS(1) / 2);
    schedule.poll_at = MS(900);
    obx_poll_schedule_wake(&schedule, MS(50));
    cr_assert_eq(schedule.poll_at, MS(50));
    obx_poll_schedule_after_nothing(&schedule, MS(50), true, MS(25));
    cr_assert_eq(schedule.poll_at, MS(11), "a wake-up during the poll: its row may be one that the poll did not see");
}
