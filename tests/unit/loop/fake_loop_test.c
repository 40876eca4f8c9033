/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/loop/fake_loop_test.c - the event loop with a virtual clock that other tests use */
#include <criterion/criterion.h>
#include <string.h>

#include <outbox/error.h>

#include "fake_loop.h"

struct event {
    struct obx_task task;
    struct obx_timer timer;
    struct obx_work work;
    struct fake_loop *loop;
    char name;
    uint64_t at_ns;
};

static char trace[64];

static void note(struct event *event)
{
    size_t used = strlen(trace);
    trace[used] = event->name;
    trace[used + 1] = '\0';
    event->at_ns = event->loop->now_ns;
}

static void ran(struct obx_task *task)
{
    note(OBX_CONTAINER(task, struct event, task));
}

static void fired(struct obx_timer *timer)
{
    note(OBX_CONTAINER(timer, struct event, timer));
}

static void worked(struct obx_work *work)
{
    note(OBX_CONTAINER(work, struct event, work));
}

static void open_loop(struct fake_loop *loop, struct event *events, size_t count)
{
    fake_loop_init(loop, 42);
    for (size_t i = 0; i < count; i++)
        events[i] = (struct event){.task.run = ran,
                                   .timer.fire = fired,
                                   .work = {.work = worked, .done = worked},
                                   .loop = loop,
                                   .name = (char)('a' + i)};
}

Test(fake_loop, tasks_run_in_order_before_time_advances)
{
    struct fake_loop loop;
    struct event e[3];
    open_loop(&loop, e, 3);
    loop.base.ops->timer_set(&loop.base, &e[2].timer, 0);
    loop.base.ops->defer(&loop.base, &e[0].task);
    loop.base.ops->post(&loop.base, &e[1].task);
    loop.base.ops->defer(&loop.base, &e[0].task);
    cr_assert_str_eq(trace, "");
    fake_loop_settle(&loop);
    cr_assert_str_eq(trace, "ab");
    cr_assert(fake_loop_step(&loop));
    cr_assert_str_eq(trace, "abc");
    cr_assert(!fake_loop_step(&loop));
    cr_assert(fake_loop_idle(&loop));
}

Test(fake_loop, time_jumps_to_the_next_timer)
{
    struct fake_loop loop;
    struct event e[2];
    open_loop(&loop, e, 2);
    uint64_t start = obx_loop_now(&loop.base);
    int64_t wall = loop.base.ops->wall(&loop.base);
    loop.base.ops->timer_set(&loop.base, &e[0].timer, 3600 * 1000 * OBX_MS);
    loop.base.ops->timer_set(&loop.base, &e[1].timer, 10);
    loop.base.ops->timer_clear(&loop.base, &e[1].timer);
    cr_assert(fake_loop_step(&loop));
    cr_assert_eq(e[0].at_ns, start + 3600 * 1000 * OBX_MS);
    cr_assert_eq(loop.base.ops->wall(&loop.base) - wall, 3600 * 1000000ll);
    cr_assert_str_eq(trace, "a");
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

Test(fake_loop, run_until_ends_at_its_deadline_or_without_timers)
{
    struct fake_loop loop;
    struct event e[2];
    open_loop(&loop, e, 2);
    loop.base.ops->timer_set(&loop.base, &e[0].timer, 5 * OBX_MS);
    loop.base.ops->timer_set(&loop.base, &e[1].timer, 50 * OBX_MS);
    cr_assert(!fake_loop_run_until(&loop, never, NULL, 10 * OBX_MS));
    cr_assert_str_eq(trace, "a");
    uint64_t end = loop.now_ns + 100 * OBX_MS;
    fake_loop_run_for(&loop, 100 * OBX_MS);
    cr_assert_eq(loop.now_ns, end);
    cr_assert_str_eq(trace, "ab");
    cr_assert(!fake_loop_run_until(&loop, never, NULL, OBX_MS));
}

Test(fake_loop, work_times_depend_on_the_seed)
{
    uint64_t at[2];
    for (int run = 0; run < 2; run++) {
        struct fake_loop loop;
        struct event e[1];
        trace[0] = '\0';
        open_loop(&loop, e, 1);
        loop.fail_offload = 1;
        cr_assert_eq(loop.base.ops->offload(&loop.base, &e[0].work), OUTBOX_E_NO_MEMORY);
        cr_assert_eq(loop.base.ops->offload(&loop.base, &e[0].work), OUTBOX_OK);
        cr_assert(!fake_loop_idle(&loop));
        fake_loop_run_for(&loop, 10 * OBX_MS);
        cr_assert_str_eq(trace, "aa");
        cr_assert(fake_loop_idle(&loop));
        at[run] = e[0].at_ns;
    }
    cr_assert_eq(at[0], at[1]);
}

Test(fake_loop, cancelled_task_does_not_run)
{
    struct fake_loop loop;
    struct event e[1];
    open_loop(&loop, e, 1);
    loop.base.ops->defer(&loop.base, &e[0].task);
    loop.base.ops->cancel(&loop.base, &e[0].task);
    loop.base.ops->cancel(&loop.base, &e[0].task);
    cr_assert(!fake_loop_step(&loop));
    struct obx_watch *watch;
    cr_assert_eq(loop.base.ops->watch_open(&loop.base, 0, NULL, NULL, &watch), OUTBOX_E_UNSUPPORTED);
}
