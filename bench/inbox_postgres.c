/* SPDX-License-Identifier: Apache-2.0 */
/* bench/inbox_postgres.c - inbox.h on Postgres */
#include <stdio.h>
#include <stdlib.h>

#include <outbox/postgres.h>

#include "inbox.h"

static PGconn *pg;

static void fail(const char *why)
{
    fprintf(stderr, "inbox: %s\n", why);
    exit(1);
}

void bench_open(const char *place)
{
    pg = PQconnectdb(place);
    if (PQstatus(pg) != CONNECTION_OK)
        fail(PQerrorMessage(pg));
}

void bench_run(const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail(PQerrorMessage(pg));
    PQclear(result);
}

void bench_take(const char *consumer, const struct outbox_bytes *ids, size_t count, bool *is_new)
{
    struct outbox_error error;
    if (outbox_pg_inbox_take(pg, consumer, ids, count, is_new, &error))
        fail(error.text);
}

struct outbox_window *bench_window(const char *topic)
{
    const struct outbox_window_place place = {
        .struct_size = sizeof place, .consumer = "bench", .topic = topic, .partitions = 1, .log_end = INT64_MAX};
    struct outbox_window *window = NULL;
    struct outbox_error error;
    if (outbox_pg_window_open(pg, &place, &window, &error))
        fail(error.text);
    return window;
}

void bench_save(struct outbox_window *window)
{
    struct outbox_error error;
    if (outbox_pg_window_save(pg, window, &error))
        fail(error.text);
}

void bench_close(void)
{
    PQfinish(pg);
}
