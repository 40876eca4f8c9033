/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/check_trial.c - can the first rows be read and removed? Those that cannot are named
 *
 *   read all of them -> fails -> which ids? -> read each by itself -> a finding for each that fails
 *   remove all of them, without effect -> the same
 *
 * Bytes that no client gets, and virtual columns that raise, keep rows from being read. Triggers, rules and foreign
 * keys decide about removals, and run as they do for the relay; a trigger may raise for one row only, and the user may
 * not be allowed to see it. So removals are tried where something acts on them, or may do so unseen. Rows that another
 * session holds are no finding.
 */
#include "sql/server/check_trial.h"

#include <stdio.h>

#include "sql/server/table.h"

enum { NAMED_MAX = 5 };

struct trial {
    const char *what, *failure, *advice;
    bool removes;
};
static const struct trial trials[] = {
    {"try to read events", "read", "correct its values: until then the relay rejects this event as it is", false},
    {"try to remove events", "removed",
     "correct the triggers, rules and foreign keys that act on a removal; until then such events stay, and are "
     "published again after each start",
     true},
};
enum { TRIALS = sizeof trials / sizeof *trials };

static void next_trial(struct sql_op *op);
static void next_row(struct sql_op *op);

static const struct trial *trial_of(const struct sql_op *op)
{
    return &trials[op->window];
}

/* Each column as text, so that the server has to compute it. */
static bool put_reading(struct sql_request *request)
{
    const struct sql_op *op = sql_op_of(request);
    const struct sql_store *store = op->store;
    bool postgres = store->driver->dialect == OBX_SQL_POSTGRES;
    struct obx_sql_text sql = sql_text(store);
    for (uint32_t i = 0; i < store->table.column_count; i++)
        obx_sql_text_format(&sql,
                            postgres ? "%scount(convert_to(%n::text, CASE current_setting('server_encoding') WHEN "
                                       "'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END))"
                                     : "%sMAX(LENGTH(%n))",
                            i ? ", " : "SELECT ", store->table.columns[i].name);
    obx_sql_text_puts(&sql, " FROM (SELECT * FROM ");
    sql_append_outbox(store, &sql);
    sql_append_trial_rows(op, &sql);
    obx_sql_text_puts(&sql, ") r");
    return store->driver->put_text(request, &sql);
}

void sql_append_trial_rows(const struct sql_op *op, struct obx_sql_text *sql)
{
    const char *id = op->store->table.id;
    if (op->found) {
        bool postgres = op->store->driver->dialect == OBX_SQL_POSTGRES;
        obx_sql_text_format(sql, " WHERE %n %s ", id, postgres ? "OPERATOR(pg_catalog.=)" : "=");
        obx_sql_text_int(sql, op->row_id);
    }
    obx_sql_text_format(sql, " ORDER BY %n LIMIT %d", id, op->found ? 1 : SQL_TRIAL_ROWS);
}

static bool put_trial(struct sql_request *request)
{
    return trial_of(sql_op_of(request))->removes ? request->store->driver->put_removal_trial(request)
                                                 : put_reading(request);
}

/* NULL: it did not fail, or for a reason that does not concern the rows. */
static const char *failure_of(const struct sql_op *op, const struct outbox_error *error)
{
    bool unknown = error->code == OUTBOX_E_AGAIN || error->code == OUTBOX_E_TIMEOUT;
    if (unknown)
        return NULL;
    if (trial_of(op)->removes)
        return op->store->driver->removal_refusal(error);
    return error->code == OUTBOX_E_INVALID || error->code == OUTBOX_E_IO || error->code == OUTBOX_E_CORRUPT
               ? error->text
               : NULL;
}

static void submit(struct sql_op *op, void (*done)(struct sql_request *request, const struct outbox_error *error))
{
    const struct trial *trial = trial_of(op);
    sql_op_drop_result(op);
    obx_sql_text_clear(&op->sql);
    op->request.text = NULL;
    op->request.transaction = op->request.fires_triggers = trial->removes;
    sql_op_submit(op, op->store->owner, trial->what, put_trial, NULL, done);
    /* op may have ended */
}

static bool is_lost(const struct outbox_error *error)
{
    return error->code == OUTBOX_E_NOT_CONNECTED || error->code == OUTBOX_E_CANCELED;
}

/* ---- each row by itself ------------------------------------------------------------------------------------------ */

static void on_row(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = sql_op_of(request);
    const struct sql_store *store = op->store;
    if (is_lost(error)) {
        sql_op_complete(op, error);
        return;
    }
    const char *reason = failure_of(op, error);
    if (reason) {
        op->kept++;
        sql_check_report(op, OUTBOX_SEVERITY_ERROR, trial_of(op)->advice, "row %lld of table %s.%s cannot be %s: %s",
                         (long long)op->row_id, store->table.schema, store->outbox.name, trial_of(op)->failure, reason);
    }
    op->first++;
    next_row(op);
}

static void report_all(const struct sql_op *op)
{
    const struct sql_store *store = op->store;
    sql_check_report(op, OUTBOX_SEVERITY_ERROR, trial_of(op)->advice,
                     "the first %d rows of table %s.%s cannot be %s together: %s", SQL_TRIAL_ROWS, store->table.schema,
                     store->outbox.name, trial_of(op)->failure, op->reason);
}

static void next_row(struct sql_op *op)
{
    if (op->first < op->count && op->kept < NAMED_MAX) {
        op->row_id = op->store->ids[op->first];
        submit(op, on_row);
        return;
    }
    if (!op->kept)
        report_all(op);
    op->window++;
    next_trial(op);
}

static bool put_ids(struct sql_request *request)
{
    const struct sql_op *op = sql_op_of(request);
    struct obx_sql_text sql = sql_text(op->store);
    obx_sql_text_format(&sql, "SELECT %n FROM ", op->store->table.id);
    sql_append_outbox(op->store, &sql);
    sql_append_trial_rows(op, &sql);
    return op->store->driver->put_text(request, &sql);
}

static void on_ids(struct sql_request *request, void *result)
{
    struct sql_op *op = sql_op_of(request);
    if (!op->store->driver->read_ids(op->store, result, &op->count))
        op->count = 0;
    op->store->driver->free_result(result);
}

static void on_ids_read(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = sql_op_of(request);
    if (is_lost(error)) {
        sql_op_complete(op, error);
        return;
    }
    op->first = op->kept = 0;
    op->found = true;
    next_row(op);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void on_all(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = sql_op_of(request);
    if (is_lost(error)) {
        sql_op_complete(op, error);
        return;
    }
    const char *reason = failure_of(op, error);
    if (!reason) {
        op->window++;
        next_trial(op);
        return;
    }
    snprintf(op->reason, sizeof op->reason, "%.*s", OUTBOX_CUT(reason, sizeof op->reason - 1));
    op->count = 0;
    op->request.transaction = op->request.fires_triggers = false;
    sql_op_submit(op, op->store->owner, "read ids of events", put_ids, on_ids, on_ids_read);
}

static void next_trial(struct sql_op *op)
{
    while (op->window < TRIALS && trial_of(op)->removes && !op->removal_suspect)
        op->window++;
    op->found = false;
    op->request.transaction = op->request.fires_triggers = false;
    if (op->window == TRIALS)
        op->then(op);
    else
        submit(op, on_all);
}

void sql_check_trial(struct sql_op *op, void (*then)(struct sql_op *op))
{
    op->then = then;
    op->window = sql_column_find(&op->store->table, op->store->table.id) ? 0 : TRIALS;
    next_trial(op);
}
