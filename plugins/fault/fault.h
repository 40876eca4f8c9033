/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/fault.h - a decorator that makes chosen calls fail in chosen ways; what its files share
 *
 * fault.c    options, which calls are struck, and what happens to them
 * publish.c  publishes, of which single messages may be struck
 * held.c     what keeps the order of keys after that
 * store.c, broker.c   the two descriptors
 */
#ifndef OBX_PLUGINS_FAULT_FAULT_H
#define OBX_PLUGINS_FAULT_FAULT_H

#include "calls.h"
#include "held.h"

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
    uint32_t calls;       /* bits 1 << DECO_... */
    int64_t seen, struck; /* calls, or events of publishes */
    uint64_t random;
    struct held held;
    bool broken;           /* broker: order cannot be kept until it is started again */
    struct fault_op *hung; /* in the order of their coming */
    struct fault_op *stop; /* waits until nothing hangs */
};

/* Which messages of a publish go on, as a publish of its own. */
struct fault_plan {
    struct outbox_publish publish;
    uint32_t *index;   /* of each message that goes on, in the publish of the host */
    uint8_t *verdicts; /* of each of these; see publish.c */
    struct outbox_message *messages;
};

/* The scratch memory of an op. */
struct fault_op {
    struct fault *fault;
    outbox_op_t op, child;
    enum deco_call call;
    void *argument;
    bool hangs;
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

/* Between the two. done and outcomes: NULL passes on what comes. */
bool fault_is_active(const struct fault *fault); /* the trigger is there */
bool fault_strikes(struct fault *fault);         /* counts one, and decides */
void fault_pass(struct fault_op *entry, void *argument,
                void (*done)(void *arg, outbox_op_t child, const struct outbox_error *error),
                void (*outcomes)(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes));
void fault_strike(struct fault_op *entry); /* all effects but ERROR and DROP_ACK of a publish */
void fault_hang(struct fault_op *entry);

/* The options, for both descriptors. */
#define FAULT_OPTIONS 10
extern const struct outbox_option fault_options[FAULT_OPTIONS];

#endif
