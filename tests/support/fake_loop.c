/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/fake_loop.c - see fake_loop.h; tasks go first, in order, then time jumps to the next timer */
#include "fake_loop.h"

#include <assert.h>

#include <outbox/error.h>

#include "loop/random.h"

#define WALL_START_US 1700000000000000 /* some day in 2023 */

/* Offloaded work is a timer that fires twice: to work, and to be done. */
struct fake_work {
    struct obx_timer timer;
    struct fake_loop *loop;
};
static_assert(sizeof(struct fake_work) <= sizeof(((struct obx_work *)0)->private_), "kept inside the work");

static struct fake_loop *fake(struct obx_loop *base)
{
    return (struct fake_loop *)(void *)base;
}

static uint64_t now(struct obx_loop *base)
{
    return fake(base)->now_ns;
}

static int64_t wall(struct obx_loop *base)
{
    return WALL_START_US + (int64_t)(fake(base)->now_ns / 1000);
}

static uint64_t pick(struct obx_loop *base)
{
    return fake_loop_random(fake(base));
}

static void defer(struct obx_loop *base, struct obx_task *task)
{
    obx_tasks_add(&fake(base)->deferred, task);
}

static void cancel(struct obx_loop *base, struct obx_task *task)
{
    (void)base;
    obx_tasks_cancel(task);
}

static int timer_set(struct obx_loop *base, struct obx_timer *timer, uint64_t delay_ns)
{
    struct fake_loop *loop = fake(base);
    uint64_t at = loop->now_ns;
    obx_heap_set(&loop->heap, timer, delay_ns < UINT64_MAX - at ? at + delay_ns : UINT64_MAX);
    return OUTBOX_OK;
}

static void timer_clear(struct obx_loop *base, struct obx_timer *timer)
{
    obx_heap_clear(&fake(base)->heap, timer);
}

static int watch_open(struct obx_loop *base, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
                      struct obx_watch **watch)
{
    (void)base, (void)fd, (void)ready, (void)arg;
    *watch = NULL;
    return OUTBOX_E_UNSUPPORTED;
}

static void watch_arm(struct obx_watch *watch, uint32_t events)
{
    (void)watch, (void)events;
}

static void watch_close(struct obx_watch *watch)
{
    (void)watch;
}

static void work_done(struct obx_timer *timer)
{
    struct fake_work *fake_work = OBX_CONTAINER(timer, struct fake_work, timer);
    struct obx_work *work = OBX_CONTAINER(fake_work, struct obx_work, private_);
    fake_work->loop->works--;
    work->done(work);
}

static void work_run(struct obx_timer *timer)
{
    struct fake_work *fake_work = OBX_CONTAINER(timer, struct fake_work, timer);
    struct obx_work *work = OBX_CONTAINER(fake_work, struct obx_work, private_);
    struct fake_loop *loop = fake_work->loop;
    work->work(work);
    timer->fire = work_done;
    timer_set(&loop->base, timer, fake_loop_between(loop, loop->work_min_ns, loop->work_max_ns));
}

static int offload(struct obx_loop *base, struct obx_work *work)
{
    struct fake_loop *loop = fake(base);
    if (loop->fail_offload && !--loop->fail_offload)
        return OUTBOX_E_NO_MEMORY;
    struct fake_work *fake_work = (struct fake_work *)(void *)work->private_;
    *fake_work = (struct fake_work){.timer.fire = work_run, .loop = loop};
    loop->works++;
    return timer_set(base, &fake_work->timer, fake_loop_between(loop, loop->work_min_ns, loop->work_max_ns));
}

static const struct obx_loop_ops fake_ops = {
    .now = now,
    .wall = wall,
    .random = pick,
    .defer = defer,
    .cancel = cancel,
    .post = defer,
    .timer_set = timer_set,
    .timer_clear = timer_clear,
    .watch_open = watch_open,
    .watch_arm = watch_arm,
    .watch_close = watch_close,
    .offload = offload,
};

void fake_loop_init(struct fake_loop *loop, uint64_t seed)
{
    *loop = (struct fake_loop){
        .base.ops = &fake_ops,
        .now_ns = 1000 * OBX_MS,
        .random = seed,
        .step_ns = 1000,
        .work_min_ns = 1000,
        .work_max_ns = OBX_MS,
    };
    obx_tasks_init(&loop->deferred);
}

uint64_t fake_loop_random(struct fake_loop *loop)
{
    loop->random += OBX_RANDOM_STEP;
    return obx_random_stir(loop->random);
}

uint64_t fake_loop_between(struct fake_loop *loop, uint64_t least, uint64_t most)
{
    return most <= least ? least : least + fake_loop_random(loop) % (most - least + 1);
}

bool fake_loop_step(struct fake_loop *loop)
{
    bool task = !obx_tasks_empty(&loop->deferred);
    if (!task && !loop->heap.first)
        return false;
    loop->steps++;
    loop->now_ns += loop->step_ns;
    if (task)
        return obx_tasks_run_one(&loop->deferred.waiting);
    loop->now_ns = OBX_MAX(loop->now_ns, loop->heap.first->due_ns);
    obx_heap_fire(&loop->heap, loop->now_ns);
    return true;
}

/* Is there anything to do before that time? */
static bool busy_until(const struct fake_loop *loop, uint64_t end_ns)
{
    if (loop->now_ns >= end_ns)
        return false;
    return !obx_tasks_empty(&loop->deferred) || (loop->heap.first && loop->heap.first->due_ns <= end_ns);
}

bool fake_loop_run_until(struct fake_loop *loop, bool (*done)(void *arg), void *arg, uint64_t within_ns)
{
    uint64_t end_ns = loop->now_ns + within_ns;
    while (!done(arg) && busy_until(loop, end_ns))
        fake_loop_step(loop);
    return done(arg);
}

void fake_loop_run_for(struct fake_loop *loop, uint64_t ns)
{
    uint64_t end_ns = loop->now_ns + ns;
    while (busy_until(loop, end_ns))
        fake_loop_step(loop);
    loop->now_ns = OBX_MAX(loop->now_ns, end_ns);
}

void fake_loop_settle(struct fake_loop *loop)
{
    while (!obx_tasks_empty(&loop->deferred))
        fake_loop_step(loop);
}

bool fake_loop_idle(const struct fake_loop *loop)
{
    return obx_tasks_empty(&loop->deferred) && !loop->heap.first && !loop->works;
}
