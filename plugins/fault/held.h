/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/held.h - keys whose order a fault has interrupted
 *
 * When the host is told that a message failed, other publishes with later messages of its key may be in flight already:
 * a broker that keeps order must fail those too. Which ones they are cannot be seen from the outside, so this plugin
 * holds longer than it must, which the contract allows: the ids of what failed are kept for each key, oldest first,
 * until they come again or the broker is started again; only the first may pass.
 */
#ifndef OBX_PLUGINS_FAULT_HELD_H
#define OBX_PLUGINS_FAULT_HELD_H

#include <outbox/plugin.h>

#define HELD_BUCKETS 256u

struct held_event;
struct held {
    const struct outbox_host *host;
    struct held_event *buckets[HELD_BUCKETS];
    uint32_t count;
    uint64_t refusals; /* numbers them */
};

/* May it go?
 * PASS       yes, and it is forgotten, if it was known
 * STRUCK     it is its turn, but it was to be struck: it is remembered
 * REFUSE     no, an older one of its key must go first; it is remembered
 * NO_MEMORY  it could not be remembered */
enum held_answer { HELD_PASS, HELD_STRUCK, HELD_REFUSE, HELD_NO_MEMORY };
enum held_answer held_ask(struct held *held, outbox_op_t op, const struct outbox_message *message, bool strike);
/* The publish op is completed: what was refused in it, the host knows of from now on. */
void held_landed(struct held *held, outbox_op_t op);
void held_clear(struct held *held);

#endif
