/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/dead_letter.c - move rejected rows to the dead-letter table, in short write transactions
 *
 * Each row is inserted there and removed here, or neither: a row that cannot be removed leaves no dead letter.
 * Failure modes: AGAIN, a row cannot be moved; the error names it, and the other rows were moved. Otherwise those of
 * write.h. What earlier transactions moved stays moved; the host tries all rows again, and a
 * row that is no longer in the outbox is not copied again.
 */
#include <stdio.h>

#include "insert.h"
#include "write.h"

#define MOVING "move rows to the dead letters of"

struct dead_letter_op {
    struct lite_op op;
    const struct outbox_dead_letter_rows *args;
    bool one_by_one;   /* a trigger rolls transactions back: a row in each */
    uint32_t failures; /* of rows */
    char reason[224];  /* of the first */
};
LITE_OP_FITS(struct dead_letter_op);

/* False: error is filled. */
static bool insert_dead_letter(struct lite_conn *conn, const struct outbox_dead_row *row, struct outbox_error *error)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_DEAD];
    sqlite3_bind_int64(statement, 1, (int64_t)row->position.major);
    sqlite3_bind_text(statement, 4, row->reason, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, row->attempts);
    int native = lite_bind_bytes(statement, 2, row->topic);
    if (native == SQLITE_OK)
        native = lite_bind_bytes(statement, 3, row->key);
    if (native != SQLITE_OK)
        lite_fail(conn, native, MOVING, error);
    else
        lite_step(conn, STATEMENT_DEAD, MOVING, error);
    sqlite3_clear_bindings(statement);
    return !error->code;
}

/* Insert and remove; both, or neither. False: error is filled, and nothing has changed. */
static bool move_row(struct lite_conn *conn, const struct outbox_dead_row *row, struct outbox_error *error)
{
    char why[160];
    int64_t id = (int64_t)row->position.major;
    if (lite_step(conn, STATEMENT_SAVEPOINT, MOVING, error))
        return false;
    bool moved = insert_dead_letter(conn, row, error);
    if (moved && !lite_remove_row(conn, id, why, sizeof why)) {
        moved = false;
        outbox_error_set(error, OUTBOX_E_AGAIN,
                         MOVING " %s: row %lld cannot be removed: %s; correct the triggers of the "
                                "table",
                         conn->path, (long long)id, why);
    }
    if (!sqlite3_get_autocommit(conn->db)) {
        if (!moved)
            lite_step(conn, STATEMENT_UNDO, MOVING, &(struct outbox_error){0});
        lite_step(conn, STATEMENT_RELEASE, MOVING, &(struct outbox_error){0});
    }
    return moved;
}

static bool reports_kept(const struct outbox_dead_letter_rows *rows)
{
    return OUTBOX_HAS_MEMBER(rows, refused) && rows->kept && rows->refused;
}

/* A row that cannot be moved does not end the connection: the other rows are moved, and the host tries again. */
static void keep_failure(struct dead_letter_op *move, uint32_t index, const struct outbox_error *error)
{
    switch (error->code) {
    case OUTBOX_E_NOT_FOUND:
    case OUTBOX_E_SCHEMA:
    case OUTBOX_E_INVALID:
    case OUTBOX_E_PERMISSION:
    case OUTBOX_E_AGAIN:
        if (!move->failures++)
            snprintf(move->reason, sizeof move->reason, "%.*s", OUTBOX_CUT(error->text, sizeof move->reason - 1));
        if (reports_kept(move->args))
            move->args->kept[index] = 1;
        break;
    default:
        move->op.error = *error;
    }
}

/* One transaction, of at least one row. Returns the index of the next row. */
static uint32_t move_chunk(struct dead_letter_op *move, struct lite_conn *conn, const uint32_t from)
{
    const struct outbox_dead_letter_rows *rows = move->args;
    struct lite_op *op = &move->op;
    uint32_t next = from;
    bool rolled_back;
    if (lite_write_begin(op, conn, MOVING))
        return rows->count;
    do {
        struct outbox_error error = {0};
        if (!move_row(conn, &rows->rows[next], &error))
            keep_failure(move, next, &error);
        next++;
        rolled_back = sqlite3_get_autocommit(conn->db);
    } while (next < rows->count && lite_op_ok(op) && !rolled_back && !move->one_by_one && !lite_write_is_over(op));
    if (rolled_back && lite_op_ok(op)) {
        move->one_by_one = true;
        return next - from > 1 ? from : next; /* the rows before it were not moved */
    }
    lite_write_commit(op, conn, MOVING);
    return next;
}

static void report_kept(struct dead_letter_op *move)
{
    const struct outbox_dead_letter_rows *rows = move->args;
    if (!reports_kept(rows)) {
        outbox_error_set(&move->op.error, OUTBOX_E_AGAIN, "%s", move->reason);
        return;
    }
    for (uint32_t i = 0; i < rows->count; i++)
        rows->refused->rows += rows->kept[i];
    snprintf(rows->refused->reason, sizeof rows->refused->reason, "%.*s",
             OUTBOX_CUT(move->reason, sizeof rows->refused->reason - 1));
}

static void dead_letter_run(struct lite_op *op, struct lite_conn *conn)
{
    struct dead_letter_op *move = (struct dead_letter_op *)op;
    for (uint32_t next = 0; next < move->args->count && lite_op_ok(op);)
        next = move_chunk(move, conn, next);
    if (lite_op_ok(op) && move->failures)
        report_kept(move);
}

static void dead_letter_finish(struct lite_op *op)
{
    struct lite_store *store = op->store;
    const struct outbox_dead_letter_rows *rows = ((struct dead_letter_op *)op)->args;
    for (uint32_t i = 0; lite_op_ok(op) && i < rows->count; i++) {
        int64_t id = (int64_t)rows->rows[i].position.major;
        if (reports_kept(rows) && rows->kept[i])
            continue;
        obx_sql_ranges_remove(store->host, &store->reader.outstanding, id, id);
    }
}

void lite_dead_letter(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *rows)
{
    struct lite_store *store = self;
    struct dead_letter_op *move = lite_op_begin(&store->lanes, id, LANE_WRITE, dead_letter_run);
    move->args = rows;
    move->op.finish = dead_letter_finish;
    lite_op_submit(&move->op);
}
