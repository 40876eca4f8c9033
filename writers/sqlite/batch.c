/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/sqlite/batch.c - liboutbox-sqlite: add many events, all of them or none
 *
 * A savepoint around one insert for each event: outside of a transaction it is one, and one commit. Failure modes: as
 * for one event; then the savepoint is undone, unless SQLite has ended the whole transaction.
 */
#include <outbox/sqlite.h>

#include "error.h"
#include "event.h"

#define SAVEPOINT "outbox_add_many"

static int execute(sqlite3 *db, const char *sql, const char *what, struct outbox_error *error)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OUTBOX_OK : lite_error_sqlite(error, db, code, what, NULL);
}

static void undo(sqlite3 *db)
{
    if (sqlite3_get_autocommit(db))
        return; /* the failure has rolled all back */
    sqlite3_exec(db, "ROLLBACK TO " SAVEPOINT, NULL, NULL, NULL);
    sqlite3_exec(db, "RELEASE " SAVEPOINT, NULL, NULL, NULL);
}

int outbox_sqlite_add_many(sqlite3 *db, const char *table, const struct outbox_event *const *events, uint32_t count,
                           struct outbox_error *error)
{
    struct obx_event_what what = obx_event_what(table ? table : "outbox");
    if (!db || (!events && count))
        return outbox_error_set(error, OUTBOX_E_INVALID, "%s: %s is NULL", what.text, db ? "events" : "db");
    if (!count)
        return OUTBOX_OK;
    int code = execute(db, "SAVEPOINT " SAVEPOINT, what.text, error);
    if (code)
        return code;
    for (uint32_t i = 0; i < count && !code; i++)
        code = outbox_sqlite_add(db, table, events[i], NULL, error);
    if (!code)
        code = execute(db, "RELEASE " SAVEPOINT, what.text, error);
    if (code)
        undo(db);
    return code;
}
