/* SPDX-License-Identifier: Apache-2.0 */
/* bench/latency_db.h - the database interface of kafka-latency: events, each in a separate transaction */
#ifndef OBX_BENCH_LATENCY_DB_H
#define OBX_BENCH_LATENCY_DB_H

#include <stdbool.h>

struct latency_db {
    const char *name;
    /* NULL after a failure, which is printed to stderr */
    void *(*open)(const char *where, const char *table);
    bool (*add)(void *db, const char *table, const char *key, const char *payload);
    void (*close)(void *db); /* NULL is fine */
};

extern const struct latency_db latency_postgres, latency_postgres_emit; /* where: a conninfo */
extern const struct latency_db latency_mysql; /* where: the path of a socket; as outbox, password outbox */

#endif
