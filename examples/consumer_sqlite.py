#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the orders of each customer, each order once, in SQLite: plain SQL, from any language.

    consumer_sqlite.py NAME FILE DATABASE

NAME is the consumer's in the inbox, which `outbox init --inbox` creates. FILE is what outbox's file broker has written.
It is read from the start each time: the inbox drops what was applied.
"""
import itertools
import json
import sqlite3
import sys
import uuid

BATCH = 100
TABLE = "CREATE TABLE IF NOT EXISTS customer_orders (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL)"
TAKE = "INSERT INTO outbox_inbox (event_id, consumer) VALUES (?, ?) ON CONFLICT DO NOTHING"


def apply(connection, consumer, events):
    for event in events:
        taken = connection.execute(TAKE, (uuid.UUID(event["id"]).bytes, consumer))
        if taken.rowcount == 1:  # new
            connection.execute(
                "INSERT INTO customer_orders (customer, orders) VALUES (?, 1) "
                "ON CONFLICT (customer) DO UPDATE SET orders = orders + 1",
                (event["key"],),
            )


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    consumer, path, database = sys.argv[1:]
    connection = sqlite3.connect(database, timeout=10, isolation_level="IMMEDIATE")
    with connection:
        connection.execute(TABLE)
    with open(path, encoding="utf-8") as lines:
        while events := [json.loads(line) for line in itertools.islice(lines, BATCH)]:
            with connection:  # one transaction: commits, or rolls back when something is raised
                apply(connection, consumer, events)
    connection.close()


if __name__ == "__main__":
    main()
