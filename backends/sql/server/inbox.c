/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/inbox.c - the inbox of consumers: created, or printed. It needs no outbox in the same database.
 */
#include "sql/inbox.h"
#include "sql/server/verbs.h"

void sql_setup_inbox(void *self, outbox_op_t id)
{
    struct sql_op *op = sql_op_begin(self, id);
    op->request.fires_triggers = true; /* none; but the inbox is where the role's own path leads */
    sql_op_submit(op, op->store->owner, "set up the inbox", op->store->driver->put_inbox, NULL, sql_op_end);
}

void sql_append_inbox(const struct sql_store *store, struct obx_sql_text *sql, enum outbox_print what)
{
    if (what == OUTBOX_PRINT_INBOX_SQL)
        obx_inbox_script(sql, store->outbox.schema);
    else
        obx_inbox_grants(sql, store->outbox.schema);
}
