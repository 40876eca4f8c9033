/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/checkpoint.h - keep the write-ahead log short without holding up writers or the relay
 *
 * A connection that commits to a log of 1,000 pages copies it into the database file, in the middle of its commit.
 * While the relay works off a backlog it writes most of the log, so it cleans up earlier, without the write lock, in
 * two steps:
 *
 *  1. Ahead, in the LOG lane, during transactions: copy what is in the log into the database file, and flush.
 *  2. Between two transactions of the WRITE lane: copy what came since. The next commit then begins the log anew, if
 *     nothing was added meanwhile and nobody reads from the log. Claims wait for this.
 *
 * Where others keep committing, step 2 never finds such a moment. Then the relay takes the write lock once for the
 * flush of the few pages that came last, instead of each of their commits paying for it. pace.h adapts how long the log
 * may grow before that: longer on a disk that flushes slowly.
 *
 * A flush ahead that takes long excludes step 2, and the log grows. At 2,000 pages the relay waits for its end, for at
 * most 2 s, without the write lock.
 *
 * Failure modes: a checkpoint that fails is logged and tried again with the next; the log grows meanwhile. After a
 * failed flush ahead there is no other one until the next start: a later flush of the same descriptor would succeed
 * although the pages are lost. Without a worker thread everything is left to step 2.
 */
#ifndef OBX_BACKENDS_SQLITE_CHECKPOINT_H
#define OBX_BACKENDS_SQLITE_CHECKPOINT_H

#include "store.h"

void lite_log_init(struct lite_store *store);  /* once */
void lite_log_reset(struct lite_store *store); /* at start */
/* The number of pages after each commit of this connection goes to the store. */
void lite_log_watch(struct lite_store *store, struct lite_conn *conn);

/* WRITE lane: to be called after each commit. */
void lite_log_after_commit(struct lite_op *op, struct lite_conn *conn);
/* WRITE lane: a checkpoint, if the log has grown by so many pages since the last one. */
void lite_log_checkpoint(struct lite_op *op, struct lite_conn *conn, int pages);

#endif
