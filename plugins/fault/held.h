/*
 * plugins/fault/held.h - keys whose order a fault has interrupted
 *
 * A broker that keeps order must not append a message after one of its key that failed, until the host has submitted
 * that one again - and several publishes are in flight before the host has heard of the failure. So the ids of what
 * failed are kept for each key, oldest first: only the first may pass; what comes before its turn is refused.
 */
#ifndef OBX_FAULT_HELD_H
#define OBX_FAULT_HELD_H

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
