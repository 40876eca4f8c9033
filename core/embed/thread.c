/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/thread.c - a relay on its own thread, and the calls of other threads
 *
 * The thread runs the loop; other threads only post tasks to it. Statistics are filled on request, so without requests
 * no work is done. If the thread is busy for more than 100 ms, a caller gets the previous statistics.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/mem.h"
#include "embed/handle.h"
#include "loop/uv_loop.h"

#define STATS_TIMEOUT_NS 100000000L

/* ---- on the thread ---- */

static struct outbox_stats read_stats(struct outbox *handle)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    if (handle->relay)
        obx_relay_stats(handle->relay, &stats);
    return stats;
}

static void fill_stats(struct obx_task *task)
{
    struct outbox *handle = OBX_CONTAINER(task, struct outbox, stats_task);
    pthread_mutex_lock(&handle->lock);
    handle->stats = read_stats(handle);
    handle->stats_completed = handle->stats_requested;
    pthread_cond_broadcast(&handle->changed);
    pthread_mutex_unlock(&handle->lock);
}

static void wake(struct obx_task *task)
{
    obx_relay_wake(OBX_CONTAINER(task, struct outbox, wake_task)->relay);
}

static void on_stopped(void *arg)
{
    struct outbox *handle = arg;
    obx_uv_loop_stop(handle->loop);
}

static void stop(struct obx_task *task)
{
    struct outbox *handle = OBX_CONTAINER(task, struct outbox, stop_task);
    obx_relay_stop(handle->relay, handle->deadline_ms, on_stopped, handle);
}

static void *run(void *arg)
{
    struct outbox *handle = arg;
    pthread_setname_np(pthread_self(), "outbox-relay");
    pthread_mutex_lock(&handle->lock);
    handle->thread = pthread_self();
    handle->thread_runs = true;
    pthread_cond_broadcast(&handle->changed);
    pthread_mutex_unlock(&handle->lock);
    obx_relay_start(handle->relay);
    obx_uv_loop_run(handle->loop);
    return NULL;
}

/* ---- start and stop ---- */

/* Block all signals on the thread: they are for the host's threads. */
static int create_thread(struct outbox *handle, pthread_t *thread)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(thread, NULL, run, handle);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

int outbox_start(struct outbox *handle, struct outbox_error *error)
{
    pthread_t thread;
    int status = obx_handle_check(handle, "start relay", error);
    if (status)
        return status;
    if (handle->mode != OBX_IDLE)
        return obx_error_set(error, OUTBOX_E_INVALID, "start relay %s: it is already running", handle->name);
    if (!handle->relay && obx_handle_build(handle, NULL, error))
        return error ? error->code : OUTBOX_E_INVALID;
    handle->wake_task.run = wake;
    handle->stop_task.run = stop;
    handle->stats_task.run = fill_stats;
    handle->thread_runs = false;
    handle->mode = OBX_ON_THREAD;
    status = create_thread(handle, &thread);
    if (status) {
        handle->mode = OBX_IDLE;
        return obx_error_set(error, OUTBOX_E_NO_MEMORY, "start relay %s: create its thread: %s", handle->name,
                             strerror(status));
    }
    pthread_mutex_lock(&handle->lock);
    while (!handle->thread_runs)
        pthread_cond_wait(&handle->changed, &handle->lock);
    pthread_mutex_unlock(&handle->lock);
    return OUTBOX_OK;
}

static bool on_own_thread(const struct outbox *handle)
{
    return handle->mode == OBX_ON_THREAD && pthread_equal(handle->thread, pthread_self());
}

int outbox_stop(struct outbox *handle, uint32_t deadline_ms, struct outbox_error *error)
{
    int status = obx_handle_check(handle, "stop relay", error);
    if (status || handle->mode == OBX_IDLE)
        return status;
    if (handle->mode != OBX_ON_THREAD)
        return obx_error_set(error, OUTBOX_E_INVALID, "stop relay %s: it is attached to a loop; call outbox_detach",
                             handle->name);
    if (on_own_thread(handle))
        return obx_error_set(error, OUTBOX_E_INVALID,
                             "stop relay %s: called from one of its callbacks; call it on another thread",
                             handle->name);
    handle->deadline_ms = deadline_ms;
    handle->loop->ops->post(handle->loop, &handle->stop_task);
    pthread_join(handle->thread, NULL);
    handle->mode = OBX_IDLE;
    return OUTBOX_OK;
}

/* ---- from other threads ---- */

void outbox_wake(struct outbox *handle)
{
    if (obx_handle_check(handle, "wake relay", NULL))
        return;
    if (handle->mode == OBX_ON_THREAD)
        handle->loop->ops->post(handle->loop, &handle->wake_task);
    else if (handle->mode == OBX_ATTACHED)
        obx_relay_wake(handle->relay);
}

static struct outbox_stats request_stats(struct outbox *handle)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += STATS_TIMEOUT_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&handle->lock);
    uint64_t number = ++handle->stats_requested;
    int waited = 0;
    handle->loop->ops->post(handle->loop, &handle->stats_task);
    while (handle->stats_completed < number && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&handle->changed, &handle->lock, &until);
    struct outbox_stats stats = handle->stats;
    pthread_mutex_unlock(&handle->lock);
    return stats;
}

int outbox_stats(struct outbox *handle, struct outbox_stats *stats)
{
    size_t size = stats ? stats->struct_size : 0;
    if (size < sizeof stats->struct_size + sizeof stats->state ||
        obx_handle_check(handle, "read statistics of relay", NULL))
        return OUTBOX_E_INVALID;
    bool on_other_thread = handle->mode == OBX_ON_THREAD && !on_own_thread(handle);
    struct outbox_stats found = on_other_thread ? request_stats(handle) : read_stats(handle);
    if (size > sizeof found)
        memset((char *)stats + sizeof found, 0, size - sizeof found);
    memcpy(stats, &found, OBX_MIN(size, sizeof found));
    stats->struct_size = size;
    return OUTBOX_OK;
}
