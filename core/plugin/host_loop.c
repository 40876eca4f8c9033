/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/host_loop.c - the loop as a plugin sees it: descriptors, timers, posts from its threads, work for others
 *
 * Mostly forwarding. Watches, timers and posted tasks are kept in lists of the instance, so that none of them runs
 * after fini(). Any thread may call post(); everything else belongs to the loop thread.
 */
#include <assert.h>
#include <pthread.h>

#include "base/mem.h"
#include "plugin/internal.h"

struct outbox_watch {
    struct obx_list link;
    struct obx_loop *loop;
    struct obx_watch *watch;
};

struct outbox_timer {
    struct obx_list link;
    struct obx_loop *loop;
    struct obx_timer timer;
    void (*fire)(void *arg);
    void *arg;
};

/* Kept in outbox_task.host_private. */
struct posted {
    struct obx_list link;
    uintptr_t queued;
};
static_assert(sizeof(struct posted) <= sizeof(((struct outbox_task *)0)->host_private), "kept inside the task");

/* Kept in outbox_work.host_private. */
struct offloaded {
    struct obx_work work;
    struct obx_instance *instance;
};
static_assert(sizeof(struct offloaded) <= sizeof(((struct outbox_work *)0)->host_private), "kept inside the work");

/* ---- watches ----------------------------------------------------------------------------------------------------- */

static int watch_open(const struct outbox_host *host, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
                      struct outbox_watch **result)
{
    static_assert(OBX_READABLE == OUTBOX_READABLE && OBX_WRITABLE == OUTBOX_WRITABLE, "passed on as they are");
    struct obx_instance *instance = obx_instance_of(host);
    *result = NULL;
    struct outbox_watch *watch = obx_alloc(sizeof *watch);
    if (!watch)
        return OUTBOX_E_NO_MEMORY;
    watch->loop = instance->loop;
    int status = watch->loop->ops->watch_open(watch->loop, fd, ready, arg, &watch->watch);
    if (status) {
        obx_free(watch);
        return status;
    }
    obx_list_append(&instance->watches, &watch->link);
    *result = watch;
    return OUTBOX_OK;
}

static void watch_arm(struct outbox_watch *watch, uint32_t events)
{
    watch->loop->ops->watch_arm(watch->watch, events);
}

