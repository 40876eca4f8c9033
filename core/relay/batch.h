/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/batch.h - a claimed batch on its way through the pipeline, and what became of each of its rows
 *
 * The store owns the rows, the batch borrows them until it releases them. Everything that routing makes of the rows
 * lives in the batch's arena. Batches are recycled: a steady load allocates nothing.
 */
#ifndef OBX_RELAY_BATCH_H
#define OBX_RELAY_BATCH_H

#include "base/arena.h"
#include "base/list.h"
#include "plugin/instance.h"

/* The fate of one row. A batch can be released when no row is WAITING, FLYING or DELIVERED. */
enum obx_row_state {
    OBX_WAITING,   /* to be published */
    OBX_IN_FLIGHT, /* part of a publish in flight */
    OBX_DELIVERED, /* confirmed by the broker, to be settled */
    OBX_SETTLED,
    OBX_LEFT,  /* stays in the outbox: waits behind its key, is to be parked, or was given up in a recovery */
    OBX_RETRY, /* the three outcomes below are seen only between a publish's outcomes and its completion */
    OBX_REJECTED,
    OBX_UNSENT, /* not connected, or unknown */
    OBX_FATES
};

struct obx_batch {
    struct obx_list link; /* in one of the relay's lists */
    struct obx_relay *relay;
    uint64_t seq;              /* order of claiming, which is the order of publishing */
    uint64_t epoch;            /* of the ownership under which it was claimed */
    bool exact;                /* claimed by position, for keys that are SENDING */
    bool outage;               /* some of its rows came back NOT_CONNECTED or UNKNOWN */
    bool troubled;             /* in flight, and the outcome of some row was told and was not DELIVERED */
    bool resend;               /* after an outage: its next publish is a re-send */
    struct outbox_batch *rows; /* the store's */
    uint8_t *fates;            /* one for each row; owned, like the next two */
    struct outbox_message *messages;
    uint32_t *row_of; /* row of each message */
    uint32_t room;    /* of these three */
    uint32_t message_count;
    uint32_t fate_count[OBX_FATES];
    const struct outbox_error **errors; /* by row, in the arena; NULL until an outcome is not DELIVERED */
    struct obx_arena arena;
    struct outbox_publish publish;
    struct obx_call call;
};

/* Recycled batches. */
struct obx_batch_pool {
    struct obx_list idle;
    uint32_t count;
};

void obx_batch_pool_init(struct obx_batch_pool *pool);
void obx_batch_pool_free(struct obx_batch_pool *pool);
/* A batch with room for the rows, all of them WAITING; takes over rows. NULL: no memory, and they stay the caller's. */
struct obx_batch *obx_batch_get(struct obx_batch_pool *pool, struct outbox_batch *rows);
void obx_batch_put(struct obx_batch_pool *pool, struct obx_batch *batch); /* its rows are released already */

static inline void obx_batch_set_row_state(struct obx_batch *batch, uint32_t row, enum obx_row_state fate)
{
    batch->fate_count[batch->fates[row]]--;
    batch->fates[row] = (uint8_t)fate;
    batch->fate_count[fate]++;
}

/* All rows of one fate get another. */
void obx_batch_change(struct obx_batch *batch, enum obx_row_state from, enum obx_row_state to);

/* Nothing of it is needed any more. */
static inline bool obx_batch_finished(const struct obx_batch *batch)
{
    return batch->fate_count[OBX_SETTLED] + batch->fate_count[OBX_LEFT] == batch->rows->rows;
}

#endif
