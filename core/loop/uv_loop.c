/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/uv_loop.c - the event loop on libuv
 *
 * A loop has four kinds of handles: a clock for the whole heap of timers, an idle handle that is active while deferred
 * tasks wait (so that libuv does not block), an async handle for posted tasks, and one handle per signal. Timers are in
 * uv_timers.c, descriptors in uv_watch.c, signals in uv_signal.c. Deferred tasks run before the loop may block, one
 * round of them between two polls of the descriptors, so that neither starves the other.
 *
 * An own loop is closed by running it until its handles are gone. Attached to a host's loop, the last close callback
 * frees it. Only post, now and random may be called on other threads.
 */
#include "loop/uv_internal.h"

#include <assert.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/random.h"

#define CLOSE_ROUNDS 16 /* closing takes one or two rounds */

static_assert(sizeof(uv_work_t) <= sizeof(((struct obx_work *)0)->private_), "a work item holds libuv's request");

static uint64_t now(struct obx_loop *base)
{
    (void)base;
    return uv_hrtime();
}

static int64_t wall(struct obx_loop *base)
{
    (void)base;
    uv_timeval64_t time;
    return uv_gettimeofday(&time) ? 0 : time.tv_sec * 1000000 + time.tv_usec;
}

static uint64_t next_random(struct obx_loop *base)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    return obx_random_stir(atomic_fetch_add_explicit(&loop->random, OBX_RANDOM_STEP, memory_order_relaxed));
}

/* ---- tasks ---- */

static void run_deferred(uv_idle_t *idle)
{
    struct obx_uv_loop *loop = idle->data;
    obx_tasks_run(&loop->deferred);
    if (obx_tasks_empty(&loop->deferred))
        uv_idle_stop(&loop->idle);
}

static void defer(struct obx_loop *base, struct obx_task *task)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    if (obx_tasks_empty(&loop->deferred) && !loop->closing)
        uv_idle_start(&loop->idle, run_deferred);
    obx_tasks_add(&loop->deferred, task);
}

static void post(struct obx_loop *base, struct obx_task *task)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    uv_mutex_lock(&loop->lock);
    if (!task->queued) {
        task->queued = true;
        obx_list_append(&loop->posted, &task->link);
        uv_async_send(&loop->async);
    }
    uv_mutex_unlock(&loop->lock);
}

/* Another thread may post the task again while it runs, so `queued` changes under the lock only. */
static struct obx_task *next_posted(struct obx_uv_loop *loop, struct obx_list *round)
{
    uv_mutex_lock(&loop->lock);
    struct obx_list *link = obx_list_pop(round);
    struct obx_task *task = link ? OBX_CONTAINER(link, struct obx_task, link) : NULL;
    if (task)
        task->queued = false;
    uv_mutex_unlock(&loop->lock);
    return task;
}

static void run_posted(uv_async_t *async)
{
    struct obx_uv_loop *loop = async->data;
    struct obx_list round;
    obx_list_init(&round);
    uv_mutex_lock(&loop->lock);
    obx_tasks_move(&loop->posted, &round);
    uv_mutex_unlock(&loop->lock);
    for (struct obx_task *task; (task = next_posted(loop, &round));)
        task->run(task);
}

static void cancel(struct obx_loop *base, struct obx_task *task)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    uv_mutex_lock(&loop->lock); /* it may be a posted task */
    obx_tasks_cancel(task);
    uv_mutex_unlock(&loop->lock);
}

/* ---- work for other threads ---- */

static void work_run(uv_work_t *request)
{
    struct obx_work *work = OBX_CONTAINER(request, struct obx_work, private_);
    work->work(work);
}

static void work_done(uv_work_t *request, int status)
{
    (void)status;
    struct obx_work *work = OBX_CONTAINER(request, struct obx_work, private_);
    work->done(work);
}

static int offload(struct obx_loop *base, struct obx_work *work)
{
    uv_work_t *request = (uv_work_t *)(void *)work->private_;
    return obx_uv_queue_work(obx_uv_loop_of(base)->uv, request, work_run, work_done) ? OUTBOX_E_NO_MEMORY : OUTBOX_OK;
}

