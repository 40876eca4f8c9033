/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/lanes.h - lanes: the keys with an event in flight, and the rows that wait for their turn
 *
 * Used for brokers with OUTBOX_CAP_CONCURRENT. A key has a lane while a row of it is in flight or waits:
 *
 *   joined rows wait in the lane, in order -> head: the row whose turn it is -> sent -> left, the next row's turn
 *
 * The rows of all batches share the lanes, so the order of joining is the order of publishing. A lane holds no memory
 * of a row: rows are entries of an array in the arena of their batch. Lanes are recycled. Loop thread only.
 */
#ifndef OBX_RELAY_LANES_H
#define OBX_RELAY_LANES_H

#include "base/list.h"
#include "relay/batch.h"
#include "relay/keys.h"

struct obx_lane;

/* A row between joining and leaving. One for each row of a batch, in its arena. */
struct obx_lane_row {
    struct obx_list link;  /* in its lane, or in a list of the publisher */
    struct obx_lane *lane; /* NULL: not joined */
    struct obx_batch *batch;
    const struct obx_reason *reason; /* it can never go, or not now; NULL: it can */
    uint32_t row;
};

struct obx_lane {
    uint64_t hash; /* of obx_order_key() */
    UT_hash_handle hh;
    struct obx_list rows;      /* waiting, in order */
    struct obx_lane_row *head; /* the row whose turn it is: to be sent, or in flight; NULL: none */
    struct obx_list busy;      /* in lanes->busy while there is a head */
    uint64_t since_ns;         /* of the head */
};

struct obx_lanes {
    struct obx_lane *table;
    struct obx_list busy; /* longest first */
    struct obx_list idle; /* recycled, linked by `busy` */
    uint32_t idle_count;
};

void obx_lanes_init(struct obx_lanes *lanes);
void obx_lanes_free(struct obx_lanes *lanes); /* no row is in a lane */

/* Append a row to the lane of its key. False: no memory. */
bool obx_lanes_join(struct obx_lanes *lanes, uint64_t hash, struct obx_lane_row *row);
/* Undo the join of a row that waits at the end of its lane. */
void obx_lanes_unjoin(struct obx_lanes *lanes, struct obx_lane_row *row);

/* The row that is to go next, if no other has its turn; NULL: none. It stays in the lane. */
struct obx_lane_row *obx_lane_next(const struct obx_lane *lane);
/* Give a row of obx_lane_next() its turn. */
void obx_lane_begin(struct obx_lanes *lanes, struct obx_lane *lane, uint64_t now);
/* Take out a row of obx_lane_next() that does not go. */
void obx_lane_skip(struct obx_lane *lane);
/* The turn of the head is over. */
void obx_lane_end(struct obx_lane *lane);
/* Recycle a lane without rows. */
void obx_lanes_drop(struct obx_lanes *lanes, struct obx_lane *lane);

/* The lane whose head has had its turn for longest; and the next one. NULL: none. */
struct obx_lane *obx_lanes_busiest(const struct obx_lanes *lanes);
struct obx_lane *obx_lanes_next_busy(const struct obx_lanes *lanes, const struct obx_lane *lane);

#endif
