/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/internal.h - declarations that the files of core/plugin share
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
#define OBX_STACK_MAX 8 /* plugins of one stack */

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

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

enum obx_op_state { OBX_OP_FREE, OBX_OP_IN_FLIGHT, OBX_OP_DONE }; /* DONE: its delivery is deferred */

struct obx_op {
    struct obx_task deliver;
    struct obx_timer timer;
    struct obx_instance *instance;
    outbox_op_t token;
    const char *what;      /* "claim"; for messages */
    struct obx_call *call; /* of the core; NULL: the op is a child of `parent` */
    outbox_op_t parent;    /* the op of the decorator that made this one */
    struct outbox_child child;
    struct obx_op *next_free;
    uint32_t timeout_ms;
    uint8_t state; /* enum obx_op_state */
    bool canceled, timed_out, stops, publishes;

    uint32_t count, reported_count; /* messages of a publish, and how many of them have an outcome */
    uint64_t *reported;             /* a bit for each message that has one; kept for the next publish */
    size_t reported_words;
    unsigned char *messages; /* message_size of the plugin for each message of a publish; kept for the next publish */
    size_t messages_size;

    struct outbox_error error;
    alignas(max_align_t) unsigned char scratch[]; /* op_size of the plugin */
};

/* Grows as needed and is freed with the instance: no allocation per call. */
struct obx_ops {
    struct obx_op **all;
    uint32_t count, room;
    struct obx_op *free;
    uint32_t in_flight;   /* until done() of the caller */
    uint32_t with_plugin; /* until the plugin has completed it */
    uint32_t generation;
    uint64_t salt; /* of this instance's tokens, in their upper 16 bits */
};

/* ---- instances --------------------------------------------------------------------------------------------------- */

/* Of decorators: a transform wraps nothing. */
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
    bool stopping;             /* of the top of a stack, like: */
    struct obx_op *early_stop; /* a stop that completed before the other ops in flight */

    struct obx_instance *inner, *outer; /* the neighbours in a stack of decorators */
    struct outbox_inner inner_view;     /* what init() of a decorator gets */
    union obx_any_ops inner_ops;

    struct obx_ops ops;
    uint64_t reconnects;
    struct obx_transactions transactions;
    struct obx_violations violations;
    bool violation_logged;

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

#define OBX_TRANSFORM_OP(name) offsetof(struct outbox_transform_ops, name)

static inline bool obx_instance_has(const struct obx_instance *instance, size_t offset)
{
    return obx_ops_have(&instance->plugin->ops, offset);
}

/* The first instance, from this one inwards, that has the function; NULL: none. */
static inline struct obx_instance *obx_instance_with(struct obx_instance *instance, size_t offset)
{
    while (instance && !obx_instance_has(instance, offset))
        instance = instance->inner;
    return instance;
}

static inline struct obx_instance *obx_instance_top(struct obx_instance *instance)
{
    while (instance->outer)
        instance = instance->outer;
    return instance;
}

/* host.c, host_loop.c */
void obx_host_open(struct obx_instance *instance);  /* fills the table */
void obx_host_close(struct obx_instance *instance); /* drops the remaining tasks, watches and timers */
void obx_host_loop_open(struct obx_instance *instance);
void obx_host_loop_close(struct obx_instance *instance);
void obx_instance_violation(struct obx_instance *instance, uint64_t *counter, const char *what, outbox_op_t op);

/* ops.c. begin: 0 when the call has failed; done() runs later. */
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
void *obx_op_messages(struct obx_op *op);                 /* NULL: none */
void obx_op_outcomes(struct obx_instance *instance, outbox_op_t token, const struct outbox_outcomes *outcomes);
void obx_op_report_rest(struct obx_op *op, const struct outbox_error *error); /* messages without an outcome: UNKNOWN */
void obx_op_fail_publish(struct obx_op *op, uint32_t count); /* no memory to submit: nothing was sent */

/* stack.c: the functions as the decorator that wraps this instance sees them; self is this instance's */
void obx_stack_ops(struct obx_instance *instance, union obx_any_ops *ops);

#endif
