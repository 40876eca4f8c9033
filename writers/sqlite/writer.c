/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/sqlite/writer.c - liboutbox-sqlite: add an event in the application's own transaction
 *
 * Happy path: check the event, insert one row on the caller's connection, and prove that it is there. Nothing else: no
 * allocation outlives the call, there is no state and no transaction control.
 * Failure modes: SQLite's error, or a table on which the INSERT did not insert. The transaction stays the caller's.
 */
#include <outbox/sqlite.h>

#include "error.h"
#include "event.h"
#include "insert.h"

int outbox_sqlite_add(sqlite3 *db, const char *table, const struct outbox_event *event, int64_t *id,
                      struct outbox_error *error)
{
    struct obx_event_what what = obx_event_what(table ? table : "outbox");
    if (!db)
        return outbox_error_set(error, OUTBOX_E_INVALID, "%s: db is NULL", what.text);
    int code = obx_event_check(event, what.text, error);
    if (code)
        return code;
    return lite_insert(db, table ? table : "outbox", obx_event_columns, event, what.text, id, error);
}

int outbox_sqlite_statement(sqlite3 *db, const char *table, const struct outbox_event *event, sqlite3_stmt **statement,
                            struct outbox_error *error)
{
    struct obx_event_what what = obx_event_what(table ? table : "outbox");
    if (statement)
        *statement = NULL;
    if (!db || !statement)
        return outbox_error_set(error, OUTBOX_E_INVALID, "%s: %s is NULL", what.text, db ? "statement" : "db");
    int code = obx_event_check(event, what.text, error);
    if (code)
        return code;
    return lite_prepare_insert(db, table ? table : "outbox", obx_event_columns, event, what.text, statement, error);
}
