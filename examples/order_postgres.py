#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One order and its event, in one transaction of Postgres: plain SQL, from any language.

    order_postgres.py [--emit] CONNINFO CUSTOMER AMOUNT

--emit: the relay captures the log (docs/CAPTURE-POSTGRES.md), so the event is a message in it, and not a row.

Needs psycopg2 (Debian: python3-psycopg2).

It creates the tables `customers` and `orders` if they are missing; `outbox init` creates the outbox. It locks the
customer's row before it adds the event, so the events of a customer have the order of that customer's orders.
"""
import json
import sys

import psycopg2

TABLES = """
CREATE TABLE IF NOT EXISTS customers (id bigint PRIMARY KEY, orders bigint NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                   customer bigint NOT NULL, amount bigint NOT NULL);
"""
ADD = "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES (%s, %s, %s, %s)"
EMIT = "SELECT outbox_emit(%s, %s, %s, %s)"


def take_order(cursor, write, customer, amount):
    cursor.execute(
        "INSERT INTO customers (id, orders) VALUES (%s, 1) "
        "ON CONFLICT (id) DO UPDATE SET orders = customers.orders + 1",
        (customer,),
    )  # locks the customer until the end of the transaction
    cursor.execute("INSERT INTO orders (customer, amount) VALUES (%s, %s) RETURNING id", (customer, amount))
    (order,) = cursor.fetchone()
    payload = json.dumps({"order": order, "amount": amount})
    cursor.execute(write, ("order", str(customer), "placed", payload))


def main():
    arguments = sys.argv[1:]
    write = EMIT if arguments[:1] == ["--emit"] else ADD
    arguments = arguments[write is EMIT:]
    if len(arguments) != 3:
        sys.exit(__doc__)
    connection = psycopg2.connect(arguments[0])
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
    with connection, connection.cursor() as cursor:  # one transaction: commits, or rolls back after an exception
        take_order(cursor, write, int(arguments[1]), int(arguments[2]))
    connection.close()


if __name__ == "__main__":
    main()
