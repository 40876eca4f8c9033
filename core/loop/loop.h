/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/loop.h - what the core needs of an event loop
 *
 * Two implementations: core/loop/uv_loop.c on libuv (the only code that knows libuv) and tests/support/fake_loop.c
 * with a virtual clock. Timers and tasks are memory of the caller, need no closing beyond clear/cancel, and never run
 * inside the call that set them. All functions but post, now and random are for the loop thread.
 */
#ifndef OBX_LOOP_LOOP_H
#define OBX_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct obx_loop;
struct obx_watch;

/* Run once, soon, after the current stack has unwound. Zero it, set run; `queued` while it waits. A task is either
 * deferred or posted, not now this and now that. */
struct obx_task {
    void (*run)(struct obx_task *task);
    struct obx_list link; /* private to the loop */
    bool queued;          /* private to the loop */
};

struct obx_timer {
    void (*fire)(struct obx_timer *timer);
    uint64_t due_ns;                       /* private to the loop */
    uint64_t order;                        /* private: ties fire in the order in which they were set */
    struct obx_timer *child, *next, *prev; /* private: see core/loop/heap.h */
    bool set;                              /* private */
};

/* Blocking work for another thread. `work` runs there, `done` on the loop. Caller's memory until done. */
struct obx_work {
    void (*work)(struct obx_work *work);
    void (*done)(struct obx_work *work);
    void *private_[16];
};

#define OBX_READABLE 1u
#define OBX_WRITABLE 2u

struct obx_loop_ops {
    uint64_t (*now)(struct obx_loop *loop);    /* monotonic nanoseconds; any thread */
    int64_t (*wall)(struct obx_loop *loop);    /* microseconds since 1970 UTC; for people, never for decisions */
    uint64_t (*random)(struct obx_loop *loop); /* any thread */

    void (*defer)(struct obx_loop *loop, struct obx_task *task);  /* loop thread; queued already: no effect */
    void (*cancel)(struct obx_loop *loop, struct obx_task *task); /* loop thread; fine when it does not wait */
    void (*post)(struct obx_loop *loop, struct obx_task *task);   /* any thread; queued already: no effect */

    /* One shot; moves it if set. Allocates nothing: always OUTBOX_OK. */
    int (*timer_set)(struct obx_loop *loop, struct obx_timer *timer, uint64_t delay_ns);
    void (*timer_clear)(struct obx_loop *loop, struct obx_timer *timer);

    /* One shot: arm again after each call of ready. Close before the descriptor is closed. */
    int (*watch_open)(struct obx_loop *loop, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
                      struct obx_watch **watch);
    void (*watch_arm)(struct obx_watch *watch, uint32_t events);
    void (*watch_close)(struct obx_watch *watch);

    int (*offload)(struct obx_loop *loop, struct obx_work *work);
};

struct obx_loop {
    const struct obx_loop_ops *ops;
};

static inline uint64_t obx_loop_now(struct obx_loop *loop)
{
    return loop->ops->now(loop);
}

#define OBX_MS 1000000ull /* nanoseconds */

#endif
