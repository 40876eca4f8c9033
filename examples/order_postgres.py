#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One order and the event that tells of it, in one transaction of Postgres: plain SQL, from any language.

    order_postgres.py CONNINFO CUSTOMER AMOUNT

Needs psycopg2 (Debian: python3-psycopg2). The tables `customers` and `orders` are made if they are not there; the
outbox by `outbox init`. The customer's row is locked before the event is added: so the events of one customer are in
the order in which his orders were taken.
"""
import json
import sys

import psycopg2

TABLES = """
CREATE TABLE IF NOT EXISTS customers (id bigint PRIMARY KEY, orders bigint NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                   customer bigint NOT NULL, amount bigint NOT NULL);
"""


def take_order(cursor, customer, amount):
    cursor.execute(
        "INSERT INTO customers (id, orders) VALUES (%s, 1) "
        "ON CONFLICT (id) DO UPDATE SET orders = customers.orders + 1",
        (customer,),
    )  # locks the customer until the end of the transaction
    cursor.execute("INSERT INTO orders (customer, amount) VALUES (%s, %s) RETURNING id", (customer, amount))
    (order,) = cursor.fetchone()
    cursor.execute(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES (%s, %s, %s, %s)",
        ("order", str(customer), "placed", json.dumps({"order": order, "amount": amount})),
    )


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    connection = psycopg2.connect(sys.argv[1])
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
    with connection, connection.cursor() as cursor:  # one transaction: commits, or rolls back when something is raised
        take_order(cursor, int(sys.argv[2]), int(sys.argv[3]))
    connection.close()


if __name__ == "__main__":
    main()
