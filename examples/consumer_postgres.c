/* SPDX-License-Identifier: Apache-2.0 */
/* examples/consumer_postgres.c - consumer.h on Postgres: consumer_postgres [--follow] NAME FILE CONNINFO */
#include <stdio.h>

#include <outbox/postgres.h>

#include "consumer.h"

static PGconn *pg;

static bool run(const char *sql, int count, const char *const *values)
{
    PGresult *result = PQexecParams(pg, sql, count, NULL, values, NULL, NULL, 0);
    bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!fine)
        fprintf(stderr, "consumer_postgres: %s", PQerrorMessage(pg));
    PQclear(result);
    return fine;
}

bool database_open(char **argv)
{
    pg = PQconnectdb(argv[0]);
    if (PQstatus(pg) == CONNECTION_OK)
        return run("SET client_min_messages = warning", 0, NULL) &&
               run("CREATE TABLE IF NOT EXISTS customer_orders (customer text PRIMARY KEY, orders bigint NOT NULL)", 0,
                   NULL);
    fprintf(stderr, "consumer_postgres: %s", PQerrorMessage(pg));
    return false;
}

/* In the transaction: which events are new, then what they mean. */
static bool apply_new(const char *consumer, const struct batch *batch)
{
    bool is_new[BATCH];
    struct outbox_error error;
    if (outbox_pg_inbox_take(pg, consumer, batch->ids, batch->count, is_new, &error)) {
        fprintf(stderr, "consumer_postgres: %s\n", error.text);
        return false;
    }
    for (unsigned i = 0; i < batch->count; i++) {
        const char *customer = batch->customers[i];
        if (is_new[i] && !run("INSERT INTO customer_orders (customer, orders) VALUES ($1, 1) ON CONFLICT (customer) DO "
                              "UPDATE SET orders = customer_orders.orders + 1",
                              1, &customer))
            return false;
    }
    return true;
}

bool database_apply(const char *consumer, const struct batch *batch)
{
    if (run("BEGIN", 0, NULL) && apply_new(consumer, batch))
        return run("COMMIT", 0, NULL);
    run("ROLLBACK", 0, NULL);
    return false;
}

void database_close(void)
{
    PQfinish(pg);
}
