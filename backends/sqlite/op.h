/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/op.h - an op of the host as a job for a worker thread
 *
 * SQLite blocks, so every call of it is made on a worker. Each operation has a structure of its own that begins with a
 * struct lite_op and lives in the scratch memory of the host's op, which the host has zeroed:
 *
 *     lite_op_begin() on the loop -> lite_op_submit() (lane.h) -> run() on a worker -> finish() on the loop ->
 * op_done()
 *
 * run() may use its connection and the op, and of the store what its lane owns (store.h). finish() may use everything.
 * To fail, run() fills `error` and returns; the op completes with it.
 */
#ifndef OBX_BACKENDS_SQLITE_OP_H
#define OBX_BACKENDS_SQLITE_OP_H

#include "conn.h"

struct lite_store;
struct lite_lanes;

/* In the order in which connections are closed: the last one copies the log into the database file, and that of LOG may
 * have failed to flush. */
enum lite_lane_name { LANE_READ, LANE_LOG, LANE_WRITE, LANE_ADMIN, LANE_COUNT, LANE_ALONE = LANE_COUNT };

struct lite_op {
    struct outbox_work work;
    struct lite_lanes *lanes;
    struct lite_store *store;
    struct lite_op *next; /* in the queue of its lane */
    outbox_op_t id;       /* of the host; 0: an op of the store itself, which owns its memory */
    enum lite_lane_name lane;
    void (*run)(struct lite_op *op, struct lite_conn *conn); /* worker; conn is NULL in LANE_ALONE */
    void (*finish)(struct lite_op *op);                      /* loop thread, before the op completes; may be NULL */
    atomic_bool canceled;
    bool again; /* finish() wants run() once more before the op completes */
    struct outbox_error error;
};

/* The scratch memory of an op: the largest structure that begins with a struct lite_op. LITE_OP_FITS() proves it. */
#define LITE_OP_SIZE (sizeof(struct lite_op) + 512)
#define LITE_OP_FITS(type) _Static_assert(sizeof(type) <= LITE_OP_SIZE, "LITE_OP_SIZE is too small")

static inline bool lite_op_ok(const struct lite_op *op)
{
    return op->error.code == OUTBOX_OK;
}

/* Worker: sleep until then. False: the op was canceled. */
bool lite_op_sleep(struct lite_op *op, const struct outbox_host *host, uint64_t until_ns);
int lite_op_fail_canceled(struct lite_op *op, const struct lite_conn *conn, const char *what);

#endif
