/* SPDX-License-Identifier: Apache-2.0 */
/* core/loop/uv_loop.h - the event loop on libuv: its own, or attached to one that the host application runs */
#ifndef OBX_LOOP_UV_LOOP_H
#define OBX_LOOP_UV_LOOP_H

#include <outbox/error.h>

#include "loop/loop.h"

struct uv_loop_s;

/* uv == NULL: a loop of its own. Errors: no memory, no descriptors. Created on the thread that will run it, or before
 * that thread starts. */
int obx_uv_loop_new(struct uv_loop_s *uv, struct obx_loop **loop, struct outbox_error *error);

/* Run until obx_uv_loop_stop(). Only for a loop of its own. */
void obx_uv_loop_run(struct obx_loop *loop);
void obx_uv_loop_stop(struct obx_loop *loop); /* loop thread */
/* One round, blocking until something happened: for verbs, and for tests that wait for a condition. Since another
 * thread may post at any time there is always something to wait for; false only after obx_uv_loop_stop(). */
bool obx_uv_loop_turn(struct obx_loop *loop);

/* The threads of offload(), of all loops, now instead of with the first work. The caller has made sure that they can be
 * had. Errors: no memory, no descriptors. */
int obx_uv_workers_start(struct outbox_error *error);

/* A signal as an event, for the program's verbs. One handler for each signal; cleared by NULL. */
int obx_uv_loop_on_signal(struct obx_loop *loop, int signum, void (*fire)(void *arg, int signum), void *arg);

/* Begin closing the loop's handles. Of its own: runs the loop until they are closed, asserts that nothing is left
 * open, frees; returns what uv_loop_close returned (0, or a bug). Attached: closed() is called on a later turn of the
 * host's loop, when all is freed. */
int obx_uv_loop_free(struct obx_loop *loop, void (*closed)(void *arg), void *arg);

#endif
