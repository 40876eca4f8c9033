/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/status.c - how much waits, since when, who relays */
#include "sql/server/verbs.h"

static void done(struct sql_op *op)
{
    sql_op_complete(op, NULL);
}

void sql_status(void *self, outbox_op_t id, struct outbox_store_status *status)
{
    struct sql_op *op = sql_op_begin(self, id);
    op->out = status;
    status->pending = status->oldest_us = status->dead = -1;
    status->owner[0] = status->server[0] = '\0';
    if (op->store->table.exists)
        sql_probes_run(op, op->store->driver->status_probes, done);
    else
        sql_op_fail(op, OUTBOX_E_NOT_FOUND, "read the status: there is no table %s; run 'outbox init'",
                    op->store->table_name);
}
