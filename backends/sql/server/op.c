/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/op.c - operations: their scratch memory, their requests, their end */
#include "sql/server/op.h"

struct obx_sql_text sql_text(const struct sql_store *store)
{
    return (struct obx_sql_text){.host = store->host, .dialect = store->driver->dialect};
}

void sql_copy_cell(char *to, size_t size, struct outbox_bytes cell)
{
    snprintf(to, size, "%.*s", outbox_cut_bytes(cell, size - 1), cell.data ? (const char *)cell.data : "");
}

struct sql_op *sql_op_begin(struct sql_store *store, outbox_op_t id)
{
    struct sql_op *op = store->host->op_scratch(store->host, id);
    op->store = store;
    op->id = id;
    op->sql = sql_text(store);
    op->request.sql = &op->sql;
    store->ops++;
    return op;
}

void sql_op_drop_result(struct sql_op *op)
{
    op->store->driver->free_result(op->result);
    op->result = NULL;
}

void sql_op_complete(struct sql_op *op, const struct outbox_error *error)
{
    struct sql_store *store = op->store;
    outbox_op_t id = op->id;
    sql_op_drop_result(op);
    obx_sql_text_free(&op->sql);
    store->ops--;
    if (store->claim_op == id)
        store->claim_op = 0;
    store->host->op_done(store->host, id, error); /* the scratch memory is gone now */
    store->when_idle(store);
}

void sql_op_fail(struct sql_op *op, int code, const char *format, ...)
{
    struct outbox_error error;
    va_list list;
    va_start(list, format);
    outbox_error_setv(&error, code, format, list);
    va_end(list);
    sql_op_complete(op, &error);
}

void sql_op_submit(struct sql_op *op, struct sql_lane *lane, const char *what, bool (*put)(struct sql_request *request),
                   void (*result)(struct sql_request *request, void *result),
                   void (*done)(struct sql_request *request, const struct outbox_error *error))
{
    op->request = (struct sql_request){.what = what,
                                       .put = put,
                                       .text = op->request.text,
                                       .result = result,
                                       .done = done,
                                       .arg = op,
                                       .store = op->store,
                                       .sql = op->request.sql,
                                       .transaction = op->request.transaction,
                                       .first = op->request.first,
                                       .fires_triggers = op->request.fires_triggers};
    sql_lane_submit(lane, &op->request);
}

void sql_op_store_result(struct sql_request *request, void *result)
{
    struct sql_op *op = request->arg;
    if (!result)
        return;
    sql_op_drop_result(op);
    op->result = result;
}

void sql_op_end(struct sql_request *request, const struct outbox_error *error)
{
    sql_op_complete(request->arg, error);
}

void sql_op_continue(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (error->code)
        sql_op_complete(op, error);
    else
        op->then(op);
}

#ifdef OUTBOX_WITH_FAILPOINTS
int sql_failpoint(const struct sql_store *store, const char *step, struct outbox_error *error)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", store->driver->name, step);
    return outbox_failpoint(store->host, name, error);
}
#endif
