/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/handle.h - what is behind struct outbox; private to core/embed */
#ifndef OBX_EMBED_HANDLE_H
#define OBX_EMBED_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>

#include <outbox/outbox.h>

#include "base/log.h"
#include "config/config.h"
#include "loop/loop.h"
#include "relay/relay.h"

enum obx_handle_mode { OBX_IDLE, OBX_ON_THREAD, OBX_ATTACHED };

struct outbox {
    struct outbox_options options; /* the callbacks; strings are the caller's and only read in outbox_new */
    struct obx_log log;
    struct obx_config *config;
    struct obx_registry *registry;
    const struct obx_section *section;
    const char *name;      /* in the config */
    struct obx_loop *loop; /* of its own, or the host's while attached */
    struct obx_relay *relay;

    atomic_int mode;  /* enum obx_handle_mode; changed by start, stop, attach and detach */
    pthread_t thread; /* valid on a thread */
    struct obx_task wake_task, stop_task, stats_task, leave_task;

    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    bool thread_runs;
    uint64_t asked, answered;  /* questions for stats; the thread answers all that were asked */
    struct outbox_stats stats; /* the last answer */

    uint32_t deadline_ms; /* of the stop under way */
    void (*detached)(void *arg);
    void *detached_arg;
};

/* Make the relay on a loop: uv's, or one of its own when uv is NULL. Whatever there was before is freed. */
struct uv_loop_s;
int obx_handle_build(struct outbox *handle, struct uv_loop_s *uv, struct outbox_error *error);

#endif
