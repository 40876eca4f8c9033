/*
 * core/plugin/host.c - what the host does for a plugin: struct outbox_host, one table for each instance
 *
 * Mostly thin: the loop does the work. What is kept here is what must end with the instance: its watches, its timers,
 * and the tasks that its threads have posted, which wait in a queue of the instance, so that none of them runs after
 * fini(). post, now, random, log and memory may be used by any thread.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
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

/* ---- time, log, memory ------------------------------------------------------------------------------------------- */

static uint64_t now(const struct outbox_host *host)
{
    return obx_loop_now(obx_instance_of(host)->loop);
}

static uint64_t pick(const struct outbox_host *host)
{
    struct obx_loop *loop = obx_instance_of(host)->loop;
    return loop->ops->random(loop);
}

__attribute__((format(printf, 3, 4))) static void say(const struct outbox_host *host, enum outbox_log_level level,
                                                      const char *format, ...)
{
    const struct obx_instance *instance = obx_instance_of(host);
    if (!obx_log_on(instance->log, level))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    instance->log->write(instance->log->arg, level, instance->subject, text);
}

static bool log_enabled(const struct outbox_host *host, enum outbox_log_level level)
{
    return obx_log_on(obx_instance_of(host)->log, level);
}

static void *allocate(const struct outbox_host *host, size_t size)
{
    (void)host;
    return obx_alloc(size);
}

static void *resize(const struct outbox_host *host, void *memory, size_t size)
{
    (void)host;
    return obx_resize(memory, size);
}

static void release(const struct outbox_host *host, void *memory)
{
    (void)host;
    obx_free(memory);
}

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

/* Only what waits now: a task that posts itself again must not keep the loop. The last one stands for "now". */
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

/* ---- operations and events --------------------------------------------------------------------------------------- */

static void *op_scratch(const struct outbox_host *host, outbox_op_t token)
{
    struct obx_op *op = obx_op_find(obx_instance_of(host), token);
    return op && op->instance->plugin->descriptor.op_size ? op->scratch : NULL;
}

static void op_done(const struct outbox_host *host, outbox_op_t op, const struct outbox_error *error)
{
    obx_op_done(obx_instance_of(host), op, error);
}

static void outcomes(const struct outbox_host *host, outbox_op_t op, const struct outbox_outcomes *told)
{
    obx_op_outcomes(obx_instance_of(host), op, told);
}

static outbox_op_t op_child(const struct outbox_host *host, outbox_op_t parent, const struct outbox_child *child)
{
    struct obx_instance *instance = obx_instance_of(host);
    return instance->under ? obx_op_child(instance->under, parent, child) : 0;
}

static void run_wake(struct obx_task *task)
{
    struct obx_instance *instance = OBX_CONTAINER(task, struct obx_instance, wake_task);
    if (instance->events.wake)
        instance->events.wake(instance->events.arg);
}

static void wake(const struct outbox_host *host)
{
    struct obx_instance *instance = obx_instance_of(host);
    instance->loop->ops->defer(instance->loop, &instance->wake_task);
}

static void run_lost(struct obx_task *task)
{
    struct obx_instance *instance = OBX_CONTAINER(task, struct obx_instance, lost_task);
    struct outbox_error error = instance->lost_error;
    if (instance->events.lost)
        instance->events.lost(instance->events.arg, &error);
}

/* Told once for each loss: what comes while the first waits is a consequence of it. */
static void lost(const struct outbox_host *host, const struct outbox_error *error)
{
    struct obx_instance *instance = obx_instance_of(host);
    if (instance->lost_task.queued)
        return;
    if (error && error->code)
        instance->lost_error = *error;
    else
        obx_error_set(&instance->lost_error, OUTBOX_E_NOT_CONNECTED, "%s: the connection was lost", instance->label);
    instance->loop->ops->defer(instance->loop, &instance->lost_task);
}

void obx_instance_violation(struct obx_instance *instance, uint64_t *counter, const char *what, outbox_op_t op)
{
    ++*counter;
    if (instance->violation_told)
        return;
    instance->violation_told = true;
    obx_log_say(instance->log, OUTBOX_LOG_WARN, instance->subject,
                "the plugin broke the completion contract: %s for op %016" PRIx64
                "; ignored, as further ones will be; please report this to the plugin's author",
                what, op);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static const struct outbox_host table = {
    .struct_size = sizeof table,
    .abi_major = OUTBOX_ABI_MAJOR,
    .now = now,
    .random = pick,
    .log = say,
    .log_enabled = log_enabled,
    .alloc = allocate,
    .resize = resize,
    .release = release,
    .watch_open = watch_open,
    .watch_arm = watch_arm,
    .watch_close = watch_close,
    .timer_open = timer_open,
    .timer_set = timer_set,
    .timer_clear = timer_clear,
    .timer_close = timer_close,
    .post = post,
    .offload = offload,
    .op_scratch = op_scratch,
    .op_done = op_done,
    .outcomes = outcomes,
    .wake = wake,
    .lost = lost,
    .op_child = op_child,
};

void obx_host_open(struct obx_instance *instance)
{
    instance->host = table;
    instance->wake_task.run = run_wake;
    instance->lost_task.run = run_lost;
    instance->post_task.run = run_posts;
    pthread_mutex_init(&instance->post_lock, NULL);
    obx_list_init(&instance->posts);
    obx_list_init(&instance->watches);
    obx_list_init(&instance->timers);
}

static void drop_left_overs(struct obx_instance *instance)
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
        obx_log_say(instance->log, OUTBOX_LOG_WARN, instance->subject,
                    "the plugin left %u watches and %u timers open; closed", watches, timers);
}

void obx_host_close(struct obx_instance *instance)
{
    const struct obx_loop_ops *ops = instance->loop->ops;
    drop_left_overs(instance);
    ops->cancel(instance->loop, &instance->wake_task);
    ops->cancel(instance->loop, &instance->lost_task);
    ops->cancel(instance->loop, &instance->post_task);
    pthread_mutex_destroy(&instance->post_lock);
}
