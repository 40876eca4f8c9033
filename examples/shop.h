/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/shop.h - the database interface of the shop; shop_sqlite.c, shop_postgres.c and shop_mysql.c implement it
 *
 * Every function calls die() on a failure: a restarted shop continues from the database.
 */
#ifndef OBX_EXAMPLES_SHOP_H
#define OBX_EXAMPLES_SHOP_H

#include <outbox/plugin.h>

struct order {
    char id[40];
    char customer[24]; /* "c" and a number */
    long long number;  /* of this customer's orders */
    long amount;
};

_Noreturn void die(const char *what, const char *why);

struct shop_db;

/* Connect, and create the table `orders` if it is missing. One shop at a time: when this returns, the session of a
 * killed shop has ended. */
struct shop_db *shop_db_open(const char *where);
void shop_db_close(struct shop_db *db);

/* For each customer with orders: the customer's number, the number of the last order, the count of orders. */
void shop_db_past(struct shop_db *db, void (*each)(void *arg, long customer, long long last, long orders), void *arg);

void shop_db_begin(struct shop_db *db);
void shop_db_insert(struct shop_db *db, const struct order *order);
void shop_db_add_event(struct shop_db *db, const struct outbox_event *event); /* outbox_..._add() */
void shop_db_end(struct shop_db *db, bool commit);

#endif
