/* SPDX-License-Identifier: Apache-2.0 */
/* examples/shop_mysql.c - the shop on MySQL or MariaDB; `where` is HOST:PORT:USER:DATABASE, $MYSQL_PWD the password */
#include <outbox/mysql.h>

#include <stdio.h>
#include <stdlib.h>

#include "shop.h"

struct shop_db {
    MYSQL *mysql;
};

static void run_sql(struct shop_db *db, const char *sql)
{
    if (mysql_query(db->mysql, sql))
        die(sql, mysql_error(db->mysql));
}

static MYSQL_RES *ask(struct shop_db *db, const char *sql)
{
    run_sql(db, sql);
    MYSQL_RES *result = mysql_store_result(db->mysql);
    if (!result)
        die(sql, mysql_error(db->mysql));
    return result;
}

struct shop_db *shop_db_open(const char *where)
{
    char host[80], user[40], name[40];
    unsigned port;
    struct shop_db *db = calloc(1, sizeof *db);
    if (!db || !(db->mysql = mysql_init(NULL)))
        die(where, "out of memory");
    if (sscanf(where, "%79[^:]:%u:%39[^:]:%39s", host, &port, user, name) != 4)
        die(where, "is not HOST:PORT:USER:DATABASE");
    if (!mysql_real_connect(db->mysql, host, user, getenv("MYSQL_PWD"), name, port, NULL, 0))
        die("connect", mysql_error(db->mysql));
    mysql_free_result(ask(db, "SELECT GET_LOCK('shop', 60)")); /* until the session ends */
    run_sql(db, "CREATE TABLE IF NOT EXISTS orders (id VARCHAR(40) PRIMARY KEY, customer VARCHAR(24) NOT NULL, "
                "number BIGINT NOT NULL, amount BIGINT NOT NULL, UNIQUE (customer, number))");
    return db;
}

void shop_db_close(struct shop_db *db)
{
    mysql_close(db->mysql);
    free(db);
}

void shop_db_past(struct shop_db *db, void (*each)(void *arg, long customer, long long last, long orders), void *arg)
{
    MYSQL_RES *result = ask(db, "SELECT SUBSTR(customer, 2), MAX(number), COUNT(*) FROM orders GROUP BY 1");
    for (MYSQL_ROW row; (row = mysql_fetch_row(result));)
        each(arg, atol(row[0]), atoll(row[1]), atol(row[2]));
    mysql_free_result(result);
}

void shop_db_begin(struct shop_db *db)
{
    run_sql(db, "BEGIN");
}

void shop_db_insert(struct shop_db *db, const struct order *order)
{
    char sql[256]; /* no value of an order needs quoting */
    snprintf(sql, sizeof sql, "INSERT INTO orders (id, customer, number, amount) VALUES ('%s', '%s', %lld, %ld)",
             order->id, order->customer, order->number, order->amount);
    run_sql(db, sql);
}

void shop_db_add_event(struct shop_db *db, const struct outbox_event *event)
{
    struct outbox_error error;
    if (outbox_mysql_add(db->mysql, NULL, event, NULL, &error))
        die("add the event", error.text);
}

void shop_db_end(struct shop_db *db, bool commit)
{
    run_sql(db, commit ? "COMMIT" : "ROLLBACK");
}
