/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/owner.c - owning an outbox
 *
 * Ownership is a lock of the owner's session: when that session ends, for any reason, the lock is free and the session
 * can settle nothing. An owner shows that it lives by a small statement a few times in a lease. Each server has its own
 * lock, and its own way to end the session of an owner that was silent for a whole lease: driver->acquire().
 */
#include "sql/server/owner.h"

#include "sql/capture/capture.h"
#include "sql/server/locked_rows.h"
#include "sql/server/refused.h"

void sql_become_owner(struct sql_op *op)
{
    struct sql_store *store = op->store;
    sql_acquire_of(op)->flags = store->driver->same_database(store) ? OUTBOX_ACQUIRED_SAME : 0;
    store->owns = true;
    store->foreign = (struct sql_foreign_deletes){.base = INT64_MAX};
    if (sql_captures(store))
        sql_capture_take_over(op);
    else
        sql_op_complete(op, NULL);
}

void sql_stand_by(struct sql_op *op)
{
    const char *owner = sql_acquire_of(op)->owner;
    sql_op_fail(op, OUTBOX_E_STANDBY, "own outbox %s.%s: owned by %s", op->store->table.schema, op->store->outbox.name,
                *owner ? owner : "another session");
}

void sql_acquire(void *self, outbox_op_t id, struct outbox_acquire *acquire)
{
    struct sql_op *op = sql_op_begin(self, id);
    struct outbox_error error;
    op->out = acquire;
    acquire->flags = 0;
    acquire->epoch = 0;
    OUTBOX_SET_MEMBER(acquire, since_us, 0);
    acquire->owner[0] = acquire->identity[0] = '\0';
    if (SQL_FAILPOINT_ERROR(op->store, before_acquire, &error))
        sql_op_complete(op, &error);
    else
        op->store->driver->acquire(op);
}

bool sql_owner_may(struct sql_op *op, const char *what)
{
    if (op->store->owns)
        return true;
    sql_op_fail(op, OUTBOX_E_FENCED, "%s of %s: this relay does not own the outbox", what, op->store->table_name);
    return false;
}

struct outbox_error sql_owner_verdict(const struct sql_request *request, const struct outbox_error *error)
{
    struct outbox_error verdict = *error;
    struct sql_store *store = request->store;
    if (verdict.code && store->driver->is_fenced && store->driver->is_fenced(request, &verdict))
        store->owns = false;
    return verdict;
}

static void on_renewed(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct outbox_error verdict = sql_owner_verdict(request, error);
    if (!verdict.code && !op->store->owns)
        outbox_error_set(&verdict, OUTBOX_E_FENCED,
                         "table %s.%s is another one than when this relay became its owner: it was renamed or "
                         "replaced; the relay restarts",
                         op->store->table.schema, op->store->outbox.name);
    if (verdict.code)
        sql_op_complete(op, &verdict);
    else {
        sql_capture_renewed(op->store);
        sql_locked_retry(op, sql_refused_retry);
    }
}

void sql_renew(void *self, outbox_op_t id)
{
    struct sql_op *op = sql_op_begin(self, id);
    const struct sql_driver *driver = op->store->driver;
    if (sql_owner_may(op, "renew the ownership"))
        sql_op_submit(op, op->store->owner, "renew the ownership", driver->put_renew, driver->renew_result, on_renewed);
}
