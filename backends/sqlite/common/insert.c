/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/common/insert.c - see insert.h */
#include "insert.h"

#include "error.h"

/* Length of the UTF-8 sequence at `at`, 0 if it is none; overlong forms and surrogates are none. */
static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char c = at[0];
    size_t size = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    bool bad = (c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) || (c == 0xf0 && at[1] < 0x90) ||
               (c == 0xf4 && at[1] > 0x8f);
    return bad ? 0 : size;
}

/* Text with a NUL in it would be cut by many readers, so it counts as bytes. */
static bool is_text(struct outbox_bytes bytes)
{
    const unsigned char *at = bytes.data, *end = at + bytes.size;
    while (at < end) {
        size_t size = *at ? sequence(at, (size_t)(end - at)) : 0;
        if (!size)
            return false;
        at += size;
    }
    return true;
}

int lite_bind_bytes(sqlite3_stmt *statement, int index, struct outbox_bytes bytes)
{
    if (!bytes.data)
        return sqlite3_bind_null(statement, index);
    if (is_text(bytes))
        return sqlite3_bind_text64(statement, index, bytes.data, bytes.size, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(statement, index, bytes.data, bytes.size, SQLITE_STATIC);
}

static char *make_sql(sqlite3 *db, const char *table, const char *const names[INSERT_COUNT],
                      const struct outbox_bytes *const parts[INSERT_COUNT])
{
    sqlite3_str *sql = sqlite3_str_new(db);
    const char *comma = "";
    sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (", table);
    for (int i = 0; i < INSERT_COUNT; i++) {
        if (parts[i]->data) {
            sqlite3_str_appendf(sql, "%s\"%w\"", comma, names[i]);
            comma = ", ";
        }
    }
    sqlite3_str_appendall(sql, ") VALUES (");
    comma = "";
    for (int i = 0; i < INSERT_COUNT; i++) {
        if (parts[i]->data) {
            sqlite3_str_appendf(sql, "%s?%d", comma, i + 1);
            comma = ", ";
        }
    }
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

int lite_prepare_insert(sqlite3 *db, const char *table, const char *const names[INSERT_COUNT],
                        const struct outbox_event *event, const char *what, sqlite3_stmt **statement,
                        struct outbox_error *error)
{
    const struct outbox_bytes *const parts[INSERT_COUNT] = {
        &event->event_id, &event->aggregate_type, &event->aggregate_id, &event->type, &event->payload, &event->headers};
    char *sql = make_sql(db, table, names, parts);
    int native = sql ? sqlite3_prepare_v2(db, sql, -1, statement, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    for (int i = 0; i < INSERT_COUNT && native == SQLITE_OK; i++) {
        if (parts[i]->data)
            native = lite_bind_bytes(*statement, i + 1, *parts[i]);
    }
    if (native == SQLITE_OK)
        return OUTBOX_OK;
    int code = lite_error_sqlite(error, db, native, what, NULL);
    sqlite3_finalize(*statement);
    *statement = NULL;
    return code;
}

/* A trigger or a conflict clause may discard the row, and a table without rowids does not set the last rowid. */
static int prove_inserted(sqlite3 *db, const char *table, const char *what, int64_t *id, struct outbox_error *error)
{
    if (sqlite3_changes(db) != 1)
        return outbox_error_set(error, OUTBOX_E_INVALID,
                                "%s: no row was inserted: a trigger or a conflict clause of table \"%s\" discarded it",
                                what, table);
    if (id && !sqlite3_last_insert_rowid(db))
        return outbox_error_set(
            error, OUTBOX_E_SCHEMA,
            "%s: the row has no id: table \"%s\" is a view or WITHOUT ROWID; its id must be INTEGER "
            "PRIMARY KEY AUTOINCREMENT",
            what, table);
    if (id)
        *id = sqlite3_last_insert_rowid(db);
    return OUTBOX_OK;
}

int lite_insert(sqlite3 *db, const char *table, const char *const names[INSERT_COUNT], const struct outbox_event *event,
                const char *what, int64_t *id, struct outbox_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = lite_prepare_insert(db, table, names, event, what, &statement, error);
    if (code)
        return code;
    sqlite3_set_last_insert_rowid(db, 0);
    int native = sqlite3_step(statement);
    if (native != SQLITE_DONE)
        code = lite_error_sqlite(error, db, native, what, NULL);
    sqlite3_finalize(statement);
    return code ? code : prove_inserted(db, table, what, id, error);
}
