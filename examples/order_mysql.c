/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/order_mysql.c - one order and its event, in one transaction of MySQL or MariaDB
 *
 *     order_mysql HOST PORT USER DATABASE CUSTOMER AMOUNT        the password is in $MYSQL_PWD
 *
 * It creates the tables `customers` and `orders` if they are missing; `outbox init` creates the outbox. It locks the
 * customer's row before it adds the event, so the events of a customer have the order of that customer's orders.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/mysql.h>

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static int run(MYSQL *db, const char *sql)
{
    if (!mysql_query(db, sql))
        return 0;
    fprintf(stderr, "order_mysql: %s: %s\n", sql, mysql_error(db));
    return 1;
}

/* Everything between BEGIN and COMMIT. */
static int take_order(MYSQL *db, long customer, long amount)
{
    char sql[200], id[32], payload[80];
    snprintf(sql, sizeof sql,
             "INSERT INTO customers (id, orders) VALUES (%ld, 1) ON DUPLICATE KEY UPDATE orders = orders + 1",
             customer);
    if (run(db, sql)) /* locks the customer until the end of the transaction */
        return 1;
    snprintf(sql, sizeof sql, "INSERT INTO orders (customer, amount) VALUES (%ld, %ld)", customer, amount);
    if (run(db, sql))
        return 1;
    snprintf(id, sizeof id, "%ld", customer);
    snprintf(payload, sizeof payload, "{\"order\":%llu,\"amount\":%ld}", (unsigned long long)mysql_insert_id(db),
             amount);
    struct outbox_event event = {.struct_size = sizeof event,
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text(id),
                                 .type = text("placed"),
                                 .payload = text(payload)};
    struct outbox_error error;
    if (!outbox_mysql_add(db, NULL, &event, NULL, &error))
        return 0;
    fprintf(stderr, "order_mysql: %s\n", error.text);
    return 1;
}

int main(int argc, char **argv)
{
    MYSQL *db = mysql_init(NULL);
    if (argc != 7 || !db) {
        fprintf(stderr, "usage: order_mysql HOST PORT USER DATABASE CUSTOMER AMOUNT\n");
        return 64;
    }
    unsigned port = (unsigned)strtoul(argv[2], NULL, 10);
    if (!mysql_real_connect(db, argv[1], argv[3], getenv("MYSQL_PWD"), argv[4], port, NULL, 0)) {
        fprintf(stderr, "order_mysql: connect: %s\n", mysql_error(db));
        return 69;
    }
    int failed =
        run(db, "CREATE TABLE IF NOT EXISTS customers (id BIGINT PRIMARY KEY, orders BIGINT NOT NULL)") ||
        run(db, "CREATE TABLE IF NOT EXISTS orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer BIGINT NOT NULL, "
                "amount BIGINT NOT NULL)") ||
        run(db, "BEGIN");
    if (!failed)
        failed = take_order(db, strtol(argv[5], NULL, 10), strtol(argv[6], NULL, 10));
    if (run(db, failed ? "ROLLBACK" : "COMMIT"))
        failed = 1;
    mysql_close(db);
    return failed;
}
