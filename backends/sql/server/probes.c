/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/probes.c - runs the queries of a verb, one after the other
 *
 * A refusal may be a result, too: the user lacks the privilege, or the table does not exist. A result of another shape
 * than the query has, which only something between here and the server can give, fails the verb.
 */
#include "sql/server/verbs.h"

static void next(struct sql_op *op);

static bool is_fatal(const struct outbox_error *error)
{
    return error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_NO_MEMORY ||
           error->code == OUTBOX_E_CANCELED;
}

/* False: the operation has failed. */
static bool has_shape(struct sql_op *op, const struct sql_probe *probe)
{
    struct outbox_error wrong;
    if (!probe->columns || op->store->driver->column_count(op->result) == probe->columns)
        return true;
    sql_bad_shape(&wrong, probe->what);
    sql_op_complete(op, &wrong);
    return false;
}

static void answered(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    const struct sql_probe *probe = op->probe++;
    if (error->code && (is_fatal(error) || !probe->refused || !probe->refused(op, error))) {
        sql_op_complete(op, error);
        return;
    }
    if (!error->code && !has_shape(op, probe))
        return;
    if (!error->code && probe->report)
        probe->report(op);
    next(op);
}

static void next(struct sql_op *op)
{
    if (!op->probe->what) {
        op->then(op);
        return;
    }
    sql_op_drop_result(op);
    op->request.text = op->probe->text;
    sql_op_submit(op, op->store->owner, op->probe->what, op->probe->put, sql_op_store_result, answered);
}

void sql_probes_run(struct sql_op *op, const struct sql_probe *probes, void (*then)(struct sql_op *op))
{
    op->probe = probes;
    op->then = then;
    next(op);
}

bool sql_probe_is_optional(struct sql_op *op, const struct outbox_error *error)
{
    (void)op;
    return error->code == OUTBOX_E_NOT_FOUND || error->code == OUTBOX_E_PERMISSION || error->code == OUTBOX_E_SCHEMA;
}
