/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/status.c - pending rows, the oldest of them, and the owner
 *
 * Counting a large outbox costs a scan of its index. Above a million rows the server's estimate is given, if it is
 * higher.
 */
#include "sql/server/table.h"
#include "sql/server/verbs.h"

bool sql_put_status(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const struct sql_column *created = sql_column_of(store, "created_at"),
                            *id = sql_column_find(&store->table, store->table.id);
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_puts(&sql, "SELECT (SELECT CASE WHEN COUNT(*) <= 1000000 THEN COUNT(*) ELSE GREATEST(COUNT(*), (");
    store->driver->append_estimate(store, &sql);
    obx_sql_text_puts(&sql, ")) END FROM (SELECT 1 FROM ");
    sql_append_outbox(store, &sql);
    obx_sql_text_puts(&sql, " LIMIT 1000001) c), (SELECT ");
    if (created && id) {
        obx_sql_text_format(&sql, store->driver->epoch_us, created->name);
        obx_sql_text_puts(&sql, " FROM ");
        sql_append_outbox(store, &sql);
        obx_sql_text_format(&sql, " ORDER BY %n LIMIT 1), ", id->name);
    } else {
        obx_sql_text_puts(&sql, "NULL), ");
    }
    store->driver->append_owner(store, &sql);
    return store->driver->put_text(request, &sql);
}

struct outbox_store_status *sql_report_status(struct sql_op *op, struct sql_row *row)
{
    const struct sql_driver *driver = op->store->driver;
    struct outbox_store_status *status = op->out;
    *row = (struct sql_row){.result = op->result};
    if (!op->result || !driver->next_row(row))
        return NULL;
    status->pending = driver->number(row, SQL_STATUS_PENDING, -1);
    status->oldest_us = driver->number(row, SQL_STATUS_OLDEST_US, -1);
    return status;
}

bool sql_put_dead_count(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    obx_sql_text_puts(&sql, "SELECT COUNT(*) FROM ");
    sql_append_dead(request->store, &sql);
    return request->store->driver->put_text(request, &sql);
}

void sql_report_dead_count(struct sql_op *op)
{
    struct outbox_store_status *status = op->out;
    status->dead = sql_check_number(op, 0, -1);
}

static void done(struct sql_op *op)
{
    sql_op_complete(op, NULL);
}

void sql_status(void *self, outbox_op_t id, struct outbox_store_status *status)
{
    struct sql_op *op = sql_op_begin(self, id);
    op->out = status;
    status->pending = status->oldest_us = status->dead = -1;
    OUTBOX_SET_MEMBER(status, owner_since_us, -1);
    status->owner[0] = status->server[0] = status->identity[0] = '\0';
    if (op->store->table.exists)
        sql_probes_run(op, op->store->driver->status_probes, done);
    else
        sql_op_fail(op, OUTBOX_E_NOT_FOUND, "read the status: there is no table %s; run 'outbox init'",
                    op->store->table_name);
}
