/* SPDX-License-Identifier: Apache-2.0 */
/* bench/latency_mysql.c - rows into MySQL or MariaDB; the bench makes keys and payloads, so they need no escaping */
#include <mysql.h>
#include <stdio.h>

#include "latency_db.h"

static void close_it(void *db)
{
    if (db)
        mysql_close(db);
}

static void *open_it(const char *where, const char *table)
{
    (void)table;
    MYSQL *mysql = mysql_init(NULL);
    if (mysql && mysql_real_connect(mysql, NULL, "outbox", "outbox", "outbox", 0, where, 0))
        return mysql;
    fprintf(stderr, "kafka-latency: connect: %s\n", mysql ? mysql_error(mysql) : "out of memory");
    close_it(mysql);
    return NULL;
}

static bool add(void *db, const char *table, const char *key, const char *payload)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "insert into %s (aggregatetype, aggregateid, type, payload) values ('bench', '%s', 'measured', '%s')",
             table, key, payload);
    if (!mysql_query(db, sql))
        return true;
    fprintf(stderr, "kafka-latency: insert: %s\n", mysql_error(db));
    return false;
}

const struct latency_db latency_mysql = {"mysql", open_it, add, close_it};
