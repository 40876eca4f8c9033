/* SPDX-License-Identifier: Apache-2.0 */
/* examples/shop_postgres.c - the shop on Postgres; `where` is a conninfo string of libpq */
#include <outbox/postgres.h>

#include <stdio.h>
#include <stdlib.h>

#include "shop.h"

struct shop_db {
    PGconn *pg;
};

static PGresult *check(struct shop_db *db, PGresult *result, const char *sql)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        die(sql, PQerrorMessage(db->pg));
    return result;
}

static void run_sql(struct shop_db *db, const char *sql)
{
    PQclear(check(db, PQexec(db->pg, sql), sql));
}

struct shop_db *shop_db_open(const char *where)
{
    struct shop_db *db = calloc(1, sizeof *db);
    if (!db)
        die(where, "out of memory");
    db->pg = PQconnectdb(where);
    if (PQstatus(db->pg) != CONNECTION_OK)
        die("connect", PQerrorMessage(db->pg));
    run_sql(db, "SET client_min_messages = warning");
    run_sql(db, "SELECT pg_advisory_lock(hashtext('shop'))"); /* until the session ends */
    run_sql(db, "CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY, customer text NOT NULL, "
                "number bigint NOT NULL, amount bigint NOT NULL, UNIQUE (customer, number))");
    PQclear(check(db,
                  PQprepare(db->pg, "insert",
                            "INSERT INTO orders (id, customer, number, amount) VALUES ($1, $2, $3::bigint, $4::bigint)",
                            4, NULL),
                  "prepare"));
    return db;
}

void shop_db_close(struct shop_db *db)
{
    PQfinish(db->pg);
    free(db);
}

void shop_db_past(struct shop_db *db, void (*each)(void *arg, long customer, long long last, long orders), void *arg)
{
    static const char sql[] = "SELECT substr(customer, 2), max(number), count(*) FROM orders GROUP BY 1";
    PGresult *result = check(db, PQexec(db->pg, sql), sql);
    for (int i = 0; i < PQntuples(result); i++)
        each(arg, atol(PQgetvalue(result, i, 0)), atoll(PQgetvalue(result, i, 1)), atol(PQgetvalue(result, i, 2)));
    PQclear(result);
}

void shop_db_begin(struct shop_db *db)
{
    run_sql(db, "BEGIN");
}

void shop_db_insert(struct shop_db *db, const struct order *order)
{
    char number[24], amount[24];
    const char *const values[] = {order->id, order->customer, number, amount};
    snprintf(number, sizeof number, "%lld", order->number);
    snprintf(amount, sizeof amount, "%ld", order->amount);
    PQclear(check(db, PQexecPrepared(db->pg, "insert", 4, values, NULL, NULL, 0), "insert the order"));
}

void shop_db_add_event(struct shop_db *db, const struct outbox_event *event)
{
    struct outbox_error error;
    if (outbox_pg_add(db->pg, NULL, event, NULL, &error))
        die("add the event", error.text);
}

void shop_db_end(struct shop_db *db, bool commit)
{
    run_sql(db, commit ? "COMMIT" : "ROLLBACK");
}
