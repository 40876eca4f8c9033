/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/shop.h - what the shop needs of a database; shop_sqlite.c, shop_postgres.c and shop_mysql.c each offer it
 *
 * All of them give up with die() when something fails: a shop that is started again goes on where the database says.
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

/* Connect, and make the table `orders` if it is not there. One shop at a time: a session that was left behind by a shop
 * that was killed has ended when this returns. */
struct shop_db *shop_db_open(const char *where);
void shop_db_close(struct shop_db *db);

/* For each customer with orders: his number, the number of the last order, how many there are. */
void shop_db_past(struct shop_db *db, void (*each)(void *arg, long customer, long long last, long orders), void *arg);

void shop_db_begin(struct shop_db *db);
void shop_db_insert(struct shop_db *db, const struct order *order);
void shop_db_add_event(struct shop_db *db, const struct outbox_event *event); /* outbox_..._add() */
void shop_db_end(struct shop_db *db, bool commit);

#endif
