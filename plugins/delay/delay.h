/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/delay/delay.h - a decorator that makes chosen calls slow; what its files share
 *
 * An op waits in one of two queues: `requests`, before it reaches the inner plugin, or `answers`, before the host gets
 * its answer. Both queues are strictly first in, first out, so that jitter does not change the order.
 */
#ifndef OBX_PLUGINS_DELAY_DELAY_H
#define OBX_PLUGINS_DELAY_DELAY_H

#include "calls.h"

struct delay_op;
struct delay_queue {
    struct delay *delay;
    struct delay_op *first, **end;
    uint64_t last_due_ns; /* of the last entry */
    struct outbox_timer *timer;
    void (*leave)(struct delay_op *entry);
};

struct delay {
    /* options */
    const char *calls_text;
    int64_t before_ms, after_ms, jitter_ms;

    const struct outbox_host *host;
    const struct outbox_inner *inner;
    enum outbox_kind plugin;
    uint32_t calls; /* bits 1 << DECO_... */
    struct delay_queue requests, answers;
    uint32_t unreported; /* publishes with failures that the host does not know yet */
    uint32_t refusal;    /* while there are any: the outcome of new publishes */
};

/* What the inner plugin has reported of a publish: an outcome for each message, and one error for each outcome. */
struct delay_outcomes {
    struct outbox_error errors[OUTBOX_NOT_CONNECTED + 1];
    uint32_t count;
    uint8_t outcomes[];
};

/* The scratch memory of an op. */
struct delay_op {
    struct delay *delay;
    outbox_op_t op, child;
    enum deco_call call;
    void *argument;
    struct delay_queue *queue; /* NULL: in neither */
    struct delay_op *next;
    uint64_t due_ns;
    struct delay_outcomes *collected; /* owned; NULL: outcomes pass at once */
    struct outbox_error error;        /* of the op */
    uint32_t failure;                 /* the outcome of some message that failed; 0: none */
    uint32_t refusal;                 /* the outcome that its messages get instead of being submitted; 0: submit it */
};

int delay_init(struct delay *delay, const struct outbox_init *init, enum outbox_kind plugin,
               struct outbox_error *error);
void delay_fini(void *self);
void delay_submit(struct delay *delay, outbox_op_t op, enum deco_call call, void *argument);
void delay_cancel(void *self, outbox_op_t op);

/* queue.c */
int delay_queue_open(struct delay_queue *queue, struct delay *delay, void (*leave)(struct delay_op *entry));
void delay_queue_close(struct delay_queue *queue);
void delay_queue_add(struct delay_queue *queue, struct delay_op *entry, uint64_t pause_ns);
void delay_queue_remove(struct delay_op *entry);

#define DELAY_OPTIONS 4
extern const struct outbox_option delay_options[DELAY_OPTIONS];

#endif
