/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/loop/loop.h - the event loop interface of the core
 *
 * Two implementations: core/loop/uv_loop.c on libuv (the only code that uses libuv) and tests/support/fake_loop.c with
 * a virtual clock. Timers and tasks are memory of the caller, need no closing except clear or cancel, and never run
 * inside the call that sets them. All functions except post, now and random are for the loop thread.
 */
#ifndef OBX_LOOP_LOOP_H
#define OBX_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct obx_loop;
struct obx_watch;

/* Runs once, after the current stack has unwound. Zero it, then set run. A task is always deferred or always posted,
 * not both. */
struct obx_task {
    void (*run)(struct obx_task *task);
    struct obx_list link; /* private to the loop */
    bool queued;          /* waiting to run; read-only for the owner */
};

struct obx_timer {
    void (*fire)(struct obx_timer *timer);
    uint64_t due_ns;                       /* private to the loop */
    uint64_t order;                        /* private: ties fire in the order in which they were set */
    struct obx_timer *child, *next, *prev; /* private: see core/loop/heap.h */
    bool set;                              /* private */
};

/* Blocking work for a worker thread. `work` runs there, `done` on the loop thread. The caller keeps it until done. */
struct obx_work {
    void (*work)(struct obx_work *work);
    void (*done)(struct obx_work *work);
    void *private_[16];
};

#define OBX_READABLE 1u
#define OBX_WRITABLE 2u

struct obx_loop_ops {
    uint64_t (*now)(struct obx_loop *loop);    /* monotonic nanoseconds; any thread */
    int64_t (*wall)(struct obx_loop *loop);    /* microseconds since 1970 UTC; for output only, never for decisions */
    uint64_t (*random)(struct obx_loop *loop); /* any thread */

    void (*defer)(struct obx_loop *loop, struct obx_task *task);  /* loop thread; no effect if queued */
    void (*cancel)(struct obx_loop *loop, struct obx_task *task); /* loop thread; no effect if not queued */
    void (*post)(struct obx_loop *loop, struct obx_task *task);   /* any thread; no effect if queued */

    /* One shot; a timer that is set is moved. Allocates nothing: always OUTBOX_OK. */
    int (*timer_set)(struct obx_loop *loop, struct obx_timer *timer, uint64_t delay_ns);
    void (*timer_clear)(struct obx_loop *loop, struct obx_timer *timer);

    /* One shot: arm it again after each call of ready. Close the watch before its descriptor. */
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
