/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/uv_workers.c - starts the workers of libuv, which it would else do when the first work comes
 *
 * A moment later other threads (HTTP, a client library's) may have taken the last ones that a limit allows, and libuv
 * aborts where it cannot have all of its own. It also aborts where its first loop cannot have its descriptors, so that
 * is tried.
 */
#include <errno.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "loop/uv_loop.h"

static void nothing(uv_work_t *work)
{
    (void)work;
}

static int pipes_are_left(unsigned count)
{
    int ends[2];
    if (!count)
        return 0;
    if (pipe(ends) != 0)
        return uv_translate_sys_error(errno);
    int status = pipes_are_left(count - 1);
    close(ends[0]);
    close(ends[1]);
    return status;
}

int obx_uv_workers_start(struct outbox_error *error)
{
    uv_loop_t loop;
    uv_work_t work;
    int status = pipes_are_left(2);
    if (!status)
        status = uv_loop_init(&loop);
    if (status)
        return obx_error_set(error, status == UV_ENOMEM ? OUTBOX_E_NO_MEMORY : OUTBOX_E_IO, "make an event loop: %s",
                             uv_strerror(status));
    uv_queue_work(&loop, &work, nothing, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return OUTBOX_OK;
}
