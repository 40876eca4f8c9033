/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/uv.h - a relay on the host application's own libuv loop
 *
 * All calls on the loop's thread. The relay adds its handles to the loop. Detaching stops the relay as outbox_stop()
 * does, without blocking, and closes the handles.
 */
#ifndef OUTBOX_UV_H
#define OUTBOX_UV_H

#include <uv.h>

#include <outbox/outbox.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start relaying on this loop, instead of outbox_start(). Errors: INVALID when it runs already, NO_MEMORY, IO. */
OUTBOX_API int outbox_attach(struct outbox *relay, uv_loop_t *loop, struct outbox_error *error);

/* Stop within deadline_ms (milliseconds). detached() runs on a later turn of the loop, when no handle of the relay is
 * on it any more. After that outbox_free() is allowed, also inside detached(). */
OUTBOX_API int outbox_detach(struct outbox *relay, uint32_t deadline_ms, void (*detached)(void *arg), void *arg,
                             struct outbox_error *error);

#ifdef __cplusplus
}
#endif
#endif
