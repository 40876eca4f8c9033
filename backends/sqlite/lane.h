/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/lane.h - four lanes, each with a connection of its own, that run one op at a time
 *
 *     READ   claims
 *     WRITE  what only the owner may do: acquire, renew, settle, dead letters
 *     LOG    checkpoints that nothing waits for
 *     ADMIN  check, status, add, dead; its connection opens with its first op
 *     ALONE  start, stop, setup: they open and close connections, so they wait until all lanes are empty
 *
 * So a claim, a settle, a checkpoint and a status overlap, and no connection is used by two threads. All functions here
 * are for the loop thread.
 *
 * Failure modes: without a worker thread an op fails with the host's code. A canceled op that still waits completes at
 * once; one that runs sees its flag in its waits and in the handlers of its connection.
 */
#ifndef OBX_BACKENDS_SQLITE_LANE_H
#define OBX_BACKENDS_SQLITE_LANE_H

#include "op.h"

struct lite_queue {
    struct lite_op *first, *last; /* waiting */
    struct lite_op *running;
};

struct lite_lanes {
    const struct outbox_host *host;
    struct lite_store *store;                 /* handed to every op */
    struct lite_queue queues[LANE_COUNT + 1]; /* the last is that of LANE_ALONE */
    struct lite_conn conns[LANE_COUNT];
};

void lite_lanes_init(struct lite_lanes *lanes, struct lite_store *store, const struct outbox_host *host,
                     const char *path, uint64_t busy_timeout_ms);

/* The op's scratch memory, filled in. Its structure begins with a struct lite_op. */
void *lite_op_begin(struct lite_lanes *lanes, outbox_op_t id, enum lite_lane_name lane,
                    void (*run)(struct lite_op *op, struct lite_conn *conn));
void lite_op_submit(struct lite_op *op);
/* For an op that was begun and cannot be submitted: completes it. */
void lite_op_fail_memory(struct lite_op *op, const char *what);
void lite_op_cancel(struct lite_lanes *lanes, outbox_op_t id);
/* Does an op run alone, or wait to? */
bool lite_lanes_closing(const struct lite_lanes *lanes);

/* Worker, ADMIN lane: open the connection if this is its first op. Fills op->error. */
void lite_admin_open(struct lite_op *op, struct lite_conn *conn, const char *what);

#endif
