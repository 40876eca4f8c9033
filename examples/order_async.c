/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/order_async.c - an order and its event, in one transaction of Postgres, without a call that blocks
 *
 *     order_async CONNINFO CUSTOMER AMOUNT
 *
 * The four statements of the transaction go out at once, in libpq's pipeline mode: one round trip.
 * outbox_pg_statement() makes the INSERT of the event; the program sends it, and gives the result to
 * outbox_pg_inserted(). poll() stands for the event loop of your program. `outbox init` and order_postgres create the
 * tables.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/postgres.h>

enum { TEXT_OID = 25 }; /* of the column `payload`, as outbox init makes it */
enum { BEGIN, LOCK, ORDER, EVENT, COMMIT, STATEMENTS };

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

/* The event loop: wait until the socket is ready, then read and write what is possible now. */
static int turn(PGconn *pg)
{
    int unsent = PQflush(pg);
    struct pollfd one = {.fd = PQsocket(pg), .events = (short)(POLLIN | (unsent ? POLLOUT : 0))};
    return unsent >= 0 && poll(&one, 1, -1) >= 0 && PQconsumeInput(pg);
}

static int connect_to(PGconn *pg)
{
    if (!pg || PQstatus(pg) == CONNECTION_BAD)
        return 0; /* there is no socket to wait for */
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
        struct pollfd one = {.fd = PQsocket(pg), .events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        poll(&one, 1, -1);
        next = PQconnectPoll(pg);
    }
    return next == PGRES_POLLING_OK && !PQsetnonblocking(pg, 1);
}

static int send_event(PGconn *pg, const char *customer, const char *amount, struct outbox_error *error)
{
    char payload[100];
    struct outbox_pg_statement *s;
    snprintf(payload, sizeof payload, "{\"amount\":%.20s}", amount);
    const struct outbox_event event = {.struct_size = sizeof event,
                                       .aggregate_type = text("order"),
                                       .aggregate_id = text(customer),
                                       .type = text("placed"),
                                       .payload = text(payload)};
    if (outbox_pg_statement(NULL, &event, TEXT_OID, true, &s, error))
        return 0;
    int sent = PQsendQueryParams(pg, s->sql, s->count, NULL, s->values, s->lengths, s->formats, 1);
    outbox_pg_statement_free(s);
    return sent;
}

static int send_all(PGconn *pg, const char *customer, const char *amount, struct outbox_error *error)
{
    const char *const values[] = {customer, amount};
    return PQenterPipelineMode(pg) && PQsendQueryParams(pg, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) &&
           PQsendQueryParams(pg,
                             "INSERT INTO customers (id, orders) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET orders "
                             "= customers.orders + 1",
                             1, NULL, values, NULL, NULL,
                             0) && /* locks the customer until the end of the transaction */
           PQsendQueryParams(pg, "INSERT INTO orders (customer, amount) VALUES ($1, $2)", 2, NULL, values, NULL, NULL,
                             0) &&
           send_event(pg, customer, amount, error) && PQsendQueryParams(pg, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) &&
           PQpipelineSync(pg);
}

/* A statement that fails: the server skips the others, and rolls back. */
static int read_result(PGresult *result, int number, struct outbox_error *error)
{
    int64_t id;
    ExecStatusType status = PQresultStatus(result);
    if (number == EVENT) {
        if (outbox_pg_inserted(result, NULL, &id, error))
            return 1;
        printf("event %lld\n", (long long)id);
        return 0;
    }
    if (status != PGRES_COMMAND_OK && !error->text[0])
        snprintf(error->text, sizeof error->text, "statement %d: %s", number, PQresultErrorMessage(result));
    return status != PGRES_COMMAND_OK;
}

/* Ends at the first failure: the caller closes the connection, which rolls back. */
static int receive_all(PGconn *pg, struct outbox_error *error)
{
    int failed = 0;
    for (int number = 0; number < STATEMENTS && !failed;) {
        while (PQisBusy(pg))
            if (!turn(pg))
                return 1;
        PGresult *result = PQgetResult(pg);
        if (!result)
            number++; /* the end of one statement */
        else
            failed = read_result(result, number, error);
        PQclear(result);
    }
    return failed;
}

int main(int argc, char **argv)
{
    struct outbox_error error = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: order_async CONNINFO CUSTOMER AMOUNT\n");
        return 64;
    }
    PGconn *pg = PQconnectStart(argv[1]);
    int failed = !connect_to(pg) || !send_all(pg, argv[2], argv[3], &error) || receive_all(pg, &error);
    if (failed)
        fprintf(stderr, "order_async: %s\n", error.text[0] ? error.text : PQerrorMessage(pg));
    PQfinish(pg);
    return failed;
}
