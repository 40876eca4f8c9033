/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/order_guard.h - the order of keys after an injected failure
 *
 * When a message fails, later messages of its key may be in flight already, in other publishes: a broker that keeps
 * order must fail those too. This plugin cannot see which they are, so it refuses more than it must, which the contract
 * allows. It keeps the ids of failed messages for each key, oldest first, until they come again or the broker is
 * started again. Only the first may go.
 */
#ifndef OBX_PLUGINS_FAULT_ORDER_GUARD_H
#define OBX_PLUGINS_FAULT_ORDER_GUARD_H

#include <outbox/plugin.h>

#define ORDER_GUARD_BUCKETS 256u

struct guarded_event;
struct order_guard {
    const struct outbox_host *host;
    struct guarded_event *buckets[ORDER_GUARD_BUCKETS];
    uint32_t count;
    uint64_t refusals; /* numbers them */
};

/* PASS       it may go
 * INJECT     it is its turn, and it is to fail: it is remembered
 * REFUSE     an older one of its key must go first: it is remembered
 * NO_MEMORY  it could not be remembered */
enum order_verdict { ORDER_PASS, ORDER_INJECT, ORDER_REFUSE, ORDER_NO_MEMORY };
enum order_verdict order_guard_check(struct order_guard *guard, outbox_op_t op, const struct outbox_message *message,
                                     bool inject);
/* The publish op is completed: the host knows of its failures now. */
void order_guard_completed(struct order_guard *guard, outbox_op_t op);
void order_guard_clear(struct order_guard *guard);

#endif
