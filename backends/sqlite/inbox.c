/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/inbox.c - create the inbox of consumers, or print the SQL that does; see backends/sql/inbox.h
 *
 * One transaction. The database is the consumer's: its journal mode stays as it is.
 */
#include "sql/inbox.h"

#include "store.h"

#define MAKING "set up inbox in database"

static void make_inbox(struct lite_conn *conn, struct obx_sql_text *sql, struct outbox_error *error)
{
    if (lite_exec(conn, sqlite3_mprintf("BEGIN IMMEDIATE"), MAKING, error))
        return;
    for (unsigned i = 0; !error->code && obx_inbox_statement(sql, NULL, i); i++)
        lite_exec(conn, sql->failed ? NULL : sqlite3_mprintf("%s", obx_sql_text_get(sql)), MAKING, error);
    if (!error->code)
        lite_exec(conn, sqlite3_mprintf("COMMIT"), MAKING, error);
    lite_rollback(conn);
}

static void setup_inbox_run(struct lite_op *op, struct lite_conn *none)
{
    struct lite_store *store = op->store;
    struct obx_sql_text sql = {.host = store->host, .dialect = OBX_SQL_SQLITE};
    struct lite_conn conn;
    (void)none;
    lite_conn_init(&conn, store->host, store->file.path, (uint64_t)store->busy_timeout_ms);
    conn.canceled = &op->canceled;
    if (!lite_conn_open(&conn, true, MAKING, &op->error))
        make_inbox(&conn, &sql, &op->error);
    lite_conn_close(&conn);
    obx_sql_text_free(&sql);
}

void lite_setup_inbox(void *self, outbox_op_t id)
{
    struct lite_store *store = self;
    lite_op_submit(lite_op_begin(&store->lanes, id, LANE_ALONE, setup_inbox_run));
}

int lite_print_inbox(const struct lite_store *store, enum outbox_print what, void (*line)(void *arg, const char *text),
                     void *arg, struct outbox_error *error)
{
    struct obx_sql_text sql = {.host = store->host, .dialect = OBX_SQL_SQLITE};
    if (what == OUTBOX_PRINT_INBOX_SQL)
        obx_inbox_script(&sql, NULL);
    else
        obx_inbox_grants(&sql, NULL);
    bool failed = sql.failed;
    if (!failed)
        obx_sql_text_lines(&sql, line, arg);
    obx_sql_text_free(&sql);
    return failed ? outbox_error_set(error, OUTBOX_E_NO_MEMORY, "print the inbox: out of memory") : OUTBOX_OK;
}
