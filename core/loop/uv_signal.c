/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/uv_signal.c - signals as events, for the program's verbs; the library handles no signals
 *
 * One handler per signal: setting another one replaces it, setting NULL closes the handle. Fails without memory or
 * descriptors, and for signals that cannot be caught.
 */
#include "loop/uv_internal.h"

#include "base/mem.h"

struct obx_uv_signal {
    uv_signal_t handle;
    struct obx_list link;
    struct obx_uv_loop *loop;
    int signum;
    void (*fire)(void *arg, int signum);
    void *arg;
};

static void on_signal(uv_signal_t *handle, int signum)
{
    struct obx_uv_signal *signal = handle->data;
    signal->fire(signal->arg, signum);
}

static void signal_closed(uv_handle_t *handle)
{
    struct obx_uv_signal *signal = handle->data;
    obx_uv_loop_handle_closed(signal->loop);
    obx_free(signal);
}

static void signal_drop(struct obx_uv_signal *signal)
{
    obx_list_remove(&signal->link);
    uv_close((uv_handle_t *)&signal->handle, signal_closed);
}

static struct obx_uv_signal *signal_find(struct obx_uv_loop *loop, int signum)
{
    OBX_LIST_EACH(&loop->signals, signal, struct obx_uv_signal, link)
    if (signal->signum == signum)
        return signal;
    return NULL;
}

static int signal_add(struct obx_uv_loop *loop, int signum, void (*fire)(void *arg, int signum), void *arg)
{
    struct obx_uv_signal *signal = obx_alloc(sizeof *signal);
    if (!signal)
        return OUTBOX_E_NO_MEMORY;
    *signal = (struct obx_uv_signal){.loop = loop, .signum = signum, .fire = fire, .arg = arg};
    if (uv_signal_init(loop->uv, &signal->handle)) {
        obx_free(signal);
        return OUTBOX_E_NO_MEMORY;
    }
    signal->handle.data = signal;
    loop->handles++;
    obx_list_append(&loop->signals, &signal->link);
    if (!uv_signal_start(&signal->handle, on_signal, signum))
        return OUTBOX_OK;
    signal_drop(signal);
    return OUTBOX_E_INVALID;
}

int obx_uv_loop_on_signal(struct obx_loop *base, int signum, void (*fire)(void *arg, int signum), void *arg)
{
    struct obx_uv_loop *loop = obx_uv_loop_of(base);
    struct obx_uv_signal *signal = signal_find(loop, signum);
    if (signal && fire) {
        signal->fire = fire;
        signal->arg = arg;
    } else if (signal) {
        signal_drop(signal);
    } else if (fire) {
        return signal_add(loop, signum, fire, arg);
    }
    return OUTBOX_OK;
}

void obx_uv_signals_close(struct obx_uv_loop *loop)
{
    for (struct obx_uv_signal *signal; (signal = OBX_LIST_FIRST(&loop->signals, struct obx_uv_signal, link));)
        signal_drop(signal);
}
