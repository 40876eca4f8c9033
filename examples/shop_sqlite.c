/* SPDX-License-Identifier: Apache-2.0 */
/* examples/shop_sqlite.c - the shop on SQLite; `where` is the file */
#include <outbox/sqlite.h>

#include <stdlib.h>

#include "shop.h"

struct shop_db {
    sqlite3 *sqlite;
    sqlite3_stmt *begin, *insert, *commit, *rollback;
};

static void run_sql(struct shop_db *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db->sqlite, sql, NULL, NULL, &why) != SQLITE_OK)
        die(sql, why ? why : sqlite3_errmsg(db->sqlite));
}

static sqlite3_stmt *prepare(struct shop_db *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db->sqlite));
    return statement;
}

static void step(struct shop_db *db, sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (result != SQLITE_DONE)
        die(sqlite3_sql(statement), sqlite3_errmsg(db->sqlite));
}

struct shop_db *shop_db_open(const char *where)
{
    struct shop_db *db = calloc(1, sizeof *db);
    if (!db)
        die(where, "out of memory");
    if (sqlite3_open(where, &db->sqlite) != SQLITE_OK)
        die(where, sqlite3_errmsg(db->sqlite));
    sqlite3_busy_timeout(db->sqlite, 10000);
    run_sql(db, "PRAGMA journal_mode = WAL");
    run_sql(db, "PRAGMA synchronous = NORMAL");
    run_sql(db, "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL, "
                "number INTEGER NOT NULL, amount INTEGER NOT NULL, UNIQUE (customer, number))");
    db->begin = prepare(db, "BEGIN IMMEDIATE");
    db->insert = prepare(db, "INSERT INTO orders (id, customer, number, amount) VALUES (?1, ?2, ?3, ?4)");
    db->commit = prepare(db, "COMMIT");
    db->rollback = prepare(db, "ROLLBACK");
    return db;
}

void shop_db_close(struct shop_db *db)
{
    sqlite3_finalize(db->begin);
    sqlite3_finalize(db->insert);
    sqlite3_finalize(db->commit);
    sqlite3_finalize(db->rollback);
    sqlite3_close(db->sqlite);
    free(db);
}

void shop_db_past(struct shop_db *db, void (*each)(void *arg, long customer, long long last, long orders), void *arg)
{
    sqlite3_stmt *statement =
        prepare(db, "SELECT substr(customer, 2) + 0, max(number), count(*) FROM orders GROUP BY 1");
    while (sqlite3_step(statement) == SQLITE_ROW)
        each(arg, sqlite3_column_int(statement, 0), sqlite3_column_int64(statement, 1),
             sqlite3_column_int(statement, 2));
    sqlite3_finalize(statement);
}

void shop_db_begin(struct shop_db *db)
{
    step(db, db->begin);
}

void shop_db_insert(struct shop_db *db, const struct order *order)
{
    sqlite3_bind_text(db->insert, 1, order->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(db->insert, 2, order->customer, -1, SQLITE_STATIC);
    sqlite3_bind_int64(db->insert, 3, order->number);
    sqlite3_bind_int64(db->insert, 4, order->amount);
    step(db, db->insert);
}

void shop_db_add_event(struct shop_db *db, const struct outbox_event *event)
{
    struct outbox_error error;
    if (outbox_sqlite_add(db->sqlite, NULL, event, NULL, &error))
        die("add the event", error.text);
}

void shop_db_end(struct shop_db *db, bool commit)
{
    step(db, commit ? db->commit : db->rollback);
}