static const struct obx_loop_ops uv_ops = {
    .now = now,
    .wall = wall,
    .random = next_random,
    .defer = defer,
    .cancel = cancel,
    .post = post,
    .timer_set = obx_uv_timer_set,
    .timer_clear = obx_uv_timer_clear,
    .watch_open = obx_uv_watch_open,
    .watch_arm = obx_uv_watch_arm,
    .watch_close = obx_uv_watch_close,
    .offload = offload,
};

/* ---- life ---- */

void obx_uv_loop_run(struct obx_loop *base)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    while (!loop->stopped)
        uv_run(loop->uv, UV_RUN_DEFAULT);
    loop->stopped = false;
}

void obx_uv_loop_stop(struct obx_loop *base)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    loop->stopped = true;
    uv_stop(loop->uv);
}

bool obx_uv_loop_turn(struct obx_loop *base)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    if (!loop->stopped)
        uv_run(loop->uv, UV_RUN_ONCE);
    return !loop->stopped;
}

/* The step that can fail is first: a libuv loop already has the descriptor for its async handles. */
static int open_handles(struct obx_uv_loop *loop)
{
    int status = obx_uv_timers_open(loop);
    if (!status)
        status = uv_async_init(loop->uv, &loop->async, run_posted);
    if (status)
        return status;
    uv_idle_init(loop->uv, &loop->idle);
    loop->async.data = loop->idle.data = loop;
    loop->handles += 2;
    return 0;
}

static int seed(struct obx_uv_loop *loop)
{
    uint64_t random;
    int status = uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    loop->random = random;
    return status;
}

static int open_loop(struct obx_uv_loop *loop, uv_loop_t *uv)
{
    int status = uv ? 0 : uv_loop_init(&loop->own);
    if (status)
        return status;
    loop->uv = uv ? uv : &loop->own;
    status = seed(loop);
    if (!status)
        status = uv_mutex_init(&loop->lock);
    if (!status) {
        status = open_handles(loop);
        if (!status)
            return 0;
        uv_mutex_destroy(&loop->lock);
    }
    if (!uv)
        uv_loop_close(&loop->own);
    return status;
}

int obx_uv_loop_new(struct uv_loop_s *uv, struct obx_loop **result, struct outbox_error *error)
{
    *result = NULL;
    struct obx_uv_loop *loop = obx_alloc(sizeof *loop);
    if (!loop)
        return obx_error_no_memory(error);
    loop->base.ops = &uv_ops;
    obx_tasks_init(&loop->deferred);
    obx_list_init(&loop->posted);
    obx_list_init(&loop->signals);
    int status = open_loop(loop, uv);
    if (status) {
        if (!loop->handles) /* else an open handle still uses this memory */
            obx_free(loop);
        return obx_error_set(error, status == UV_ENOMEM ? OUTBOX_E_NO_MEMORY : OUTBOX_E_IO, "make an event loop: %s",
                             uv_strerror(status));
    }
    *result = &loop->base;
    return OUTBOX_OK;
}

static void free_loop(struct obx_uv_loop *loop)
{
    void (*closed)(void *arg) = loop->closed;
    void *arg = loop->closed_arg;
    uv_mutex_destroy(&loop->lock);
    obx_free(loop);
    if (closed)
        closed(arg);
}

void obx_uv_loop_handle_closed(struct obx_uv_loop *loop)
{
    loop->handles--;
    if (!loop->handles && loop->closing && loop->uv != &loop->own)
        free_loop(loop);
}

static void handle_closed(uv_handle_t *handle)
{
    obx_uv_loop_handle_closed(handle->data);
}

static void close_handles(struct obx_uv_loop *loop)
{
    loop->closing = true;
    obx_uv_signals_close(loop);
    obx_uv_timers_close(loop);
    uv_close((uv_handle_t *)&loop->idle, handle_closed);
    uv_close((uv_handle_t *)&loop->async, handle_closed);
}

int obx_uv_loop_free(struct obx_loop *base, void (*closed)(void *arg), void *arg)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    loop->closed = closed;
    loop->closed_arg = arg;
    close_handles(loop);
    if (loop->uv != &loop->own)
        return OUTBOX_OK;
    for (int round = 0; round < CLOSE_ROUNDS && loop->handles; round++)
        uv_run(loop->uv, UV_RUN_NOWAIT);
    int status = uv_loop_close(&loop->own);
    if (status)
        return status; /* an open handle may still use this memory: leak it rather than free it */
    free_loop(loop);
    return OUTBOX_OK;
}
