/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/write.h - a write transaction of the owner: short, fenced, and scheduled between those of others
 *
 * lite_write_begin(); statements until lite_write_is_over(); lite_write_commit(), which also rolls back after a
 * failure. pace.h explains the times. WRITE lane; errors go to op->error.
 *
 * Failure modes: FENCED, another relay owns the outbox; CANCELED; AGAIN, another connection held the lock for longer
 * than busy_timeout. Nothing was changed then.
 */
#ifndef OBX_BACKENDS_SQLITE_WRITE_H
#define OBX_BACKENDS_SQLITE_WRITE_H

#include "store.h"

/*
 * The scheduler soon preempts a thread that has run for a while, and if it holds the write lock all writers wait. A
 * thread that wakes up has a fresh time slice. So, while others write, sleep as shortly as possible before taking the
 * lock.
 */
void lite_write_yield(const struct lite_store *store);

int lite_write_begin(struct lite_op *op, struct lite_conn *conn, const char *what);
bool lite_write_is_over(const struct lite_op *op); /* by the wall clock: commit now */
int lite_write_commit(struct lite_op *op, struct lite_conn *conn, const char *what);

#endif
