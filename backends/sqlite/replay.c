/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/replay.c - put dead letters back into the outbox, or drop them; see dead.h
 *
 * A replay is one transaction: with on_reject: park-key a relay moves an event back as long as dead letters of its key
 * are left. Drops leave the lock to others after each 50 letters.
 */
#include "dead.h"
#include "rest.h"
#include "sql/dead.h"

#define CHUNK_LETTERS 50      /* that one transaction drops */
#define CHUNK_GAP_NS 1500000u /* the lock is left to others for so long after each */

struct statements {
    sqlite3_stmt *next, *replay, *drop;
    const char *what; /* begins the error texts */
};

/* A list of columns without its leading comma; "" without memory. */
static char *append_list(sqlite3_str *sql, char *list)
{
    sqlite3_str_appendall(sql, list ? list + 2 : "");
    return list;
}

static char *columns(const struct lite_schema *schema, struct lite_conn *conn, bool of_outbox, struct lite_set *set)
{
    sqlite3_str *list = sqlite3_str_new(conn->db);
    lite_schema_append_columns(schema, conn, list, of_outbox, set);
    lite_rest_append_columns(schema, conn, list, !of_outbox, set);
    return sqlite3_str_finish(list);
}

static char *replay_sql(const struct lite_schema *schema, struct lite_conn *conn, struct lite_set *set)
{
    sqlite3_str *sql = sqlite3_str_new(conn->db);
    sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (", schema->table);
    sqlite3_free(append_list(sql, columns(schema, conn, true, NULL)));
    sqlite3_str_appendall(sql, ") SELECT ");
    sqlite3_free(append_list(sql, columns(schema, conn, false, set)));
    sqlite3_str_appendf(sql, " FROM \"%w\" WHERE number = ?1", schema->dead_table);
    return sqlite3_str_finish(sql);
}

static int prepare_replay(struct lite_dead_op *dead, struct lite_conn *conn, struct statements *statements)
{
    const struct lite_schema *schema = &dead->op.store->schema;
    const char *column = obx_sql_dead_set_column(dead->args);
    struct lite_set set = {column, column ? dead->args->set_text : NULL, false};
    char *sql = replay_sql(schema, conn, &set);
    statements->replay = lite_prepare_once(conn, sql, LITE_READING_DEAD, &dead->op.error);
    if (lite_op_ok(&dead->op) && set.column && !set.used)
        outbox_error_set(&dead->op.error, OUTBOX_E_NOT_FOUND,
                         "replay dead letters of %s: table %s has no column %s that can be set", conn->path,
                         schema->table, set.column);
    return dead->op.error.code;
}

static int prepare(struct lite_dead_op *dead, struct lite_conn *conn, struct statements *statements)
{
    const struct lite_schema *schema = &dead->op.store->schema;
    struct outbox_error *error = &dead->op.error;
    bool replay = dead->args->action == OUTBOX_DEAD_REPLAY;
    char *next = sqlite3_mprintf("SELECT min(number) FROM \"%w\" WHERE number > ?1", schema->dead_table);
    statements->next = lite_prepare_once(conn, next, LITE_READING_DEAD, error);
    if (lite_op_ok(&dead->op))
        statements->drop =
            lite_prepare_once(conn, sqlite3_mprintf("DELETE FROM \"%w\" WHERE number = ?1", schema->dead_table),
                              LITE_READING_DEAD, error);
    if (lite_op_ok(&dead->op) && replay)
        prepare_replay(dead, conn, statements);
    return error->code;
}

/* For the letter with that number; nothing if there is no such statement. */
static bool execute(struct lite_dead_op *dead, struct lite_conn *conn, sqlite3_stmt *statement, uint64_t number,
                    const char *what)
{
    if (!statement)
        return lite_op_ok(&dead->op);
    sqlite3_bind_int64(statement, 1, (int64_t)number);
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE)
        lite_fail(conn, code, what, &dead->op.error);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

/* The next letter's number; 0: there is none. */
static uint64_t next_number(struct lite_dead_op *dead, struct lite_conn *conn, sqlite3_stmt *next)
{
    const struct outbox_dead *args = dead->args;
    if (args->count)
        return dead->index < args->count ? args->numbers[dead->index++] : 0;
    sqlite3_bind_int64(next, 1, (int64_t)dead->after);
    int code = sqlite3_step(next);
    uint64_t number = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(next, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, LITE_READING_DEAD, &dead->op.error);
    sqlite3_reset(next);
    dead->after = number;
    return number;
}

/* One transaction. False: it failed, or no letter is left. */
static bool move_chunk(struct lite_dead_op *dead, struct lite_conn *conn, const struct statements *statements)
{
    struct lite_op *op = &dead->op;
    uint64_t moved = 0, number = 1;
    if (lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), statements->what, &op->error))
        return false;
    for (int i = 0; (i < CHUNK_LETTERS || statements->replay) && lite_op_ok(op) &&
                    (number = next_number(dead, conn, statements->next));
         i++) {
        if (execute(dead, conn, statements->replay, number, statements->what) &&
            execute(dead, conn, statements->drop, number, statements->what))
            moved += (uint64_t)sqlite3_changes(conn->db);
    }
    if (lite_op_ok(op))
        lite_exec(conn, sqlite3_mprintf("COMMIT"), statements->what, &op->error);
    lite_rollback(conn);
    dead->affected += lite_op_ok(op) ? moved : 0;
    return lite_op_ok(op) && number && lite_op_sleep(op, conn->host, lite_now(op->store) + CHUNK_GAP_NS);
}

void lite_dead_move(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_dead_op *dead = (struct lite_dead_op *)op;
    bool replay = dead->args->action == OUTBOX_DEAD_REPLAY;
    struct statements statements = {.what = replay ? "replay dead letters of" : "drop dead letters of"};
    lite_admin_open(op, conn, statements.what);
    if (lite_op_ok(op) && !prepare(dead, conn, &statements))
        while (move_chunk(dead, conn, &statements)) {
        }
    sqlite3_finalize(statements.next);
    sqlite3_finalize(statements.drop);
    sqlite3_finalize(statements.replay);
}
