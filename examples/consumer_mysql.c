/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/consumer_mysql.c - consumer.h on MySQL and MariaDB
 *
 *     consumer_mysql [--follow] NAME FILE HOST PORT USER DATABASE        the password is in MYSQL_PWD
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/mysql.h>

#include "consumer.h"

static MYSQL *mysql;

static bool run(const char *sql)
{
    if (!mysql_query(mysql, sql))
        return true;
    fprintf(stderr, "consumer_mysql: %s\n", mysql_error(mysql));
    return false;
}

bool database_open(char **argv)
{
    mysql = mysql_init(NULL);
    if (argv[1] && argv[2] && argv[3] &&
        mysql_real_connect(mysql, argv[0], argv[2], getenv("MYSQL_PWD"), argv[3], (unsigned)atoi(argv[1]), NULL, 0))
        return run("CREATE TABLE IF NOT EXISTS customer_orders (customer VARCHAR(64) PRIMARY KEY, orders BIGINT NOT "
                   "NULL)");
    fprintf(stderr, "consumer_mysql: HOST PORT USER DATABASE: %s\n", mysql_error(mysql));
    return false;
}

static bool count_order(const char *customer)
{
    char sql[300], escaped[2 * KEY_SIZE + 1];
    mysql_real_escape_string(mysql, escaped, customer, (unsigned long)strlen(customer));
    snprintf(
        sql, sizeof sql,
        "INSERT INTO customer_orders (customer, orders) VALUES ('%s', 1) ON DUPLICATE KEY UPDATE orders = orders + "
        "1",
        escaped);
    return run(sql);
}

/* In the transaction: which events are new, then what they mean. */
static bool apply_new(const char *consumer, const struct batch *batch)
{
    bool is_new[BATCH];
    struct outbox_error error;
    if (outbox_mysql_inbox_take(mysql, consumer, batch->ids, batch->count, is_new, &error)) {
        fprintf(stderr, "consumer_mysql: %s\n", error.text);
        return false;
    }
    for (unsigned i = 0; i < batch->count; i++)
        if (is_new[i] && !count_order(batch->customers[i]))
            return false;
    return true;
}

bool database_apply(const char *consumer, const struct batch *batch)
{
    if (run("BEGIN") && apply_new(consumer, batch))
        return run("COMMIT");
    run("ROLLBACK");
    return false;
}

void database_close(void)
{
    mysql_close(mysql);
}
