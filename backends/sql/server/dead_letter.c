/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/dead_letter.c - moving rows to the dead-letter table, in transactions of the owner
 *
 *   window of rows -> INSERT, DELETE -> as many as rows -> next window, of twice as many rows
 *                                    -> fewer: which of the rows remain? those are kept -> next window
 *                                    -> it failed: does it work without rows? -> the same rows, in half the window
 *                                                                             -> one row: it is kept -> next window
 *                                    -> it waited for a lock in vain -> the same rows, without waiting
 *
 * Each row is inserted there and removed here, or neither. A row that is gone already counts as moved. Rows that cannot
 * be moved are reported to a host that requests them; to others the move ends with AGAIN, and names one. So does a move
 * that fails without rows as well: the table is missing, or the right to insert.
 */
#include "sql/server/dead_letter.h"

#include "sql/server/locked_rows.h"
#include "sql/server/owner.h"
#include "sql/server/refused.h"
#include "sql/server/removal_failure.h"
#include "sql/server/settle.h"

enum { FAILURES_MAX = 30 }; /* statements of one move */

static void next_window(struct sql_op *op);

struct outbox_dead_letter_rows sql_dead_letter_rows(const struct sql_op *op)
{
    struct outbox_dead_letter_rows rows = *(const struct outbox_dead_letter_rows *)op->in;
    rows.rows += op->first;
    rows.count = op->count;
    return rows;
}

