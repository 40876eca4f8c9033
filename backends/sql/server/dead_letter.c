/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/dead_letter.c - moving rows to the dead-letter table, in one transaction of the owner
 *
 * A row that is gone already counts as moved. A row that stays after its DELETE is not in the dead-letter table either:
 * the move ends with AGAIN, and names it.
 */
#include "sql/server/owner.h"
#include "sql/server/settle.h"
#include "sql/server/refused.h"

static void finish(struct sql_op *op, const struct outbox_error *error)
{
    obx_sql_outstanding_removed(&op->store->outstanding);
    sql_op_complete(op, error);
}

static void retire(struct sql_op *op)
{
    obx_sql_outstanding_remove_dead_lettered(&op->store->outstanding, op->in);
    finish(op, NULL);
}

static void on_looked(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    struct outbox_error verdict = *error;
    if (!verdict.code && store->remaining.count)
        outbox_error_set(&verdict, OUTBOX_E_AGAIN,
                         "dead-letter rows of %s.%s: the server has deleted row %s without an error, and it is still "
                         "there; check the triggers and rules on DELETE",
                         store->table.schema, store->outbox.name, sql_id_list(&store->remaining).text);
    if (verdict.code)
        finish(op, &verdict);
    else
        retire(op);
}

static bool note_rows(struct sql_store *store, const struct outbox_dead_letter_rows *rows)
{
    obx_sql_ranges_clear(&store->letters);
    for (uint32_t i = 0; i < rows->count; i++) {
        int64_t id = (int64_t)rows->rows[i].position.major;
        if (!obx_sql_ranges_add(store->host, &store->letters, id, id))
            return false;
    }
    return true;
}

static void on_moved(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    const struct obx_sql_ranges *letters = &store->letters;
    struct outbox_error verdict = sql_owner_verdict(store, error);
    uint64_t expected = sql_ranges_rows(letters->items, letters->count) * store->driver->dead_letter_effects;
    if (verdict.code)
        finish(op, &verdict);
    else if (op->removed < expected)
        sql_refused_look(op, letters->items, letters->count, on_looked);
    else
        retire(op);
}

void sql_dead_letter(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *rows)
{
    struct sql_store *store = self;
    struct sql_op *op = sql_op_begin(store, id);
    op->in = rows;
    if (!sql_owner_may(op, "dead-letter rows"))
        return;
    if (!note_rows(store, rows)) {
        sql_op_fail(op, OUTBOX_E_NO_MEMORY, "dead-letter rows of %s: out of memory", store->table_name);
        return;
    }
    obx_sql_outstanding_removing(&store->outstanding);
    op->request.transaction = true;
    sql_op_submit(op, store->owner, "dead-letter rows", store->driver->put_dead_letters, store->driver->removal_result,
                  on_moved);
    SQL_FAILPOINT(store, dead_letter_sent);
}
