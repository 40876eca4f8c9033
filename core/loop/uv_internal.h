/* SPDX-License-Identifier: Apache-2.0 */
/* core/loop/uv_internal.h - shared by the files uv_*.c */
#ifndef OBX_LOOP_UV_INTERNAL_H
#define OBX_LOOP_UV_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>

#include "loop/heap.h"
#include "loop/tasks.h"
#include "loop/uv_loop.h"

struct obx_uv_loop {
    struct obx_loop base; /* first */
    uv_loop_t *uv;        /* &own, or the host's loop */
    uv_loop_t own;
    uv_poll_t timer; /* for heap.first */
    int clock;       /* its timerfd */
    uv_idle_t idle;  /* active while deferred tasks wait */
    uv_async_t async;
    unsigned handles; /* not closed yet */

    struct obx_heap heap;
    uint64_t armed_ns; /* time that the clock is set to; UINT64_MAX: not set */
    bool firing;
    struct obx_tasks deferred;
    struct obx_list signals;

    uv_mutex_t lock; /* guards posted, and `queued` of the tasks in it */
    struct obx_list posted;

    atomic_uint_least64_t random;
    bool stopped;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static inline struct obx_uv_loop *obx_uv_loop_of(struct obx_loop *base)
{
    return (struct obx_uv_loop *)(void *)base;
}

void obx_uv_loop_handle_closed(struct obx_uv_loop *loop);
void obx_uv_signals_close(struct obx_uv_loop *loop);

int obx_uv_timers_open(struct obx_uv_loop *loop); /* a status of libuv */
void obx_uv_timers_close(struct obx_uv_loop *loop);
int obx_uv_timer_set(struct obx_loop *base, struct obx_timer *timer, uint64_t delay_ns);
void obx_uv_timer_clear(struct obx_loop *base, struct obx_timer *timer);

/* uv_queue_work(), for all work of ours: gives the workers a name, and notes which process has them. Any thread. */
int obx_uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb done);

int obx_uv_watch_open(struct obx_loop *base, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
                      struct obx_watch **watch);
void obx_uv_watch_arm(struct obx_watch *watch, uint32_t events);
void obx_uv_watch_close(struct obx_watch *watch);

#endif
