/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/dead_letter.c - move rejected rows to the dead-letter table, in short write transactions
 *
 * Failure modes: those of write.h. What earlier transactions moved stays moved; the host tries all rows again, and a
 * row that is no longer in the outbox is not copied again.
 */
#include "insert.h"
#include "write.h"

#define MOVING "move rows to the dead letters of"

struct dead_letter_op {
    struct lite_op op;
    const struct outbox_dead_letter_rows *args;
};
LITE_OP_FITS(struct dead_letter_op);

static int insert_dead_letter(struct lite_op *op, struct lite_conn *conn, const struct outbox_dead_row *row)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_DEAD];
    sqlite3_bind_int64(statement, 1, (int64_t)row->position.major);
    sqlite3_bind_text(statement, 4, row->reason, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, row->attempts);
    int native = lite_bind_bytes(statement, 2, row->topic);
    if (native == SQLITE_OK)
        native = lite_bind_bytes(statement, 3, row->key);
    if (native != SQLITE_OK)
        lite_fail(conn, native, MOVING, &op->error);
    else
        lite_step(conn, STATEMENT_DEAD, MOVING, &op->error);
    sqlite3_clear_bindings(statement);
    return op->error.code;
}

static void move_row(struct lite_op *op, struct lite_conn *conn, const struct outbox_dead_row *row)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_DELETE];
    if (insert_dead_letter(op, conn, row))
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)row->position.major);
    sqlite3_bind_int64(statement, 2, (int64_t)row->position.major);
    lite_step(conn, STATEMENT_DELETE, MOVING, &op->error);
}

/* One transaction, of at least one row. Returns the index of the next row. */
static uint32_t move_chunk(struct lite_op *op, struct lite_conn *conn, uint32_t from)
{
    const struct outbox_dead_letter_rows *rows = ((struct dead_letter_op *)op)->args;
    if (lite_write_begin(op, conn, MOVING))
        return rows->count;
    do {
        move_row(op, conn, &rows->rows[from++]);
    } while (from < rows->count && lite_op_ok(op) && !lite_write_is_over(op));
    lite_write_commit(op, conn, MOVING);
    return from;
}

static void dead_letter_run(struct lite_op *op, struct lite_conn *conn)
{
    const struct outbox_dead_letter_rows *rows = ((struct dead_letter_op *)op)->args;
    for (uint32_t next = 0; next < rows->count && lite_op_ok(op);)
        next = move_chunk(op, conn, next);
}

static void dead_letter_finish(struct lite_op *op)
{
    struct lite_store *store = op->store;
    const struct outbox_dead_letter_rows *rows = ((struct dead_letter_op *)op)->args;
    for (uint32_t i = 0; lite_op_ok(op) && i < rows->count; i++) {
        int64_t id = (int64_t)rows->rows[i].position.major;
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
