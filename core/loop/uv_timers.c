/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/uv_timers.c - the heap of timers, and the one clock that wakes the loop for it
 *
 * libuv's own timers count whole milliseconds from the start of a round, so a relay that polls after 1 ms would poll
 * after 1.5 ms on average. A timerfd is exact. It costs one system call whenever the first timer of the heap becomes
 * earlier than the time that the clock is set to.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/error.h"
#include "loop/uv_internal.h"

#define NS 1000000000u

/* An absolute time cannot fire early, and a past one fires at once. */
static void arm(struct obx_uv_loop *loop)
{
    if (!loop->heap.first || loop->heap.first->due_ns >= loop->armed_ns || loop->closing)
        return;
    loop->armed_ns = loop->heap.first->due_ns;
    struct itimerspec at = {.it_value = {(time_t)(loop->armed_ns / NS), (long)(loop->armed_ns % NS)}};
    timerfd_settime(loop->clock, TFD_TIMER_ABSTIME, &at, NULL);
}

static void on_clock(uv_poll_t *handle, int status, int events)
{
    struct obx_uv_loop *loop = handle->data;
    uint64_t expirations;
    (void)status;
    (void)events;
    if (read(loop->clock, &expirations, sizeof expirations) < 0)
        return; /* it was set to another time meanwhile */
    loop->armed_ns = UINT64_MAX;
    loop->firing = true;
    obx_heap_fire(&loop->heap, uv_hrtime());
    loop->firing = false;
    arm(loop);
}

int obx_uv_timer_set(struct obx_loop *base, struct obx_timer *timer, uint64_t delay_ns)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    uint64_t at = uv_hrtime();
    obx_heap_set(&loop->heap, timer, delay_ns < UINT64_MAX - at ? at + delay_ns : UINT64_MAX);
    if (!loop->firing)
        arm(loop);
    return OUTBOX_OK;
}

/* The clock keeps its time: one useless wake-up costs less than setting it each time. */
void obx_uv_timer_clear(struct obx_loop *base, struct obx_timer *timer)
{
    obx_heap_clear(&obx_uv_loop_of(base)->heap, timer);
}

int obx_uv_timers_open(struct obx_uv_loop *loop)
{
    loop->armed_ns = UINT64_MAX;
    loop->clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->clock < 0)
        return uv_translate_sys_error(errno);
    int status = uv_poll_init(loop->uv, &loop->timer, loop->clock);
    if (status) {
        close(loop->clock);
        return status;
    }
    loop->timer.data = loop;
    loop->handles++;
    uv_poll_start(&loop->timer, UV_READABLE, on_clock);
    return 0;
}

static void closed(uv_handle_t *handle)
{
    struct obx_uv_loop *loop = handle->data;
    close(loop->clock);
    obx_uv_loop_handle_closed(loop);
}

void obx_uv_timers_close(struct obx_uv_loop *loop)
{
    uv_close((uv_handle_t *)&loop->timer, closed);
}
