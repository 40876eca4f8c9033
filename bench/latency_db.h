/* SPDX-License-Identifier: Apache-2.0 */
/* bench/latency_db.h - what kafka-latency needs of a database: rows of the outbox, each a transaction of its own */
#ifndef OBX_BENCH_LATENCY_DB_H
#define OBX_BENCH_LATENCY_DB_H

#include <stdbool.h>

struct latency_db {
    const char *name;
    void *(*open)(const char *where); /* failures are told on stderr; NULL then */
    bool (*add)(void *db, const char *key, const char *payload);
    void (*close)(void *db); /* NULL is fine */
};

extern const struct latency_db latency_postgres; /* where: a conninfo */
extern const struct latency_db latency_mysql;    /* where: the path of a socket; as outbox, password outbox */

#endif
