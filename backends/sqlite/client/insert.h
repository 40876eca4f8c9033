/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/client/insert.h - put an event into an outbox table; shared by the store and the writer library */
#ifndef OBX_BACKENDS_SQLITE_CLIENT_INSERT_H
#define OBX_BACKENDS_SQLITE_CLIENT_INSERT_H

#include <sqlite3.h>

#include <outbox/plugin.h>

/* The columns that an event fills, in this order; `names` of lite_insert() are theirs in the table. */
enum lite_insert_column {
    INSERT_EVENT_ID,
    INSERT_AGGREGATE_TYPE,
    INSERT_AGGREGATE_ID,
    INSERT_TYPE,
    INSERT_PAYLOAD,
    INSERT_HEADERS,
    INSERT_COUNT
};

/* Text where the bytes are UTF-8, so that people and SQL can read it; a blob otherwise; NULL for null. */
/* Gives SQLite's result code. */
int lite_bind_bytes(sqlite3_stmt *statement, int index, struct outbox_bytes bytes);

/* Insert one event in whatever transaction is open. what: begins the error text. id may be NULL. */
int lite_insert(sqlite3 *db, const char *table, const char *const names[INSERT_COUNT], const struct outbox_event *event,
                const char *what, int64_t *id, struct outbox_error *error);

#endif
