/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/dead_letter.c - moving rows to the dead-letter table, in one transaction of the owner */
#include "sql/server/owner.h"
#include "sql/server/settle.h"

static void on_moved(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    struct outbox_error verdict = sql_owner_verdict(store, error);
    if (!verdict.code)
        obx_sql_outstanding_remove_dead_lettered(&store->outstanding, op->in);
    obx_sql_outstanding_removed(&store->outstanding);
    sql_op_complete(op, &verdict);
}

void sql_dead_letter(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *rows)
{
    struct sql_store *store = self;
    struct sql_op *op = sql_op_begin(store, id);
    op->in = rows;
    if (!sql_owner_may(op, "dead-letter rows"))
        return;
    obx_sql_outstanding_removing(&store->outstanding);
    op->request.transaction = true;
    sql_op_submit(op, store->owner, "dead-letter rows", store->driver->put_dead_letters, store->driver->removal_result,
                  on_moved);
    SQL_FAILPOINT(store, dead_letter_sent);
}
