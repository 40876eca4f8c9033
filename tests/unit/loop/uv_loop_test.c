/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/loop/uv_loop_test.c - tasks, timers, posts, work, signals, and the life cycle of the loop on libuv */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <uv.h>

#include "uv_fixture.h"

static char trace[64];

static void note(char name)
{
    size_t used = strlen(trace);
    trace[used] = name;
    trace[used + 1] = '\0';
}

struct step {
    struct obx_task task;
    struct obx_loop *loop;
    char name;
    unsigned runs, again;
    struct step *cancels;
};

static void run_step(struct obx_task *task)
{
    struct step *step = OBX_CONTAINER(task, struct step, task);
    step->runs++;
    if (step->name)
        note(step->name);
    if (step->cancels)
        step->loop->ops->cancel(step->loop, &step->cancels->task);
    if (step->again && step->again--)
        step->loop->ops->defer(step->loop, task);
}

Test(uv_loop, tasks_run_later_in_order_and_once)
{
    struct obx_loop *loop = open_loop();
    struct step a = {.task.run = run_step, .loop = loop, .name = 'a', .again = 1};
    struct step b = {.task.run = run_step, .loop = loop, .name = 'b'};
    loop->ops->defer(loop, &a.task);
    loop->ops->defer(loop, &b.task);
    loop->ops->defer(loop, &a.task);
    cr_assert_str_eq(trace, "");
    TURN_UNTIL(loop, a.runs == 2);
    cr_assert_str_eq(trace, "aba");
    close_loop(loop);
}

Test(uv_loop, task_can_cancel_another_of_its_round)
{
    struct obx_loop *loop = open_loop();
    struct step b = {.task.run = run_step, .loop = loop, .name = 'b'};
    struct step c = {.task.run = run_step, .loop = loop, .name = 'c'};
    struct step a = {.task.run = run_step, .loop = loop, .name = 'a', .cancels = &b};
    loop->ops->defer(loop, &a.task);
    loop->ops->defer(loop, &b.task);
    loop->ops->defer(loop, &c.task);
    TURN_UNTIL(loop, c.runs == 1);
    cr_assert_str_eq(trace, "ac");
    loop->ops->post(loop, &b.task);
    loop->ops->cancel(loop, &b.task);
    loop->ops->defer(loop, &c.task);
    TURN_UNTIL(loop, c.runs == 2);
    cr_assert_eq(b.runs, 0);
    close_loop(loop);
}

struct alarm {
    struct obx_timer timer;
    struct obx_loop *loop;
    uint64_t due_ns;
    unsigned fired;
};

static void ring(struct obx_timer *timer)
{
    struct alarm *alarm = OBX_CONTAINER(timer, struct alarm, timer);
    cr_assert_geq(obx_loop_now(alarm->loop), alarm->due_ns, "too early");
    alarm->fired++;
}

static void set_alarm(struct alarm *alarm, uint64_t delay_ns)
{
    alarm->timer.fire = ring;
    alarm->due_ns = obx_loop_now(alarm->loop) + delay_ns;
    cr_assert_eq(alarm->loop->ops->timer_set(alarm->loop, &alarm->timer, delay_ns), OUTBOX_OK);
}

Test(uv_loop, timers_are_never_early)
{
    struct obx_loop *loop = open_loop();
    struct alarm alarms[] = {{.loop = loop}, {.loop = loop}, {.loop = loop}, {.loop = loop}};
    set_alarm(&alarms[0], 7 * OBX_MS);
    set_alarm(&alarms[1], 1);
    set_alarm(&alarms[2], OBX_MS / 2);
    set_alarm(&alarms[3], UINT64_MAX);
    TURN_UNTIL(loop, alarms[0].fired);
    cr_assert_eq(alarms[1].fired, 1);
    cr_assert_eq(alarms[2].fired, 1);
    cr_assert_eq(alarms[3].fired, 0);
    set_alarm(&alarms[0], OBX_MS);
    loop->ops->timer_clear(loop, &alarms[0].timer);
    set_alarm(&alarms[1], 3 * OBX_MS);
    TURN_UNTIL(loop, alarms[1].fired == 2);
    cr_assert_eq(alarms[0].fired, 1);
    close_loop(loop);
}

Test(uv_loop, task_that_defers_itself_does_not_starve_timers)
{
    struct obx_loop *loop = open_loop();
    struct step busy = {.task.run = run_step, .loop = loop, .again = UINT32_MAX};
    struct alarm alarm = {.loop = loop};
    loop->ops->defer(loop, &busy.task);
    set_alarm(&alarm, 2 * OBX_MS);
    TURN_UNTIL(loop, alarm.fired);
    cr_assert_gt(busy.runs, 1);
    loop->ops->cancel(loop, &busy.task);
    close_loop(loop);
}

struct job {
    struct obx_work work;
    struct obx_loop *loop;
    pthread_t worker;
    bool worked, done;
};

static void job_work(struct obx_work *work)
{
    struct job *job = OBX_CONTAINER(work, struct job, work);
    job->worker = pthread_self();
    job->worked = true;
}

static void job_done(struct obx_work *work)
{
    struct job *job = OBX_CONTAINER(work, struct job, work);
    job->done = true;
}

