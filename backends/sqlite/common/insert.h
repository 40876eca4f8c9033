/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/common/insert.h - insert an event into an outbox table; shared by the store and the writer library
 *
 * The caller has checked the event. What the event leaves out is left to the column's default.
 */
#ifndef OBX_BACKENDS_SQLITE_COMMON_INSERT_H
#define OBX_BACKENDS_SQLITE_COMMON_INSERT_H

#include <sqlite3.h>

#include <outbox/error.h>
#include <outbox/event.h>

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

/* As text where the bytes are UTF-8, so that people and SQL can read it; else as a blob; null as NULL. The bytes are
 * borrowed until the statement is reset. Returns SQLite's result code. */
int lite_bind_bytes(sqlite3_stmt *statement, int index, struct outbox_bytes bytes);

/* The INSERT of one event, with its values bound. *statement is NULL before the call, and after a failure. */
int lite_prepare_insert(sqlite3 *db, const char *table, const char *const names[INSERT_COUNT],
                        const struct outbox_event *event, const char *what, sqlite3_stmt **statement,
                        struct outbox_error *error);

/* Insert one event in whatever transaction is open, and prove that one row was inserted. what: begins the error text.
 * *id gets the row's id; id may be NULL. */
int lite_insert(sqlite3 *db, const char *table, const char *const names[INSERT_COUNT], const struct outbox_event *event,
                const char *what, int64_t *id, struct outbox_error *error);

#endif
