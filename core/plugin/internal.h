/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/internal.h - what the files of core/plugin share
 *
 * descriptor.c, option_table.c   checking
 * registry.c, module.c           finding
 * instance.c, host.c, host_loop.c  an instance and the table of functions that its plugin gets
 * ops.c, outcomes.c              operations in flight
 * stack.c, calls.c               from the core through decorators to the plugin that has the function
 */
#ifndef OBX_PLUGIN_INTERNAL_H
#define OBX_PLUGIN_INTERNAL_H

#include <pthread.h>
#include <stdalign.h>
#include <string.h>

#include "plugin/instance.h"
#include "plugin/registry.h"

#define OBX_NAME_MAX 31
#define OBX_STACK_MAX 8 /* decorators over each other */

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

const char *obx_kind_name(uint32_t kind); /* "store" */
bool obx_plugin_name_ok(const char *name);
int obx_option_table_check(const struct outbox_plugin *plugin, const char *origin, struct outbox_error *error);

/* Is the function at that offset of the ops there? */
static inline bool obx_ops_have(const void *ops, size_t offset)
{
    void (*function)(void);
    memcpy(&function, (const char *)ops + offset, sizeof function);
    return function != NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

enum obx_op_state { OBX_OP_FREE, OBX_OP_FLYING, OBX_OP_DONE }; /* DONE: its delivery is deferred */

struct obx_op {
    struct obx_task deliver;
    struct obx_timer timer;
    struct obx_instance *instance;
    outbox_op_t token;
    const char *what;      /* "claim"; for messages */
    struct obx_call *call; /* who asked: the core, or */
    outbox_op_t parent;    /* the decorator above, for this op of its own */
    struct outbox_child child;
    struct obx_op *next_free;
    uint32_t timeout_ms;
    uint8_t state; /* enum obx_op_state */
    bool canceled, timed_out, stops, publishes;

    uint32_t count, told; /* messages of a publish, and how many of them have an outcome */
    uint64_t *seen;       /* a bit for each message that has one; kept for the next publish */
    size_t seen_words;

    struct outbox_error error;
    alignas(max_align_t) unsigned char scratch[]; /* op_size of the plugin */
};

/* Grows as needed, is never given back before the instance is: no allocation for each call. */
struct obx_ops {
    struct obx_op **all;
    uint32_t count, room;
    struct obx_op *free;
    uint32_t in_flight; /* until its caller has heard of it */
    uint32_t flying;    /* until the plugin has completed it */
    uint32_t generation;
    uint64_t salt; /* of this instance's tokens, in their upper 16 bits */
};

/* ---- instances --------------------------------------------------------------------------------------------------- */

union obx_any_ops {
    struct outbox_store_ops store;
    struct outbox_broker_ops broker;
};

struct obx_instance {
    struct outbox_host host; /* first: plugins hold its address */
    const struct obx_plugin *plugin;
    struct obx_loop *loop;
    const struct obx_log *log;
    struct obx_instance_events events;
    char *relay;
    char *subject;     /* "orders store sqlite", for the log */
    const char *label; /* "store sqlite", for errors; its end */
    bool inited;
    bool stopping;            /* of the top of a stack, like: */
    struct obx_op *held_stop; /* completed, but something else is still in flight */

    struct obx_instance *inner, *over; /* decorators: who stands where */
    struct outbox_inner below;         /* what a decorator's init gets */
    union obx_any_ops below_ops;

    struct obx_ops ops;
    struct obx_violations violations;
    bool violation_told;

    struct obx_task wake_task, lost_task;
    struct outbox_error lost_error;

    pthread_mutex_t post_lock; /* guards posts and the marks of the tasks in it */
    struct obx_list posts;
    size_t post_count;
    struct obx_task post_task;
    struct obx_list watches, timers;
    uint32_t works; /* offloaded and not done */

    alignas(max_align_t) unsigned char self[]; /* instance_size of the plugin */
};

static inline struct obx_instance *obx_instance_of(const struct outbox_host *host)
{
    return (struct obx_instance *)(uintptr_t)host;
}

static inline struct obx_instance *obx_instance_of_self(void *self)
{
    return OBX_CONTAINER(self, struct obx_instance, self);
}

#define OBX_STORE_OP(name) offsetof(struct outbox_store_ops, name)
#define OBX_BROKER_OP(name) offsetof(struct outbox_broker_ops, name)

static inline bool obx_instance_has(const struct obx_instance *instance, size_t offset)
{
    return obx_ops_have(&instance->plugin->ops, offset);
}

/* The first one from here down that has the function; NULL: none. */
static inline struct obx_instance *obx_instance_with(struct obx_instance *instance, size_t offset)
{
    while (instance && !obx_instance_has(instance, offset))
        instance = instance->inner;
    return instance;
}

static inline struct obx_instance *obx_instance_top(struct obx_instance *instance)
{
    while (instance->over)
        instance = instance->over;
    return instance;
}

/* host.c, host_loop.c */
void obx_host_open(struct obx_instance *instance);  /* fills the table */
void obx_host_close(struct obx_instance *instance); /* drops tasks, watches and timers that are left */
void obx_host_loop_open(struct obx_instance *instance);
void obx_host_loop_close(struct obx_instance *instance);
void obx_instance_violation(struct obx_instance *instance, uint64_t *counter, const char *what, outbox_op_t op);

/* ops.c. begin: 0 when the call has failed already, which it is told later. */
outbox_op_t obx_op_begin(struct obx_instance *instance, const char *what, struct obx_call *call, uint32_t timeout_ms);
outbox_op_t obx_op_child(struct obx_instance *inner, outbox_op_t parent, const struct outbox_child *child);
struct obx_op *obx_op_find(const struct obx_instance *instance, outbox_op_t token); /* in flight, or NULL */
void obx_op_done(struct obx_instance *instance, outbox_op_t token, const struct outbox_error *error);
void obx_op_cancel(struct obx_op *op);
void obx_ops_free(struct obx_instance *instance);
/* Fail a call that no plugin has seen. */
void obx_call_fail(struct obx_instance *instance, struct obx_call *call, const char *what, int code);

/* outcomes.c */
bool obx_op_publishes(struct obx_op *op, uint32_t count); /* false: no memory */
void obx_op_outcomes(struct obx_instance *instance, outbox_op_t token, const struct outbox_outcomes *outcomes);
void obx_op_tell_rest(struct obx_op *op, const struct outbox_error *error); /* those without one: UNKNOWN */
void obx_op_unsent(struct obx_op *op, uint32_t count); /* no memory to submit it: certainly nothing was sent */

/* stack.c: the functions as a decorator above this instance sees them; self is this instance's */
void obx_stack_ops(struct obx_instance *instance, union obx_any_ops *ops);

#endif
