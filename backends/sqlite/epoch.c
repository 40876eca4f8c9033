/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/epoch.c - see epoch.h */
#include "epoch.h"

#include <stdio.h>

int lite_epoch_read(struct lite_conn *conn, const char *what, int64_t *number, struct outbox_error *error)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_EPOCH];
    int code = sqlite3_step(statement);
    *number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, what, error);
    sqlite3_reset(statement);
    return error->code;
}

int lite_epoch_verify(const struct lite_epoch *epoch, struct lite_conn *conn, const char *what,
                      struct outbox_error *error)
{
    int64_t number;
    if (lite_epoch_read(conn, what, &number, error))
        return error->code;
    if (epoch->current && number == epoch->current)
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_FENCED, "%s %s: %s; nothing was changed", what, conn->path,
                            epoch->current ? "another relay has taken over the outbox"
                                           : "this relay does not own the outbox");
}

void lite_epoch_read_owner(const struct lite_schema *schema, struct lite_conn *conn, char *owner, size_t size)
{
    struct outbox_error ignored;
    sqlite3_stmt *statement = lite_prepare_once(
        conn, sqlite3_mprintf("SELECT owner FROM \"%w\" WHERE singleton = 1", schema->relay_name), "", &ignored);
    if (statement && sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
        snprintf(owner, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
}
