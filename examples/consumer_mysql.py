#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the orders of each customer, each order once, in MySQL or MariaDB: plain SQL, from any language.

    consumer_mysql.py NAME FILE HOST PORT USER DATABASE        the password is in $MYSQL_PWD

Needs PyMySQL (Debian: python3-pymysql). NAME is the consumer's in the inbox, which `outbox init --inbox` creates.
FILE is what outbox's file broker has written. It is read from the start each time: the inbox drops what was applied.
"""
import itertools
import json
import os
import secrets
import sys
import uuid

import pymysql

BATCH = 100
TABLE = "CREATE TABLE IF NOT EXISTS customer_orders (customer VARCHAR(64) PRIMARY KEY, orders BIGINT NOT NULL)"


def take(cursor, consumer, event_ids):
    """For each id: is it new? Its row is inserted with the number of this call, or was there before."""
    ids = [uuid.UUID(event_id).bytes for event_id in event_ids]
    call = secrets.randbits(64)
    distinct = sorted(set(ids))  # sorted: two consumers then cannot deadlock
    cursor.execute(
        "INSERT INTO outbox_inbox (event_id, consumer, call_id) VALUES "
        + ",".join(["(%s, %s, %s)"] * len(distinct))
        + " ON DUPLICATE KEY UPDATE call_id = outbox_inbox.call_id",
        [value for event_id in distinct for value in (event_id, consumer, call)],
    )
    cursor.execute(
        "SELECT event_id FROM outbox_inbox WHERE consumer = %s AND call_id = %s AND event_id IN %s",
        (consumer, call, distinct),
    )
    new = {event_id for (event_id,) in cursor}
    first = {event_id: index for index, event_id in reversed(list(enumerate(ids)))}
    return [event_id in new and first[event_id] == index for index, event_id in enumerate(ids)]


def apply(cursor, consumer, events):
    is_new = take(cursor, consumer, [event["id"] for event in events])
    for event in itertools.compress(events, is_new):
        cursor.execute(
            "INSERT INTO customer_orders (customer, orders) VALUES (%s, 1) ON DUPLICATE KEY UPDATE orders = orders + 1",
            (event["key"],),
        )


def main():
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    consumer, path, host, port, user, database = sys.argv[1:]
    connection = pymysql.connect(
        host=host, port=int(port), user=user, database=database, password=os.environ.get("MYSQL_PWD", "")
    )  # PyMySQL opens transactions by itself: autocommit is off
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
        with open(path, encoding="utf-8") as lines:
            while events := [json.loads(line) for line in itertools.islice(lines, BATCH)]:
                apply(cursor, consumer, events)  # what raises ends the program, and the server rolls back
                connection.commit()


if __name__ == "__main__":
    main()
