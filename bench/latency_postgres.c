/* SPDX-License-Identifier: Apache-2.0 */
/* bench/latency_postgres.c - rows into Postgres, and messages into its log */
#include <libpq-fe.h>
#include <stdio.h>

#include "latency_db.h"

static void close_db(void *db)
{
    PQfinish(db);
}

static void *open_with(const char *where, const char *sql)
{
    PGconn *conn = PQconnectdb(where);
    PQclear(PQprepare(conn, "add", sql, 0, NULL));
    if (PQstatus(conn) == CONNECTION_OK)
        return conn;
    fprintf(stderr, "kafka-latency: connect: %s", PQerrorMessage(conn));
    PQfinish(conn);
    return NULL;
}

static void *open_insert(const char *where, const char *table)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "insert into %.60s (aggregatetype, aggregateid, type, payload) values ('bench', $1, 'measured', $2)",
             table);
    return open_with(where, sql);
}

static void *open_emit(const char *where, const char *table)
{
    char sql[200];
    snprintf(sql, sizeof sql, "select %.60s_emit('bench', $1, 'measured', $2::text)", table);
    return open_with(where, sql);
}

static bool add(void *db, const char *table, const char *key, const char *payload)
{
    (void)table;
    const char *values[] = {key, payload};
    PGresult *result = PQexecPrepared(db, "add", 2, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    if (!ok)
        fprintf(stderr, "kafka-latency: write an event: %s", PQerrorMessage(db));
    return ok;
}

const struct latency_db latency_postgres = {"postgres", open_insert, add, close_db};
const struct latency_db latency_postgres_emit = {"postgres-emit", open_emit, add, close_db};
