/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/prepare.h - from a waiting row to a message that may be published now
 *
 * Routes the row, applies order.h to its key, and calls admit() of the broker. A row that can never be a message, or
 * that the broker does not admit, is rejected here, before any later row of its key is sent. Loop thread only.
 */
#ifndef OBX_RELAY_PREPARE_H
#define OBX_RELAY_PREPARE_H

#include "relay/batch.h"
#include "relay/stages.h"

enum obx_prepared {
    OBX_PREPARED_GO,      /* it may be published */
    OBX_PREPARED_SKIPPED, /* it is blocked with its key, or on its way to the dead letters */
    OBX_PREPARED_NO_MEMORY
};

/* Before the first row of a round: the batch has no message yet. */
void obx_prepare_begin(struct obx_stages *stages, struct obx_batch *batch);
/* message: filled. key: its number of obx_order_key(); wants_key false: only when it is needed here. */
enum obx_prepared obx_prepare_row(struct obx_stages *stages, struct obx_batch *batch, uint32_t row,
                                  struct outbox_message *message, bool wants_key, uint64_t *key);
/* The same in three steps, for a publisher that sends each row at its turn. */
/* 1. The message. *reason: why it can never go, or not now; NULL: it can. False: no memory. */
bool obx_prepare_route(struct obx_stages *stages, struct obx_batch *batch, uint32_t row, struct outbox_message *message,
                       const struct obx_reason **reason);
/* 2. Rule 1 of order.h for a message that was prepared before: its key may be blocked since then. */
enum obx_prepared obx_prepare_again(struct obx_stages *stages, const struct obx_batch *batch, uint32_t row,
                                    const struct outbox_message *message, uint64_t key);
/* 3. Its turn has come: apply the reason, or ask the broker whether it admits the message. */
enum obx_prepared obx_prepare_admit(struct obx_stages *stages, const struct obx_batch *batch, uint32_t row,
                                    const struct outbox_message *message, const struct obx_reason *reason);

#endif
