#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the orders of each customer, each order once, in Postgres: plain SQL, from any language.

    consumer_postgres.py NAME FILE CONNINFO

Needs psycopg2 (Debian: python3-psycopg2). NAME is the consumer's in the inbox, which `outbox init --inbox` creates.
FILE is what outbox's file broker has written. It is read from the start each time: the inbox drops what was applied.
"""
import itertools
import json
import sys

import psycopg2

BATCH = 100
TABLE = "CREATE TABLE IF NOT EXISTS customer_orders (customer text PRIMARY KEY, orders bigint NOT NULL)"


def apply(cursor, consumer, events):
    cursor.execute("SELECT outbox_inbox_take(%s, %s::uuid[])", (consumer, [event["id"] for event in events]))
    (is_new,) = cursor.fetchone()
    for event in itertools.compress(events, is_new):
        cursor.execute(
            "INSERT INTO customer_orders (customer, orders) VALUES (%s, 1) "
            "ON CONFLICT (customer) DO UPDATE SET orders = customer_orders.orders + 1",
            (event["key"],),
        )


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    consumer, path, conninfo = sys.argv[1:]
    connection = psycopg2.connect(conninfo)
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
    with open(path, encoding="utf-8") as lines:
        while events := [json.loads(line) for line in itertools.islice(lines, BATCH)]:
            with connection, connection.cursor() as cursor:  # one transaction: commits, or rolls back when it raises
                apply(cursor, consumer, events)
    connection.close()


if __name__ == "__main__":
    main()
