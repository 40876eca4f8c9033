#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the orders of each customer, each order once: a consumer of Kafka with the inbox of level 2.

    consume_kafka.py NAME INSTANCE BROKERS TOPIC CONNINFO                    Postgres
    consume_kafka.py NAME INSTANCE BROKERS TOPIC HOST PORT USER DATABASE     MySQL, MariaDB; the password is in $MYSQL_PWD

Needs confluent_kafka, and psycopg2 or PyMySQL (Debian: python3-confluent-kafka, python3-psycopg2, python3-pymysql).
Offsets are in the database; the group distributes partitions. Any error ends the program; start it again. With
OUTBOX_UNTIL_END in the environment it ends when it has read all partitions to their ends.
"""
import os
import sys

import confluent_kafka

import inbox_window

BATCH, TIMEOUT = 500, 10
HEADERS = ("outbox-position", "id")  # the others may be of any bytes


class Database:
    def __init__(self, arguments):
        if len(arguments) == 1:
            import psycopg2
            self.connection = psycopg2.connect(*arguments)
            self.insert = ("INSERT INTO customer_orders (customer, orders) VALUES (%s, 1) "
                           "ON CONFLICT (customer) DO UPDATE SET orders = customer_orders.orders + 1")
            self.take = "INSERT INTO outbox_inbox (consumer, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        else:
            import pymysql
            host, port, user, name = arguments
            self.connection = pymysql.connect(host=host, port=int(port), user=user, database=name, password=os.environ.get("MYSQL_PWD", ""))
            self.insert = "INSERT INTO customer_orders (customer, orders) VALUES (%s, 1) ON DUPLICATE KEY UPDATE orders = orders + 1"
            self.take = ("INSERT INTO outbox_inbox (consumer, event_id, call_id) VALUES (%s, UNHEX(REPLACE(%s, '-', '')), 0) "
                         "ON DUPLICATE KEY UPDATE call_id = outbox_inbox.call_id")
        with self.connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS customer_orders (customer VARCHAR(64) PRIMARY KEY, orders BIGINT NOT NULL)")
        self.connection.commit()  # both modules begin transactions by themselves

    def count_order(self, customer):
        with self.connection.cursor() as cursor:
            cursor.execute(self.insert, (customer,))

    def is_new(self, consumer, event_id):
        """The inbox of level 1, for one event."""
        with self.connection.cursor() as cursor:
            cursor.execute(self.take, (consumer, event_id))
            return cursor.rowcount == 1


class Consumer:
    def __init__(self, name, instance, brokers, topic, database):
        self.name, self.topic, self.database = name, topic, database
        self.windows, self.at_end, self.batch = {}, set(), []
        self.kafka = confluent_kafka.Consumer({
            "bootstrap.servers": brokers, "group.id": name, "group.instance.id": instance, "enable.auto.commit": False,
            "auto.offset.reset": "error", "isolation.level": "read_committed", "enable.partition.eof": True, "session.timeout.ms": 10000})
        self.kafka.subscribe([topic], on_assign=self.assign, on_revoke=self.revoke)

    def assign(self, kafka, partitions):
        self.revoke()
        topic = kafka.list_topics(self.topic, TIMEOUT).topics[self.topic]
        if topic.error:
            raise confluent_kafka.KafkaException(topic.error)
        count = len(topic.partitions)
        for place in partitions:
            if place.topic != self.topic:
                raise RuntimeError("the group was assigned topic %s: give each topic its own NAME" % place.topic)
            log_start, log_end = kafka.get_watermark_offsets(place, TIMEOUT)
            window = inbox_window.Window.open(self.database.connection, self.name, self.topic, place.partition, count, log_start,
                                              log_end)
            self.windows[place.partition], place.offset = window, window.seek
        self.database.connection.commit()
        kafka.assign(partitions)

    def revoke(self, *_):
        """What was read and not applied is read again by whoever has the partition next."""
        self.windows, self.at_end, self.batch = {}, set(), []

    def read_batch(self):
        """One by one: a rebalance in between drops what was read before it, and no more."""
        message = self.kafka.poll(0.1)
        while message:
            if not message.error():
                self.at_end.discard(message.partition())
                self.batch.append(message)
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                self.at_end.add(message.partition())
            elif message.error().fatal() or message.error().code() == confluent_kafka.KafkaError._AUTO_OFFSET_RESET:
                raise confluent_kafka.KafkaException(message.error())
            message = self.kafka.poll(0) if len(self.batch) < BATCH else None
        batch, self.batch = self.batch, []
        return batch

    def apply(self, message):
        headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers() or () if name in HEADERS}
        verdict = self.windows[message.partition()].judge(message.offset(), headers.get("outbox-position"), headers.get("id"))
        by_id = verdict == inbox_window.BY_ID
        if verdict == inbox_window.NEW or (by_id and self.database.is_new(self.name, headers["id"])):
            self.database.count_order(message.key().decode())

    def run(self):
        while not ("OUTBOX_UNTIL_END" in os.environ and self.windows and self.at_end == set(self.windows)):
            batch = self.read_batch()
            for message in batch:
                self.apply(message)
            for partition in {message.partition() for message in batch}:
                self.windows[partition].save(self.database.connection)
            self.database.connection.commit()
            if batch:
                print(len(batch), flush=True)


def main():
    if len(sys.argv) not in (6, 9):
        sys.exit(__doc__)
    Consumer(*sys.argv[1:5], Database(sys.argv[5:])).run()


if __name__ == "__main__":
    main()
