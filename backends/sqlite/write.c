/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/write.c - see write.h */
#include "write.h"

#include <time.h>

#define YIELD_NS 60000 /* a timer adds about the same */

void lite_write_yield(const struct lite_store *store)
{
    if (lite_pace_contended(&store->pace, lite_now(store)))
        nanosleep(&(struct timespec){.tv_nsec = YIELD_NS}, NULL);
}

int lite_write_begin(struct lite_op *op, struct lite_conn *conn, const char *what)
{
    struct lite_store *store = op->store;
    if (!lite_op_sleep(op, store->host, store->pace.next_hold))
        return lite_op_fail_canceled(op, conn, what);
    lite_write_yield(store);
    if (OUTBOX_FAILPOINT_ERROR(store->host, sqlite, before_begin, &op->error) ||
        lite_step(conn, STATEMENT_BEGIN, what, &op->error))
        return op->canceled ? lite_op_fail_canceled(op, conn, what) : op->error.code;
    lite_pace_begin(&store->pace, lite_now(store));
    if (lite_epoch_verify(&store->epoch, conn, what, &op->error))
        lite_rollback(conn);
    return op->error.code;
}

bool lite_write_is_over(const struct lite_op *op)
{
    return lite_pace_is_over(&op->store->pace, lite_now(op->store));
}

int lite_write_commit(struct lite_op *op, struct lite_conn *conn, const char *what)
{
    struct lite_store *store = op->store;
    if (!lite_op_ok(op) || OUTBOX_FAILPOINT_ERROR(store->host, sqlite, before_commit, &op->error) ||
        lite_step(conn, STATEMENT_COMMIT, what, &op->error))
        lite_rollback(conn);
    OUTBOX_FAILPOINT(store->host, sqlite, after_commit);
    lite_pace_end(&store->pace, lite_now(store));
    return op->error.code;
}
