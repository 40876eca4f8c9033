/* SPDX-License-Identifier: Apache-2.0 */
/* examples/consumer_sqlite.c - consumer.h on SQLite: consumer_sqlite [--follow] NAME FILE DATABASE */
#include <stdio.h>

#include <outbox/sqlite.h>

#include "consumer.h"

static sqlite3 *db;
static sqlite3_stmt *count_order;

static bool run(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    fprintf(stderr, "consumer_sqlite: %s\n", sqlite3_errmsg(db));
    return false;
}

bool database_open(char **argv)
{
    static const char sql[] = "INSERT INTO customer_orders (customer, orders) VALUES (?1, 1) ON CONFLICT (customer) DO "
                              "UPDATE SET orders = orders + 1";
    if (sqlite3_open(argv[0], &db) == SQLITE_OK && sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
        run("CREATE TABLE IF NOT EXISTS customer_orders (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL)") &&
        sqlite3_prepare_v2(db, sql, sizeof sql, &count_order, NULL) == SQLITE_OK)
        return true;
    fprintf(stderr, "consumer_sqlite: %s\n", sqlite3_errmsg(db));
    return false;
}

/* In the transaction: which events are new, then what they mean. */
static bool apply_new(const char *consumer, const struct batch *batch)
{
    bool is_new[BATCH], fine = true;
    struct outbox_error error;
    if (outbox_sqlite_inbox_take(db, consumer, batch->ids, batch->count, is_new, &error)) {
        fprintf(stderr, "consumer_sqlite: %s\n", error.text);
        return false;
    }
    for (unsigned i = 0; fine && i < batch->count; i++) {
        if (!is_new[i])
            continue;
        sqlite3_bind_text(count_order, 1, batch->customers[i], -1, SQLITE_STATIC);
        fine = sqlite3_step(count_order) == SQLITE_DONE;
        sqlite3_reset(count_order);
    }
    return fine;
}

/* IMMEDIATE: it waits for other writers here, and not when it has read already. */
bool database_apply(const char *consumer, const struct batch *batch)
{
    if (run("BEGIN IMMEDIATE") && apply_new(consumer, batch))
        return run("COMMIT");
    run("ROLLBACK");
    return false;
}

void database_close(void)
{
    sqlite3_finalize(count_order);
    sqlite3_close(db);
}