Test(uv_loop, work_runs_on_another_thread)
{
    struct obx_loop *loop = open_loop();
    struct job job = {.work = {.work = job_work, .done = job_done}, .loop = loop};
    cr_assert_eq(loop->ops->offload(loop, &job.work), OUTBOX_OK);
    TURN_UNTIL(loop, job.done);
    cr_assert(job.worked);
    cr_assert(!pthread_equal(job.worker, pthread_self()));
    close_loop(loop);
}

static void *post_it(void *arg)
{
    struct step *step = arg;
    step->loop->ops->post(step->loop, &step->task);
    return NULL;
}

Test(uv_loop, post_from_another_thread_wakes_the_loop)
{
    struct obx_loop *loop = open_loop();
    struct step step = {.task.run = run_step, .loop = loop, .name = 'p'};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, post_it, &step), 0);
    TURN_UNTIL(loop, step.runs == 1);
    pthread_join(thread, NULL);
    close_loop(loop);
}

static void signaled(void *arg, int signum)
{
    *(int *)arg = signum;
}

Test(uv_loop, signals_are_events)
{
    struct obx_loop *loop = open_loop();
    int first = 0, second = 0;
    cr_assert_eq(obx_uv_loop_on_signal(loop, SIGUSR1, signaled, &first), OUTBOX_OK);
    raise(SIGUSR1);
    TURN_UNTIL(loop, first == SIGUSR1);
    cr_assert_eq(obx_uv_loop_on_signal(loop, SIGUSR1, signaled, &second), OUTBOX_OK);
    raise(SIGUSR1);
    TURN_UNTIL(loop, second == SIGUSR1);
    cr_assert_eq(obx_uv_loop_on_signal(loop, SIGUSR1, NULL, NULL), OUTBOX_OK);
    cr_assert_eq(obx_uv_loop_on_signal(loop, SIGUSR2, NULL, NULL), OUTBOX_OK);
    cr_assert_eq(obx_uv_loop_on_signal(loop, SIGUSR2, signaled, &first), OUTBOX_OK);
    cr_assert_eq(obx_uv_loop_on_signal(loop, SIGKILL, signaled, &first), OUTBOX_E_INVALID);
    close_loop(loop);
}

static void stop_loop(struct obx_task *task)
{
    struct step *step = OBX_CONTAINER(task, struct step, task);
    obx_uv_loop_stop(step->loop);
}

Test(uv_loop, run_ends_with_stop)
{
    struct obx_loop *loop = open_loop();
    struct step step = {.task.run = stop_loop, .loop = loop};
    loop->ops->defer(loop, &step.task);
    obx_uv_loop_run(loop);
    loop->ops->defer(loop, &step.task);
    obx_uv_loop_run(loop);
    obx_uv_loop_stop(loop); /* before it runs */
    cr_assert(!obx_uv_loop_turn(loop));
    obx_uv_loop_run(loop);
    close_loop(loop);
}

Test(uv_loop, random_wall_and_now_advance)
{
    struct obx_loop *loop = open_loop();
    cr_assert_neq(loop->ops->random(loop), loop->ops->random(loop));
    cr_assert_gt(loop->ops->wall(loop), 1600000000000000);
    uint64_t now = obx_loop_now(loop);
    cr_assert_geq(obx_loop_now(loop), now);
    close_loop(loop);
}

static void closed(void *arg)
{
    *(bool *)arg = true;
}

Test(uv_loop, attached_loop_leaves_no_handles_on_the_host)
{
    uv_loop_t uv;
    cr_assert_eq(uv_loop_init(&uv), 0);
    struct obx_loop *loop;
    struct outbox_error error;
    cr_assert_eq(obx_uv_loop_new(&uv, &loop, &error), OUTBOX_OK);
    struct step step = {.task.run = run_step, .loop = loop, .again = 3};
    loop->ops->defer(loop, &step.task);
    struct alarm alarm = {.loop = loop};
    set_alarm(&alarm, OBX_MS);
    while (!alarm.fired)
        uv_run(&uv, UV_RUN_ONCE);
    cr_assert_eq(step.runs, 4);
    bool is_closed = false;
    cr_assert_eq(obx_uv_loop_free(loop, closed, &is_closed), OUTBOX_OK);
    cr_assert(!is_closed, "only on a later turn");
    cr_assert_eq(uv_run(&uv, UV_RUN_DEFAULT), 0);
    cr_assert(is_closed);
    cr_assert_eq(uv_loop_close(&uv), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(uv_loop, open_handle_is_reported_by_free)
{
    struct obx_loop *loop = open_loop();
    struct obx_watch *watch;
    int pipe[2];
    cr_assert_eq(uv_pipe(pipe, 0, 0), 0);
    cr_assert_eq(loop->ops->watch_open(loop, pipe[0], NULL, NULL, &watch), OUTBOX_OK);
    cr_assert_eq(obx_uv_loop_free(loop, NULL, NULL), UV_EBUSY);
}

Test(uv_loop, failed_allocation_is_reported)
{
    struct obx_loop *loop;
    struct outbox_error error;
    mem_fail_at(1, true);
    cr_assert_eq(obx_uv_loop_new(NULL, &loop, &error), OUTBOX_E_NO_MEMORY);
    mem_fail_at(0, false);
    cr_assert_null(loop);
    loop = open_loop();
    int count = 0;
    mem_fail_at(1, false);
    cr_assert_eq(obx_uv_loop_on_signal(loop, SIGUSR1, signaled, &count), OUTBOX_E_NO_MEMORY);
    close_loop(loop);
}
