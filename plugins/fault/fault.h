/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/fault.h - a decorator that makes chosen calls fail in chosen ways; what its files share
 *
 * options.c            options, and the kinds of failures
 * fault.c              which calls fail
 * effects.c            how they fail
 * publish.c            publishes, of which single messages may fail
 * order_guard.c        keeps the order of keys after that
 * store.c, broker.c    the two descriptors
 */
#ifndef OBX_PLUGINS_FAULT_FAULT_H
#define OBX_PLUGINS_FAULT_FAULT_H

#include "calls.h"
#include "order_guard.h"

enum fault_effect { FAULT_ERROR, FAULT_DROP_ACK, FAULT_CRASH_BEFORE, FAULT_CRASH_AFTER, FAULT_HANG, FAULT_LOST };

struct fault_kind {
    int code;
    uint32_t outcome; /* of a message; enum outbox_outcome */
};

struct fault {
    /* options */
    const char *calls_text, *key, *trigger;
    int64_t kind, effect, nth, every, count, rate, seed;

    const struct outbox_host *host;
    const struct outbox_inner *inner;
    enum outbox_kind plugin;
    uint32_t calls;         /* bits 1 << DECO_... */
    int64_t seen, injected; /* calls, or events of publishes */
    uint64_t random;
    struct order_guard guard;
    bool broken;           /* broker: order cannot be kept until it is started again */
    struct fault_op *hung; /* in the order of submission */
    struct fault_op *stop; /* waits until nothing is_hung */
};

/* The messages of a publish that reach the inner broker, as a separate publish. */
struct fault_plan {
    struct outbox_publish publish;
    uint32_t *index;   /* of each message in it: its index in the publish of the host */
    uint8_t *verdicts; /* of each of these; see publish.c */
    struct outbox_message *messages;
};

/* The scratch memory of an op. */
struct fault_op {
    struct fault *fault;
    outbox_op_t op, child;
    enum deco_call call;
    void *argument;
    bool is_hung;
    struct fault_op *next;
    struct fault_plan *plan; /* owned */
};

extern const char *const fault_kind_names[];
const struct fault_kind *fault_kind(const struct fault *fault);
int fault_error(const struct fault *fault, enum deco_call call, struct outbox_error *error);

int fault_init(struct fault *fault, const struct outbox_init *init, enum outbox_kind plugin,
               struct outbox_error *error);
void fault_fini(void *self);
void fault_submit(struct fault *fault, outbox_op_t op, enum deco_call call, void *argument);
void fault_cancel(void *self, outbox_op_t op);

/* publish.c */
void fault_publish(struct fault_op *entry);
void fault_plan_free(struct fault_op *entry);

/* fault.c and effects.c. done and outcomes: NULL passes the answer to the host. */
bool fault_is_active(const struct fault *fault); /* the trigger file exists */
bool fault_should_inject(struct fault *fault);   /* counts one call or event, and decides */
void fault_pass(struct fault_op *entry, void *argument,
                void (*done)(void *arg, outbox_op_t child, const struct outbox_error *error),
                void (*outcomes)(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes));
void fault_inject(struct fault_op *entry); /* every effect but ERROR and DROP_ACK of a publish */
void fault_hang(struct fault_op *entry);
void fault_finish(struct fault_op *entry, const struct outbox_error *error); /* completes the op of the host */

/* The options, for both descriptors. */
#define FAULT_OPTIONS 10
extern const struct outbox_option fault_options[FAULT_OPTIONS];

#endif
