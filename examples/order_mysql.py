#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One order and its event, in one transaction of MySQL or MariaDB: plain SQL, from any language.

    order_mysql.py HOST PORT USER DATABASE CUSTOMER AMOUNT        the password is in $MYSQL_PWD

Needs PyMySQL (Debian: python3-pymysql).

It creates the tables `customers` and `orders` if they are missing; `outbox init` creates the outbox. It locks the
customer's row before it adds the event, so the events of a customer have the order of that customer's orders.
"""
import json
import os
import sys

import pymysql

TABLES = (
    "CREATE TABLE IF NOT EXISTS customers (id BIGINT PRIMARY KEY, orders BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer BIGINT NOT NULL, "
    "amount BIGINT NOT NULL)",
)


def take_order(cursor, customer, amount):
    cursor.execute(
        "INSERT INTO customers (id, orders) VALUES (%s, 1) ON DUPLICATE KEY UPDATE orders = orders + 1", (customer,)
    )  # locks the customer until the end of the transaction
    cursor.execute("INSERT INTO orders (customer, amount) VALUES (%s, %s)", (customer, amount))
    payload = json.dumps({"order": cursor.lastrowid, "amount": amount})
    cursor.execute(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES (%s, %s, %s, %s)",
        ("order", str(customer), "placed", payload),
    )


def main():
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    host, port, user, database, customer, amount = sys.argv[1:]
    connection = pymysql.connect(
        host=host, port=int(port), user=user, password=os.environ.get("MYSQL_PWD", ""), database=database
    )
    with connection:
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(table)
            connection.begin()
            take_order(cursor, int(customer), int(amount))
        connection.commit()  # an exception before this closes the connection, which rolls back


if __name__ == "__main__":
    main()
