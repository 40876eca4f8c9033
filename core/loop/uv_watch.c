/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/uv_watch.c - waits for a descriptor, once for each arm()
 *
 * libuv removes a descriptor from epoll whenever the handle is stopped or its events change: two system calls for each
 * wait. So a watch that has fired stays registered, and is stopped only if an event arrives while it is not armed. A
 * client that always waits for the same events, the usual case, needs no system call.
 *
 * An error of the descriptor is reported as readable and writable: the owner's next read or write returns the error.
 */
#include "loop/uv_internal.h"

#include "base/mem.h"

struct obx_watch {
    uv_poll_t handle;
    struct obx_uv_loop *loop;
    void (*ready)(void *arg, uint32_t events);
    void *arg;
    uint32_t armed;      /* events that the owner waits for */
    uint32_t registered; /* events that libuv waits for; 0: stopped */
};

static void on_poll(uv_poll_t *handle, int status, int events);

static uint32_t from_uv(int events)
{
    return (events & UV_READABLE ? OBX_READABLE : 0) | (events & UV_WRITABLE ? OBX_WRITABLE : 0);
}

static int to_uv(uint32_t events)
{
    return (events & OBX_READABLE ? UV_READABLE : 0) | (events & OBX_WRITABLE ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct obx_watch *watch = handle->data;
    uint32_t seen = status < 0 ? OBX_READABLE | OBX_WRITABLE : from_uv(events);
    if (status < 0)
        watch->registered = 0; /* libuv has stopped it */
    if (!(seen & watch->armed)) {
        watch->registered = 0;
        uv_poll_stop(handle);
        return;
    }
    if (status >= 0)
        seen &= watch->armed;
    watch->armed = 0;
    watch->ready(watch->arg, seen); /* may arm or close the watch */
}

int obx_uv_watch_open(struct obx_loop *base, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
                      struct obx_watch **result)
{
    *result = NULL;
    struct obx_watch *watch = obx_alloc(sizeof *watch);
    if (!watch)
        return OUTBOX_E_NO_MEMORY;
    watch->loop = obx_uv_loop_of(base);
    watch->ready = ready;
    watch->arg = arg;
    int status = uv_poll_init(watch->loop->uv, &watch->handle, fd);
    if (status) {
        obx_free(watch);
        return status == UV_ENOMEM ? OUTBOX_E_NO_MEMORY : status == UV_EPERM ? OUTBOX_E_UNSUPPORTED : OUTBOX_E_INVALID;
    }
    watch->handle.data = watch;
    watch->loop->handles++;
    *result = watch;
    return OUTBOX_OK;
}

void obx_uv_watch_arm(struct obx_watch *watch, uint32_t events)
{
    watch->armed = events;
    if (!events || watch->registered == events)
        return;
    watch->registered = events;
    uv_poll_start(&watch->handle, to_uv(events), on_poll);
}

static void closed(uv_handle_t *handle)
{
    struct obx_watch *watch = handle->data;
    obx_uv_loop_handle_closed(watch->loop);
    obx_free(watch);
}

void obx_uv_watch_close(struct obx_watch *watch)
{
    if (watch)
        uv_close((uv_handle_t *)&watch->handle, closed);
}
