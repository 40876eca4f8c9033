/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/unreadable.c - see unreadable.h */
#include "sql/server/unreadable.h"

#include <stdio.h>

#include "sql/server/claim.h"
#include "sql/server/refused.h"
#include "sql/server/table.h"

enum { STEPS_MAX = 60, GAPS_MAX = 500 };

uint32_t sql_claim_rows(const struct sql_op *op)
{
    const struct outbox_claim *claim = sql_claim_of(op);
    uint32_t rows = claim->positions ? claim->position_count : claim->max_rows;
    return rows < op->store->claim_rows ? rows : op->store->claim_rows;
}

void sql_unreadable_reset(struct sql_store *store)
{
    for (uint32_t i = 0; i < store->selected_count; i++)
        store->selected[i].unreadable = false;
}

bool sql_unreadable_any(const struct sql_store *store)
{
    for (uint32_t i = 0; i < store->selected_count; i++)
        if (store->selected[i].unreadable)
            return true;
    return false;
}

static bool may_be_content(const struct outbox_error *error)
{
    return error->code == OUTBOX_E_INVALID || error->code == OUTBOX_E_IO || error->code == OUTBOX_E_CORRUPT;
}

/* ---- each column of the row -------------------------------------------------------------------------------------- */

static void try_column(struct sql_op *op);

static bool put_column(struct sql_request *request)
{
    const struct sql_op *op = request->arg;
    const struct sql_store *store = op->store;
    const struct sql_selected *selected = &store->selected[op->column];
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(&sql, "SELECT %n%s FROM ", selected->name,
                        selected->as_text && store->driver->as_text ? store->driver->as_text : "");
    sql_append_outbox(store, &sql);
    obx_sql_text_format(&sql, " WHERE %n = ", store->table.id);
    obx_sql_text_int(&sql, op->row_id);
    return store->driver->put_text(request, &sql);
}

/* A look-up that fails does not hide why the claim failed, unless the connection is gone. */
static void give_up(struct sql_op *op, const struct outbox_error *error)
{
    bool gone = error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_CANCELED;
    op->found = false;
    sql_unreadable_reset(op->store);
    sql_op_complete(op, gone ? error : &op->removal.error);
}

static void on_column(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_selected *selected = &op->store->selected[op->column];
    char why[160];
    if (error->code && !may_be_content(error)) {
        give_up(op, error);
        return;
    }
    if (error->code && !sql_unreadable_any(op->store)) {
        sql_copy_reason(why, sizeof why, error);
        snprintf(op->reason, sizeof op->reason, "column %.*s: %s", OUTBOX_CUT(selected->name, 60), why);
    }
    selected->unreadable = error->code != OUTBOX_OK;
    op->column++;
    try_column(op);
}

/* If all of them can be read now, the row has changed, or another one has come before it. */
static void try_column(struct sql_op *op)
{
    const struct sql_store *store = op->store;
    while (op->column < store->selected_count && !store->selected[op->column].encoding)
        op->column++;
    if (op->column == store->selected_count)
        op->then(op);
    else
        sql_op_submit(op, store->reader, "claim rows", put_column, NULL, on_column);
}

/* ---- which row? -------------------------------------------------------------------------------------------------- */

static void append_positions(const struct outbox_claim *claim, struct obx_sql_text *sql, const char *id)
{
    obx_sql_text_format(sql, "%n IN (", id);
    for (uint32_t i = 0; i < claim->position_count; i++) {
        obx_sql_text_puts(sql, i ? ", " : "");
        obx_sql_text_int(sql, (int64_t)claim->positions[i].major);
    }
    obx_sql_text_puts(sql, ")");
}

static void append_gaps(const struct obx_sql_gaps *gaps, struct obx_sql_text *sql, const char *id)
{
    obx_sql_text_format(sql, "%n > ", id);
    obx_sql_text_int(sql, gaps->hi);
    for (uint32_t i = 0; i < gaps->hot.count && i < GAPS_MAX; i++) {
        obx_sql_text_format(sql, " OR %n BETWEEN ", id);
        obx_sql_text_int(sql, gaps->hot.items[i].lo);
        obx_sql_text_puts(sql, " AND ");
        obx_sql_text_int(sql, gaps->hot.items[i].hi);
    }
}

static bool put_first_id(struct sql_request *request)
{
    const struct sql_op *op = request->arg;
    const struct sql_store *store = op->store;
    const struct outbox_claim *claim = sql_claim_of(op);
    struct obx_sql_text sql = sql_text(store);
    obx_sql_text_format(&sql, "SELECT %n FROM ", store->table.id);
    sql_append_outbox(store, &sql);
    obx_sql_text_puts(&sql, " WHERE ");
    if (claim->positions)
        append_positions(claim, &sql, store->table.id);
    else
        append_gaps(&store->gaps, &sql, store->table.id);
    obx_sql_text_format(&sql, " ORDER BY %n LIMIT 1", store->table.id);
    return store->driver->put_text(request, &sql);
}

static void on_first_id(struct sql_request *request, void *result)
{
    struct sql_op *op = request->arg;
    uint32_t rows = 0;
    op->found = op->store->driver->read_ids(op->store, result, &rows) && rows;
    op->row_id = op->found ? op->store->ids[0] : 0;
    op->store->driver->free_result(result);
}

static void on_id(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (error->code || !op->found) {
        give_up(op, error);
        return;
    }
    op->column = 0;
    try_column(op);
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

bool sql_unreadable_search(struct sql_op *op, const struct outbox_error *error, void (*again)(struct sql_op *op))
{
    uint32_t rows = sql_claim_rows(op);
    if (!may_be_content(error) || op->tries++ >= STEPS_MAX)
        return false;
    sql_op_drop_result(op);
    sql_unreadable_reset(op->store);
    op->found = false;
    op->then = again;
    op->removal.error = *error;
    op->request.sql = &op->sql;
    op->store->claim_rows = rows > 1 ? rows / 2 : 1;
    if (rows > 1)
        again(op);
    else
        sql_op_submit(op, op->store->reader, "claim rows", put_first_id, on_first_id, on_id);
    return true;
}

bool sql_unreadable_is_found(struct sql_op *op, const struct sql_reading *reading)
{
    struct sql_store *store = op->store;
    if (!op->found || (reading->rows == 1 && store->ids[0] == op->row_id))
        return true;
    op->found = false;
    sql_unreadable_reset(store);
    sql_op_drop_result(op);
    return false;
}

void sql_unreadable_mark(struct sql_op *op, struct obx_sql_batch *batch)
{
    struct sql_store *store = op->store;
    store->claim_rows = store->claim_rows > UINT32_MAX / 2 ? UINT32_MAX : store->claim_rows * 2;
    if (!op->found)
        return;
    if (batch && sql_unreadable_any(store))
        obx_sql_batch_set_unreadable(batch, op->reason);
    op->found = false;
    sql_unreadable_reset(store);
}
