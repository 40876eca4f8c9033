/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/handle.h - struct outbox and struct outbox_config; private to core/embed */
#ifndef OBX_EMBED_HANDLE_H
#define OBX_EMBED_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <outbox/outbox.h>

#include "base/log.h"
#include "config/config.h"
#include "loop/loop.h"
#include "relay/relay.h"

enum obx_handle_mode { OBX_IDLE, OBX_ON_THREAD, OBX_ATTACHED, OBX_DETACHING };

struct outbox_config {
    struct obx_config *tree;
    uint32_t calls; /* of outbox_config_set() */
};

struct outbox {
    struct outbox_options options; /* callbacks; strings belong to the caller and are read in outbox_new() only */
    struct obx_log log;
    struct obx_config *config;
    struct obx_registry *registry;
    const struct obx_section *section;
    const char *name;      /* in the config */
    struct obx_loop *loop; /* owned, or on the host's loop while attached */
    struct obx_relay *relay;

    pid_t process;    /* that made the handle; a child of fork() has neither its thread nor its descriptors alone */
    atomic_int mode;  /* enum obx_handle_mode; changed by start, stop, attach and detach */
    pthread_t thread; /* valid in mode OBX_ON_THREAD */
    struct obx_task wake_task, stop_task, stats_task, detach_task;

    pthread_mutex_t lock; /* guards the next five fields */
    pthread_cond_t changed;
    bool thread_runs;
    uint64_t stats_requested, stats_completed; /* requests are numbered; one run completes all */
    struct outbox_stats stats;                 /* of the last completed request */

    uint32_t deadline_ms; /* of the stop under way */
    void (*detached)(void *arg);
    void *detached_arg;
};

/* An error if the handle is NULL, or of another process. attempt: "start relay". */
int obx_handle_check(const struct outbox *handle, const char *attempt, struct outbox_error *error);

/* Make the relay on uv, or on an own loop if uv is NULL. Frees a previous relay and loop. Errors: those of
 * obx_relay_new(). */
struct uv_loop_s;
int obx_handle_build(struct outbox *handle, struct uv_loop_s *uv, struct outbox_error *error);

#endif
