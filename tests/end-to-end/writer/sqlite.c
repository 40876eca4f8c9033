/* SPDX-License-Identifier: Apache-2.0 */
/* tests/end-to-end/writer/sqlite.c - the writer's database: SQLite, waits for the lock like an application */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "writer.h"

struct writer_db {
    sqlite3 *connection;
    sqlite3_stmt *count, *insert;
};

static bool print_error(struct writer_db *db, const char *what)
{
    fprintf(stderr, "writer: %s: %s\n", what, sqlite3_errmsg(db->connection));
    return false;
}

static bool run(struct writer_db *db, const char *sql)
{
    return sqlite3_exec(db->connection, sql, NULL, NULL, NULL) == SQLITE_OK || print_error(db, sql);
}

static bool prepare(struct writer_db *db, const char *table)
{
    char *insert = sqlite3_mprintf("insert into \"%w\" (event_id, aggregatetype, aggregateid, type, payload) "
                                   "values (?1, 'order', ?2, 'placed', ?3)",
                                   table);
    const char *count = "insert into writer_keys (key, n) values (?1, 1) "
                        "on conflict (key) do update set n = n + 1 returning n";
    bool ok = sqlite3_prepare_v2(db->connection, insert, -1, &db->insert, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db->connection, count, -1, &db->count, NULL) == SQLITE_OK;
    sqlite3_free(insert);
    return ok || print_error(db, "prepare statements");
}

struct writer_db *writer_db_open(const char *where, const char *table)
{
    struct writer_db *db = calloc(1, sizeof *db);
    if (!db)
        return NULL;
    if (sqlite3_open_v2(where, &db->connection, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db->connection, 60000) == SQLITE_OK && run(db, "pragma synchronous = normal") &&
        run(db, "create table if not exists writer_keys (key text primary key, n integer not null) without rowid") &&
        prepare(db, table))
        return db;
    print_error(db, where);
    writer_db_close(db);
    return NULL;
}

void writer_db_close(struct writer_db *db)
{
    sqlite3_finalize(db->count);
    sqlite3_finalize(db->insert);
    sqlite3_close(db->connection);
    free(db);
}

bool writer_db_begin(struct writer_db *db, bool prepares)
{
    (void)prepares;
    return run(db, "begin immediate");
}

bool writer_db_draw(struct writer_db *db, struct writer_event *event)
{
    sqlite3_bind_text(db->count, 1, event->key, -1, SQLITE_STATIC);
    bool ok = sqlite3_step(db->count) == SQLITE_ROW;
    event->sequence = (uint32_t)sqlite3_column_int64(db->count, 0);
    return (sqlite3_reset(db->count) == SQLITE_OK && ok) || print_error(db, "draw a place within the key");
}

static bool insert_one(struct writer_db *db, const struct writer_event *event)
{
    sqlite3_bind_text(db->insert, 1, event->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(db->insert, 2, event->key, -1, SQLITE_STATIC);
    if (!event->payload)
        sqlite3_bind_null(db->insert, 3);
    else if (event->binary)
        sqlite3_bind_blob64(db->insert, 3, event->payload, event->size, SQLITE_STATIC);
    else
        sqlite3_bind_text64(db->insert, 3, event->payload, event->size, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_step(db->insert);
    return sqlite3_reset(db->insert) == SQLITE_OK || print_error(db, "insert an event");
}

bool writer_db_insert(struct writer_db *db, const struct writer_event *events, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!insert_one(db, &events[i]))
            return false;
    return true;
}

bool writer_db_undo(struct writer_db *db, const struct writer_event *event)
{
    return run(db, "savepoint undone") && writer_db_insert(db, event, 1) && run(db, "rollback to savepoint undone");
}

enum writer_end writer_db_commit(struct writer_db *db, bool prepares)
{
    (void)prepares;
    if (run(db, "commit"))
        return WRITER_COMMITTED;
    writer_db_rollback(db);
    return WRITER_ROLLED_BACK;
}

void writer_db_rollback(struct writer_db *db)
{
    run(db, "rollback");
}

bool writer_db_left(struct writer_db *db, const char *table)
{
    char *sql = sqlite3_mprintf("select event_id from \"%w\" order by id", table);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->connection, sql, -1, &statement, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        puts((const char *)sqlite3_column_text(statement, 0));
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return code == SQLITE_DONE || print_error(db, "read what is left");
}
