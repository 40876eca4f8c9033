/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/order_postgres.c - one order and its event, in one transaction of Postgres
 *
 *     order_postgres [--emit] CONNINFO CUSTOMER AMOUNT
 *
 * --emit: the relay captures the log (docs/CAPTURE-POSTGRES.md), so the event is a message in it, and not a row.
 *
 * It creates the tables `customers` and `orders` if they are missing; `outbox init` creates the outbox. It locks the
 * customer's row before it adds the event, so the events of a customer have the order of that customer's orders.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/postgres.h>

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

/* The first value of the answer goes to `value`, which may be NULL. */
static int run(PGconn *pg, const char *sql, char *value, size_t size)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    int failed = status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
    if (failed)
        fprintf(stderr, "order_postgres: %s: %s", sql, PQerrorMessage(pg));
    else if (value)
        snprintf(value, size, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return failed;
}

/* Everything between BEGIN and COMMIT. */
static int take_order(PGconn *pg, bool emits, long customer, long amount)
{
    char sql[200], id[32], order[32], payload[100];
    snprintf(sql, sizeof sql,
             "INSERT INTO customers (id, orders) VALUES (%ld, 1) ON CONFLICT (id) DO UPDATE SET orders = "
             "customers.orders + 1",
             customer);
    if (run(pg, sql, NULL, 0)) /* locks the customer until the end of the transaction */
        return 1;
    snprintf(sql, sizeof sql, "INSERT INTO orders (customer, amount) VALUES (%ld, %ld) RETURNING id", customer, amount);
    if (run(pg, sql, order, sizeof order))
        return 1;
    snprintf(id, sizeof id, "%ld", customer);
    snprintf(payload, sizeof payload, "{\"order\":%s,\"amount\":%ld}", order, amount);
    const struct outbox_event event = {.struct_size = sizeof event,
                                       .aggregate_type = text("order"),
                                       .aggregate_id = text(id),
                                       .type = text("placed"),
                                       .payload = text(payload)};
    struct outbox_error error;
    if (!(emits ? outbox_pg_emit(pg, NULL, &event, &error) : outbox_pg_add(pg, NULL, &event, NULL, &error)))
        return 0;
    fprintf(stderr, "order_postgres: %s\n", error.text);
    return 1;
}

int main(int argc, char **argv)
{
    bool emits = argc > 1 && !strcmp(argv[1], "--emit");
    argc -= emits;
    argv += emits;
    if (argc != 4) {
        fprintf(stderr, "usage: order_postgres [--emit] CONNINFO CUSTOMER AMOUNT\n");
        return 64;
    }
    PGconn *pg = PQconnectdb(argv[1]);
    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(stderr, "order_postgres: connect: %s", PQerrorMessage(pg));
        PQfinish(pg);
        return 69;
    }
    int failed =
        run(pg, "SET client_min_messages = warning", NULL, 0) ||
        run(pg, "CREATE TABLE IF NOT EXISTS customers (id bigint PRIMARY KEY, orders bigint NOT NULL)", NULL, 0) ||
        run(pg,
            "CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
            "customer bigint NOT NULL, amount bigint NOT NULL)",
            NULL, 0) ||
        run(pg, "BEGIN", NULL, 0);
    if (!failed)
        failed = take_order(pg, emits, strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
    if (run(pg, failed ? "ROLLBACK" : "COMMIT", NULL, 0))
        failed = 1;
    PQfinish(pg);
    return failed;
}
