/* SPDX-License-Identifier: Apache-2.0 */
/* examples/kafka_consumer_postgres.c - kafka_consumer.h on Postgres: ... CONNINFO */
#include <stdio.h>

#include <outbox/postgres.h>

#include "kafka_consumer.h"

static PGconn *pg;

static bool run(const char *sql, int count, const char *const *values)
{
    PGresult *result = PQexecParams(pg, sql, count, NULL, values, NULL, NULL, 0);
    bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!fine)
        fprintf(stderr, "kafka_consumer_postgres: %s", PQerrorMessage(pg));
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
    fprintf(stderr, "kafka_consumer_postgres: %s", PQerrorMessage(pg));
    return false;
}

void database_close(void)
{
    PQfinish(pg);
}

bool database_begin(void)
{
    return run("BEGIN", 0, NULL);
}

bool database_commit(void)
{
    return run("COMMIT", 0, NULL);
}

void database_rollback(void)
{
    run("ROLLBACK", 0, NULL);
}

bool database_open_window(const struct outbox_window_place *place, struct outbox_window **window,
                          struct outbox_error *error)
{
    return outbox_pg_window_open(pg, place, window, error) == OUTBOX_OK;
}

bool database_save_window(struct outbox_window *window, struct outbox_error *error)
{
    return outbox_pg_window_save(pg, window, error) == OUTBOX_OK;
}

bool database_take(const char *consumer, struct outbox_bytes id, bool *is_new, struct outbox_error *error)
{
    return outbox_pg_inbox_take(pg, consumer, &id, 1, is_new, error) == OUTBOX_OK;
}

bool database_count_order(const char *customer)
{
    return run("INSERT INTO customer_orders (customer, orders) VALUES ($1, 1) ON CONFLICT (customer) DO UPDATE SET "
               "orders = customer_orders.orders + 1",
               1, &customer);
}
