/* SPDX-License-Identifier: Apache-2.0 */
/* core/loop/uv_loop.h - the event loop on libuv: its own loop, or attached to the host application's loop */
#ifndef OBX_LOOP_UV_LOOP_H
#define OBX_LOOP_UV_LOOP_H

#include <outbox/error.h>

#include "loop/loop.h"

struct uv_loop_s;

/* uv == NULL: an own loop. Call it on the thread that will run the loop, or before that thread starts. Errors:
 * NO_MEMORY, IO (no descriptors left). */
int obx_uv_loop_new(struct uv_loop_s *uv, struct obx_loop **loop, struct outbox_error *error);

/* Run until obx_uv_loop_stop(). Only for an own loop. */
void obx_uv_loop_run(struct obx_loop *loop);
void obx_uv_loop_stop(struct obx_loop *loop); /* loop thread */
/* One round; blocks until there is an event. For verbs, and for tests that wait for a condition. False after
 * obx_uv_loop_stop(). */
bool obx_uv_loop_turn(struct obx_loop *loop);

/* Start the worker threads of offload() for all loops now, instead of with the first work item. The caller has checked
 * that the threads can be created. Errors: NO_MEMORY, IO (no descriptors left). */
int obx_uv_workers_start(struct outbox_error *error);

/* Handle a signal on the loop thread, for the program's verbs. One handler per signal; NULL removes it. Errors:
 * NO_MEMORY, INVALID. */
int obx_uv_loop_on_signal(struct obx_loop *loop, int signum, void (*fire)(void *arg, int signum), void *arg);

/* Close the loop's handles and free it. Own loop: runs it until they are closed; returns the status of uv_loop_close():
 * 0, or a bug of ours. Attached: returns at once; closed() is called on a later turn of the host's loop, when all is
 * freed. */
int obx_uv_loop_free(struct obx_loop *loop, void (*closed)(void *arg), void *arg);

#endif
