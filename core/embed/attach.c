/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/attach.c - a relay on the host application's own loop
 *
 * Detaching takes turns of the host's loop: the relay stops, is freed once its own stack has unwound, and then the
 * loop's handles close. Only then the host is told, and may free the handle in that very call.
 */
#include <outbox/uv.h>

#include "base/error.h"
#include "base/mem.h"
#include "embed/handle.h"
#include "loop/uv_loop.h"

int outbox_attach(struct outbox *handle, uv_loop_t *uv, struct outbox_error *error)
{
    if (handle->mode != OBX_IDLE)
        return obx_error_set(error, OUTBOX_E_INVALID, "attach relay %s: it runs already", handle->name);
    int status = obx_handle_build(handle, uv, error);
    if (status)
        return status;
    handle->mode = OBX_ATTACHED;
    obx_relay_start(handle->relay);
    return OUTBOX_OK;
}

static void on_closed(void *arg)
{
    struct outbox *handle = arg;
    handle->mode = OBX_IDLE;
    if (handle->detached)
        handle->detached(handle->detached_arg); /* the handle may be gone after this */
}

static void leave(struct obx_task *task)
{
    struct outbox *handle = OBX_CONTAINER(task, struct outbox, leave_task);
    struct obx_loop *loop = handle->loop;
    obx_relay_free(handle->relay);
    handle->relay = NULL;
    handle->loop = NULL;
    obx_uv_loop_free(loop, on_closed, handle);
}

static void on_stopped(void *arg)
{
    struct outbox *handle = arg;
    handle->leave_task.run = leave;
    handle->loop->ops->defer(handle->loop, &handle->leave_task);
}

int outbox_detach(struct outbox *handle, uint32_t deadline_ms, void (*detached)(void *arg), void *arg,
                  struct outbox_error *error)
{
    if (handle->mode != OBX_ATTACHED)
        return obx_error_set(error, OUTBOX_E_INVALID, "detach relay %s: it is attached to no loop", handle->name);
    handle->detached = detached;
    handle->detached_arg = arg;
    obx_relay_stop(handle->relay, deadline_ms, on_stopped, handle);
    return OUTBOX_OK;
}