static void watch_close(struct outbox_watch *watch)
{
    if (!watch)
        return;
    watch->loop->ops->watch_close(watch->watch);
    obx_list_remove(&watch->link);
    obx_free(watch);
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static void timer_fired(struct obx_timer *base)
{
    struct outbox_timer *timer = OBX_CONTAINER(base, struct outbox_timer, timer);
    timer->fire(timer->arg);
}

static int timer_open(const struct outbox_host *host, void (*fire)(void *arg), void *arg, struct outbox_timer **result)
{
    struct obx_instance *instance = obx_instance_of(host);
    struct outbox_timer *timer = *result = obx_alloc(sizeof *timer);
    if (!timer)
        return OUTBOX_E_NO_MEMORY;
    timer->loop = instance->loop;
    timer->timer.fire = timer_fired;
    timer->fire = fire;
    timer->arg = arg;
    obx_list_append(&instance->timers, &timer->link);
    return OUTBOX_OK;
}

static void timer_set(struct outbox_timer *timer, uint64_t delay_us)
{
    uint64_t most = UINT64_MAX / 1000;
    timer->loop->ops->timer_set(timer->loop, &timer->timer, OBX_MIN(delay_us, most) * 1000);
}

static void timer_clear(struct outbox_timer *timer)
{
    timer->loop->ops->timer_clear(timer->loop, &timer->timer);
}

static void timer_close(struct outbox_timer *timer)
{
    if (!timer)
        return;
    timer_clear(timer);
    obx_list_remove(&timer->link);
    obx_free(timer);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static struct outbox_task *next_post(struct obx_instance *instance)
{
    pthread_mutex_lock(&instance->post_lock);
    struct obx_list *link = obx_list_pop(&instance->posts);
    struct posted *posted = link ? OBX_CONTAINER(link, struct posted, link) : NULL;
    if (posted)
        posted->queued = false;
    pthread_mutex_unlock(&instance->post_lock);
    return posted ? OBX_CONTAINER(posted, struct outbox_task, host_private) : NULL;
}

/* Runs the tasks that are queued now. A task that posts itself again runs on the next turn of the loop. */
static void run_posts(struct obx_task *task)
{
    struct obx_instance *instance = OBX_CONTAINER(task, struct obx_instance, post_task);
    pthread_mutex_lock(&instance->post_lock);
    size_t count = instance->post_count;
    instance->post_count = 0;
    pthread_mutex_unlock(&instance->post_lock);
    while (count--) {
        struct outbox_task *next = next_post(instance);
        next->run(next);
    }
}

static void post(const struct outbox_host *host, struct outbox_task *task)
{
    struct obx_instance *instance = obx_instance_of(host);
    struct posted *posted = (struct posted *)(void *)task->host_private;
    pthread_mutex_lock(&instance->post_lock);
    bool first = false;
    if (!posted->queued) {
        posted->queued = true;
        first = instance->post_count++ == 0;
        obx_list_append(&instance->posts, &posted->link);
    }
    pthread_mutex_unlock(&instance->post_lock);
    if (first)
        instance->loop->ops->post(instance->loop, &instance->post_task);
}

static void work_run(struct obx_work *base)
{
    struct offloaded *offloaded = OBX_CONTAINER(base, struct offloaded, work);
    struct outbox_work *work = OBX_CONTAINER(offloaded, struct outbox_work, host_private);
    work->work(work);
}

static void work_done(struct obx_work *base)
{
    struct offloaded *offloaded = OBX_CONTAINER(base, struct offloaded, work);
    offloaded->instance->works--;
    struct outbox_work *work = OBX_CONTAINER(offloaded, struct outbox_work, host_private);
    work->done(work);
}

static int offload(const struct outbox_host *host, struct outbox_work *work)
{
    struct obx_instance *instance = obx_instance_of(host);
    struct offloaded *offloaded = (struct offloaded *)(void *)work->host_private;
    *offloaded = (struct offloaded){.work = {.work = work_run, .done = work_done}, .instance = instance};
    int status = instance->loop->ops->offload(instance->loop, &offloaded->work);
    if (!status)
        instance->works++;
    return status;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void obx_host_loop_open(struct obx_instance *instance)
{
    struct outbox_host *host = &instance->host;
    host->watch_open = watch_open;
    host->watch_arm = watch_arm;
    host->watch_close = watch_close;
    host->timer_open = timer_open;
    host->timer_set = timer_set;
    host->timer_clear = timer_clear;
    host->timer_close = timer_close;
    host->post = post;
    host->offload = offload;
    instance->post_task.run = run_posts;
    pthread_mutex_init(&instance->post_lock, NULL);
    obx_list_init(&instance->posts);
    obx_list_init(&instance->watches);
    obx_list_init(&instance->timers);
}

static void close_leftovers(struct obx_instance *instance)
{
    unsigned watches = 0, timers = 0;
    struct outbox_watch *watch;
    while ((watch = OBX_LIST_FIRST(&instance->watches, struct outbox_watch, link))) {
        watch_close(watch);
        watches++;
    }
    struct outbox_timer *timer;
    while ((timer = OBX_LIST_FIRST(&instance->timers, struct outbox_timer, link))) {
        timer_close(timer);
        timers++;
    }
    if (watches || timers)
        obx_log_write(instance->log, OUTBOX_LOG_WARN, instance->subject,
                      "the plugin left %u watches and %u timers open; closed", watches, timers);
}

void obx_host_loop_close(struct obx_instance *instance)
{
    close_leftovers(instance);
    instance->loop->ops->cancel(instance->loop, &instance->post_task);
    pthread_mutex_destroy(&instance->post_lock);
}