static const struct outbox_dead_letter_rows *all_rows(const struct sql_op *op)
{
    return op->in;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void finish(struct sql_op *op, const struct outbox_error *error)
{
    obx_sql_outstanding_removed(&op->store->outstanding);
    sql_op_complete(op, error);
}

static void finish_again(struct sql_op *op)
{
    op->removal.error.code = OUTBOX_E_AGAIN;
    finish(op, &op->removal.error);
}

static bool reports_kept(const struct outbox_dead_letter_rows *rows)
{
    return OUTBOX_HAS_MEMBER(rows, refused) && rows->kept && rows->refused;
}

/* All rows were tried. */
static void finish_all(struct sql_op *op)
{
    const struct outbox_dead_letter_rows *rows = all_rows(op);
    struct outbox_error *error = &op->removal.error;
    if (op->kept && reports_kept(rows)) {
        rows->refused->rows = op->kept;
        snprintf(rows->refused->reason, sizeof rows->refused->reason, "%.*s",
                 OUTBOX_CUT(error->text, sizeof rows->refused->reason - 1));
        error->code = OUTBOX_OK;
    }
    finish(op, op->kept ? error : NULL);
}

/* ---- rows that stay ---------------------------------------------------------------------------------------------- */

static void keep_row(struct sql_op *op, uint32_t index)
{
    const struct outbox_dead_letter_rows *rows = all_rows(op);
    if (reports_kept(rows))
        rows->kept[index] = 1;
    op->kept++;
}

static void set_reason(struct sql_op *op, int64_t id)
{
    char why[200];
    struct outbox_error *error = &op->removal.error;
    if (op->store->driver->is_lock_wait(error))
        snprintf(why, sizeof why, "another session has locked it");
    else
        sql_copy_reason(why, sizeof why, error);
    outbox_error_set(error, OUTBOX_E_AGAIN, "dead-letter rows of %s.%s: row %lld: %s", op->store->table.schema,
                     op->store->outbox.name, (long long)id, why);
}

static int64_t id_of(const struct sql_op *op, uint32_t index)
{
    return (int64_t)all_rows(op)->rows[index].position.major;
}

static void keep_window(struct sql_op *op)
{
    set_reason(op, id_of(op, op->first));
    for (uint32_t i = op->first; i < op->first + op->count; i++)
        keep_row(op, i);
    op->first += op->count;
}

/* But for those that remain, the rows of the window are gone. */
static void retire_window(struct sql_op *op, const struct obx_sql_ranges *remaining)
{
    for (uint32_t i = op->first; i < op->first + op->count; i++) {
        int64_t id = id_of(op, i);
        if (remaining && obx_sql_ranges_contain(remaining, id))
            keep_row(op, i);
        else
            obx_sql_outstanding_remove(&op->store->outstanding, id, id);
    }
    op->first += op->count;
    op->window = op->count * 2;
    next_window(op);
}

/* ---- the answers ------------------------------------------------------------------------------------------------- */

static void set_reason_of_remaining(struct sql_op *op)
{
    const struct sql_store *store = op->store;
    bool locked = op->removal.mode == SQL_LOCKED_SKIP;
    outbox_error_set(&op->removal.error, OUTBOX_E_AGAIN, "dead-letter rows of %s.%s: %s row %s%s", store->table.schema,
                     store->outbox.name, locked ? "another session has locked" : "the server has deleted",
                     sql_id_list(&store->remaining).text,
                     locked ? "" : " without an error, and it is still there; check the triggers and rules on DELETE");
}

static void on_remaining(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct outbox_error verdict = *error;
    if (error->code) {
        sql_keep_connection(&verdict);
        finish(op, &verdict);
        return;
    }
    if (op->store->remaining.count)
        set_reason_of_remaining(op);
    retire_window(op, &op->store->remaining);
}

static void divide(struct sql_op *op)
{
    bool over = op->removal.failures >= FAILURES_MAX || op->removal.error.code == OUTBOX_E_TIMEOUT;
    if (over)
        op->count = all_rows(op)->count - op->first; /* these are tried first in the next move */
    if (over || op->count == 1)
        keep_window(op);
    else
        op->window = op->count / 2;
    next_window(op);
}

static void on_trial(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct outbox_error verdict = sql_owner_verdict(request, error);
    op->removal.verified = true;
    op->count = op->window;
    if (!verdict.code)
        divide(op);
    else if (sql_may_be_a_row(&verdict))
        finish_again(op); /* the first failure, which was no row's */
    else
        finish(op, &verdict);
}

static void submit(struct sql_op *op, void (*done)(struct sql_request *request, const struct outbox_error *error))
{
    op->removed = 0;
    op->removal.sent_ns = op->store->host->now(op->store->host);
    op->request.transaction = op->request.fires_triggers = true;
    sql_op_submit(op, op->store->owner, "dead-letter rows", op->store->driver->put_dead_letters,
                  op->store->driver->removal_result, done);
}

static void try_without_rows(struct sql_op *op)
{
    op->count = 0;
    submit(op, on_trial);
}

/* The same rows, without waiting. A wait that took long may have been for a lock of the table. */
static void on_lock(struct sql_op *op)
{
    struct sql_removal *removal = &op->removal;
    sql_locked_found(op->store, SQL_LOCKED_SKIP);
    if (removal->mode == SQL_LOCKED_HURRY && removal->verified) {
        divide(op);
    } else if (removal->mode == SQL_LOCKED_HURRY) {
        try_without_rows(op);
    } else if (removal->mode == SQL_LOCKED_SKIP || sql_removal_took_long(op)) {
        finish_again(op);
    } else {
        removal->mode = op->store->driver->retry_mode;
        next_window(op);
    }
}

static void on_failed(struct sql_op *op, const struct outbox_error *error)
{
    switch (sql_removal_failed(op, error, op->count)) {
    case SQL_FAILURE_OF_ROWS:
        divide(op);
        break;
    case SQL_FAILURE_UNPROVEN:
        try_without_rows(op);
        break;
    case SQL_FAILURE_OF_LOCK:
        on_lock(op);
        break;
    default:
        finish(op, &op->removal.error);
    }
}

static void on_moved(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct sql_store *store = op->store;
    const struct obx_sql_ranges *letters = &store->letters;
    struct outbox_error verdict = sql_owner_verdict(request, error);
    uint64_t expected = sql_ranges_rows(letters->items, letters->count) * store->driver->dead_letter_effects;
    if (verdict.code)
        on_failed(op, &verdict);
    else if (op->removed < expected)
        sql_remaining_read(op, letters->items, letters->count, on_remaining);
    else
        retire_window(op, NULL);
}

/* ---- the move ---------------------------------------------------------------------------------------------------- */

static bool note_rows(struct sql_op *op)
{
    struct sql_store *store = op->store;
    obx_sql_ranges_clear(&store->letters);
    for (uint32_t i = op->first; i < op->first + op->count; i++)
        if (!obx_sql_ranges_add(store->host, &store->letters, id_of(op, i), id_of(op, i)))
            return false;
    return true;
}

static void next_window(struct sql_op *op)
{
    struct outbox_error error;
    uint32_t left = all_rows(op)->count - op->first;
    if (!left) {
        finish_all(op);
        return;
    }
    op->window = op->count = op->window < left ? op->window : left;
    if (note_rows(op)) {
        submit(op, on_moved);
        return;
    }
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "dead-letter rows of %s: out of memory", op->store->table_name);
    finish(op, &error);
}

void sql_dead_letter(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *rows)
{
    struct sql_store *store = self;
    struct sql_op *op = sql_op_begin(store, id);
    op->in = rows;
    op->window = rows->count;
    op->removal.mode = sql_locked_mode(store) == SQL_LOCKED_WAIT ? SQL_LOCKED_WAIT : store->driver->retry_mode;
    if (!sql_owner_may(op, "dead-letter rows"))
        return;
    obx_sql_outstanding_removing(&store->outstanding);
    next_window(op);
    SQL_FAILPOINT(store, dead_letter_sent);
}
