/* SPDX-License-Identifier: Apache-2.0 */
/* bench/latency_postgres.c - rows into Postgres */
#include <libpq-fe.h>
#include <stdio.h>

#include "latency_db.h"

static void close_db(void *db)
{
    PQfinish(db);
}

static void *open_db(const char *where)
{
    static const char insert[] =
        "insert into outbox (aggregatetype, aggregateid, type, payload) values ('bench', $1, 'measured', $2)";
    PGconn *conn = PQconnectdb(where);
    PQclear(PQprepare(conn, "add", insert, 0, NULL));
    if (PQstatus(conn) == CONNECTION_OK)
        return conn;
    fprintf(stderr, "kafka-latency: connect: %s", PQerrorMessage(conn));
    PQfinish(conn);
    return NULL;
}

static bool add(void *db, const char *key, const char *payload)
{
    const char *values[] = {key, payload};
    PGresult *result = PQexecPrepared(db, "add", 2, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!ok)
        fprintf(stderr, "kafka-latency: insert: %s", PQerrorMessage(db));
    return ok;
}

const struct latency_db latency_postgres = {"postgres", open_db, add, close_db};
