/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/check_removal.c - can the first rows be removed? Tried in a transaction that is rolled back
 *
 * Triggers, rules and foreign keys decide that, and run as they do for the relay; a trigger may raise for one row only,
 * and the user may not be allowed to see it. Asked where something acts on a removal, or may do so unseen. Rows that
 * another session holds are no finding.
 */
#include "sql/server/check_removal.h"

static bool put_trial(struct sql_request *request)
{
    return request->store->driver->put_removal_trial(request);
}

static void tried(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = sql_op_of(request);
    const struct sql_store *store = op->store;
    op->request.transaction = op->request.fires_triggers = false;
    if (error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_CANCELED) {
        sql_op_complete(op, error);
        return;
    }
    bool unknown = error->code == OUTBOX_E_AGAIN || error->code == OUTBOX_E_TIMEOUT;
    const char *reason = unknown ? NULL : store->driver->removal_refusal(error);
    if (reason)
        sql_check_report(op, OUTBOX_SEVERITY_ERROR,
                         "correct the triggers, rules and foreign keys that act on a removal; until then such events "
                         "stay, and are published again after each start",
                         "some of the first %d rows of table %s.%s cannot be removed: %s", SQL_TRIAL_ROWS,
                         store->table.schema, store->outbox.name, reason);
    op->then(op);
}

void sql_check_removal(struct sql_op *op, void (*then)(struct sql_op *op))
{
    if (!op->removal_suspect) {
        then(op);
        return;
    }
    sql_op_drop_result(op);
    op->then = then;
    op->request.text = NULL;
    op->request.transaction = op->request.fires_triggers = true;
    sql_op_submit(op, op->store->owner, "try to remove events", put_trial, NULL, tried);
}
