/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/uv_workers.c - starts the workers of libuv, which libuv would start with the first work item
 *
 * Until then other threads (HTTP, a client library's) may use up the thread limit, and libuv aborts the process if it
 * cannot create its workers. It also aborts if its first loop gets no descriptors, so this is tested first.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/error.h"
#include "loop/uv_internal.h"

static void do_nothing(uv_work_t *work)
{
    (void)work;
}

static int try_pipes(unsigned count)
{
    int ends[2];
    if (!count)
        return 0;
    if (pipe(ends) != 0)
        return uv_translate_sys_error(errno);
    int status = try_pipes(count - 1);
    close(ends[0]);
    close(ends[1]);
    return status;
}

/* ---- the first work item, and a fork ---- */

static atomic_int used_by; /* the process that last gave work to the workers; 0: none did */

/* libuv starts its workers with the first item, and they inherit the name of the thread that gives it. From 1.50 on it
 * names them itself. */
int obx_uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb done)
{
    char name[16] = "";
    int process = (int)getpid();
    if (atomic_exchange(&used_by, process) == process || pthread_getname_np(pthread_self(), name, sizeof name))
        return uv_queue_work(loop, work, run, done);
    pthread_setname_np(pthread_self(), "outbox-worker");
    int status = uv_queue_work(loop, work, run, done);
    pthread_setname_np(pthread_self(), name);
    return status;
}

/* libuv joins its workers when the process exits, and aborts if there are none, as in a child of fork(). In the child
 * the first work item makes new ones. This runs before the exit handler of libuv, a library of this one. */
__attribute__((destructor)) static void replace_lost_workers(void)
{
    if (used_by && used_by != (int)getpid())
        (void)obx_uv_workers_start(NULL);
}

int obx_uv_workers_start(struct outbox_error *error)
{
    uv_loop_t loop;
    uv_work_t work;
    int status = try_pipes(2);
    if (!status)
        status = uv_loop_init(&loop);
    if (status)
        return obx_error_set(error, status == UV_ENOMEM ? OUTBOX_E_NO_MEMORY : OUTBOX_E_IO, "make an event loop: %s",
                             uv_strerror(status));
    obx_uv_queue_work(&loop, &work, do_nothing, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return OUTBOX_OK;
}
