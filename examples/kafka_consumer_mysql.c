/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/kafka_consumer_mysql.c - kafka_consumer.h on MySQL and MariaDB: ... HOST PORT USER DATABASE
 *
 * The password is in MYSQL_PWD.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/mysql.h>

#include "kafka_consumer.h"

static MYSQL *mysql;

static bool run(const char *sql)
{
    if (!mysql_query(mysql, sql))
        return true;
    fprintf(stderr, "kafka_consumer_mysql: %s\n", mysql_error(mysql));
    return false;
}

bool database_open(char **argv)
{
    mysql = mysql_init(NULL);
    if (argv[1] && argv[2] && argv[3] &&
        mysql_real_connect(mysql, argv[0], argv[2], getenv("MYSQL_PWD"), argv[3], (unsigned)atoi(argv[1]), NULL, 0))
        return run("CREATE TABLE IF NOT EXISTS customer_orders (customer VARCHAR(64) PRIMARY KEY, orders BIGINT NOT "
                   "NULL)");
    fprintf(stderr, "kafka_consumer_mysql: HOST PORT USER DATABASE: %s\n", mysql_error(mysql));
    return false;
}

void database_close(void)
{
    mysql_close(mysql);
}

bool database_begin(void)
{
    return run("BEGIN");
}

bool database_commit(void)
{
    return run("COMMIT");
}

void database_rollback(void)
{
    run("ROLLBACK");
}

bool database_open_window(const struct outbox_window_place *place, struct outbox_window **window,
                          struct outbox_error *error)
{
    return outbox_mysql_window_open(mysql, place, window, error) == OUTBOX_OK;
}

bool database_save_window(struct outbox_window *window, struct outbox_error *error)
{
    return outbox_mysql_window_save(mysql, window, error) == OUTBOX_OK;
}

bool database_take(const char *consumer, struct outbox_bytes id, bool *is_new, struct outbox_error *error)
{
    return outbox_mysql_inbox_take(mysql, consumer, &id, 1, is_new, error) == OUTBOX_OK;
}

bool database_count_order(const char *customer)
{
    char sql[300], escaped[2 * 64 + 1];
    mysql_real_escape_string(mysql, escaped, customer, (unsigned long)strlen(customer));
    snprintf(sql, sizeof sql,
             "INSERT INTO customer_orders (customer, orders) VALUES ('%s', 1) ON DUPLICATE KEY UPDATE orders = "
             "orders + 1",
             escaped);
    return run(sql);
}
