/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/sqlite/writer.c - liboutbox-sqlite: add an event in the application's own transaction
 *
 * One INSERT on the caller's connection and nothing else: no allocation that outlives the call, no state, no
 * transaction control. What SQLite refuses is told as an error; the transaction is the caller's to roll back.
 */
#include <outbox/sqlite.h>

#include "error.h"
#include "insert.h"

int outbox_sqlite_add(sqlite3 *db, const char *table, const struct outbox_event *event, int64_t *id,
                      struct outbox_error *error)
{
    static const char *const names[INSERT_COUNT] = {"event_id", "aggregatetype", "aggregateid",
                                                    "type",     "payload",       "headers"};
    if (!db || !event)
        return outbox_error_set(error, OUTBOX_E_INVALID, "add event: %s is NULL", db ? "event" : "db");
    return lite_insert(db, table ? table : "outbox", names, event, "add event", id, error);
}
