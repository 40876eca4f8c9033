/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/order.h - decides whether a row may be published now; no other file does
 *
 * Events of one key reach the broker in insert order. Three rules keep that; order.c has their tables:
 *   1. before a publish   obx_order_step(): send the row, block it behind its key, or dead-letter it
 *   2. after a publish    obx_order_after(): the next state of a row that was not delivered
 *   3. between publishes  obx_pipeline_hold_order(): while a publish in flight has failed events or left rows of its
 *                         batch unsent, no later batch is published
 * Loop thread only.
 */
#ifndef OBX_RELAY_ORDER_H
#define OBX_RELAY_ORDER_H

#include "relay/batch.h"
#include "relay/key_set.h"
#include "relay/keys.h"
#include "relay/stages.h"

/* The number of the sequence in which this event keeps its order: equal numbers, one order. order: enum obx_order. */
uint64_t obx_order_key(int64_t order, const struct outbox_message *message, struct outbox_position position);

/* ---- 1. before a publish ----------------------------------------------------------------------------------------- */

enum obx_order_fact {
    OBX_KEY_DEAD_LETTERED = 1, /* on_reject: park-key, and an event of this key is a dead letter */
    OBX_KEY_BLOCKED = 2,       /* events of this key wait */
    OBX_ROW_IS_RETRIED = 4,    /* the row was claimed again for its key, which is RETRYING */
    OBX_KEY_FAILED = 8         /* an event of this key came back, and its pause is not set yet */
};

enum obx_order_step {
    OBX_STEP_SEND,
    OBX_STEP_BLOCK,      /* obx_order_block(): it waits until its key is unblocked */
    OBX_STEP_DEAD_LETTER /* it follows the dead letters of its key */
};

enum obx_order_step obx_order_step(unsigned facts);
/* The facts of a row with that key. */
unsigned obx_order_facts(const struct obx_stages *stages, uint64_t key, const struct obx_batch *batch);
/* Is any key blocked or dead-lettered? If not, obx_order_step() gives SEND for every row. */
static inline bool obx_order_any(const struct obx_stages *stages)
{
    return obx_keys_any(stages->keys) || obx_key_set_any(stages->dead_letter_keys);
}

/* Add a row to its blocked key, without an outcome of the row. False: no memory, nothing was changed. */
bool obx_order_block(struct obx_stages *stages, uint64_t key, struct outbox_position position);

/* The keys that a publish has already, for brokers that take one event of a key at a time. In the batch's arena. */
struct obx_batch_keys {
    uint64_t *slots; /* 0: free */
    uint32_t mask;
};
bool obx_batch_keys_init(struct obx_batch_keys *keys, struct obx_batch *batch); /* false: no memory */
bool obx_batch_keys_add(struct obx_batch_keys *keys, uint64_t key);             /* false: it is there already */

/* ---- 2. after a publish ------------------------------------------------------------------------------------------ */

enum obx_after_fact {
    OBX_AFTER_OTHER_EPOCH = 1, /* the ownership is another one: positions mean nothing any more */
    OBX_AFTER_NO_PUBLISH = 2   /* stopping, halted, or the outbox is read again from its start */
};

/* The state that follows; the same state: it stays, for the caller to decide. */
enum obx_row_state obx_order_after(enum obx_row_state state, unsigned facts);

#endif
