/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/attach.c - a relay on the host application's libuv loop
 *
 * Detaching takes several turns of the host's loop: the relay stops, is freed after its stack has unwound, then the
 * handles close. Then detached() is called, and the host may free the handle inside that call.
 */
#include <outbox/uv.h>

#include "base/error.h"
#include "base/mem.h"
#include "embed/handle.h"
#include "loop/uv_loop.h"

int outbox_attach(struct outbox *handle, uv_loop_t *uv, struct outbox_error *error)
{
    int status = obx_handle_check(handle, "attach relay", error);
    if (status)
        return status;
    if (!uv)
        return obx_error_set(error, OUTBOX_E_INVALID, "attach relay %s: the loop is NULL", handle->name);
    if (handle->mode != OBX_IDLE)
        return obx_error_set(error, OUTBOX_E_INVALID, "attach relay %s: it is already running", handle->name);
    status = obx_handle_build(handle, uv, error);
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
        handle->detached(handle->detached_arg); /* may free the handle */
}

static void free_relay(struct obx_task *task)
{
    struct outbox *handle = OBX_CONTAINER(task, struct outbox, detach_task);
    struct obx_loop *loop = handle->loop;
    obx_relay_free(handle->relay);
    handle->relay = NULL;
    handle->loop = NULL;
    obx_uv_loop_free(loop, on_closed, handle);
}

static void on_stopped(void *arg)
{
    struct outbox *handle = arg;
    handle->detach_task.run = free_relay;
    handle->loop->ops->defer(handle->loop, &handle->detach_task);
}

int outbox_detach(struct outbox *handle, uint32_t deadline_ms, void (*detached)(void *arg), void *arg,
                  struct outbox_error *error)
{
    int status = obx_handle_check(handle, "detach relay", error);
    if (status)
        return status;
    if (handle->mode != OBX_ATTACHED)
        return obx_error_set(error, OUTBOX_E_INVALID, "detach relay %s: it is %s", handle->name,
                             handle->mode == OBX_DETACHING ? "being detached" : "not attached to a loop");
    handle->mode = OBX_DETACHING;
    handle->detached = detached;
    handle->detached_arg = arg;
    obx_relay_stop(handle->relay, deadline_ms, on_stopped, handle);
    return OUTBOX_OK;
}
