/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/status.c - how many rows are pending, since when, how many are dead letters, and who relays */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "created_at.h"
#include "store.h"

#define READING "read the status of"

struct status_op {
    struct lite_op op;
    struct outbox_store_status *args;
    int64_t pending, oldest_us, dead, owner_since_us;
    char owner[sizeof(((struct outbox_store_status *)0)->owner)];
    char identity[sizeof(((struct outbox_store_status *)0)->identity)];
};
LITE_OP_FITS(struct status_op);

static int64_t count_rows(struct lite_op *op, struct lite_conn *conn, const char *table)
{
    return lite_op_ok(op)
               ? lite_query_int64(conn, sqlite3_mprintf("SELECT count(*) FROM \"%w\"", table), READING, &op->error)
               : -1;
}

static int64_t read_oldest_us(struct lite_op *op, struct lite_conn *conn)
{
    const struct lite_schema *schema = &op->store->schema;
    const char *created_at = schema->physical[COLUMN_CREATED_AT];
    int64_t oldest = LITE_NO_TIME;
    if (!lite_op_ok(op) || !lite_schema_has_column(conn, schema->table, created_at))
        return -1;
    sqlite3_stmt *statement = lite_prepare_once(conn,
                                                sqlite3_mprintf("SELECT \"%w\" FROM \"%w\" ORDER BY \"%w\" LIMIT 1",
                                                                created_at, schema->table, schema->physical[COLUMN_ID]),
                                                READING, &op->error);
    if (!statement)
        return -1;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        oldest = lite_time(statement, 0);
    else if (code != SQLITE_DONE)
        lite_fail(conn, code, READING, &op->error);
    sqlite3_finalize(statement);
    return oldest == LITE_NO_TIME ? -1 : oldest;
}

/* The relay table names the last owner, also after it was killed. The path without links is found anew: that of the
 * store is there only after a start, which may be under way in another thread. */
static void read_owner(struct status_op *status, struct lite_conn *conn)
{
    const struct lite_store *store = status->op.store;
    const struct lite_file file = {.path = store->file.path, .real = realpath(store->file.path, NULL)};
    struct lite_lock lock = {.host = store->host, .file = &file, .fd = -1};
    struct outbox_error ignored;
    if (file.real && !lite_lock_name(&lock, store->schema.table, &ignored) && lite_lock_is_taken(&lock)) {
        lite_epoch_read_owner(&store->schema, conn, status->owner, sizeof status->owner);
        status->owner_since_us = lite_lock_read_since(&lock);
    }
    lite_lock_release(&lock);
    free(file.real);
}

/* Links and other spellings of the path lead to the same file; SQLite compares names without case. */
static void read_identity(struct status_op *status, const struct lite_conn *conn)
{
    struct stat file;
    size_t used;
    if (stat(conn->path, &file))
        return;
    used = (size_t)snprintf(status->identity, sizeof status->identity, "sqlite %llx %llx ",
                            (unsigned long long)file.st_dev, (unsigned long long)file.st_ino);
    for (const char *at = status->op.store->schema.table; *at && used < sizeof status->identity - 1; at++)
        status->identity[used++] = (char)tolower((unsigned char)*at);
    status->identity[used] = '\0';
}

static void status_run(struct lite_op *op, struct lite_conn *conn)
{
    struct status_op *status = (struct status_op *)op;
    const struct lite_schema *schema = &op->store->schema;
    lite_admin_open(op, conn, READING);
    status->pending = count_rows(op, conn, schema->table);
    status->dead = count_rows(op, conn, schema->dead_table);
    status->oldest_us = read_oldest_us(op, conn);
    if (lite_op_ok(op))
        read_identity(status, conn);
    if (lite_op_ok(op))
        read_owner(status, conn);
}

static void status_finish(struct lite_op *op)
{
    const struct status_op *status = (struct status_op *)op;
    struct outbox_store_status *args = status->args;
    args->pending = status->pending;
    args->oldest_us = status->oldest_us;
    args->dead = status->dead;
    OUTBOX_SET_MEMBER(args, owner_since_us, status->owner_since_us);
    memcpy(args->owner, status->owner, sizeof args->owner);
    memcpy(args->identity, status->identity, sizeof args->identity);
    snprintf(args->server, sizeof args->server, "SQLite %s", sqlite3_libversion());
}

void lite_status(void *self, outbox_op_t id, struct outbox_store_status *args)
{
    struct lite_store *store = self;
    struct status_op *status = lite_op_begin(&store->lanes, id, LANE_ADMIN, status_run);
    status->args = args;
    status->op.finish = status_finish;
    lite_op_submit(&status->op);
}
