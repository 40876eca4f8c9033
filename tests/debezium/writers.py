# SPDX-License-Identifier: Apache-2.0
"""Applications that write events while a migration runs.

Each writer has keys of its own and numbers the events of each key; it locks the key's row first, as the documents demand. Modes:
  insert          the row stays
  insert-delete   the same transaction deletes the row, as Quarkus does
  clean-up        the rows stay, and a job deletes those that are older than a second
stop_deleting() is the application's new release: it returns when no transaction of the old one is left.
"""
import json
import threading
import time
import uuid

WRITERS, KEYS = 4, 5
PAUSE = 0.004  # between the transactions of a writer: the test must share its processors with the servers


class Writers:
    def __init__(self, database, mode):
        self.database, self.mode, self.running = database, mode, True
        self.deletes, self.committed, self.failure = mode != "insert", {}, None
        self.phase, self.longest = "before", {"before": 0.0, "swap": 0.0, "after": 0.0}  # seconds, by the phase of the commit
        self.released = threading.Barrier(WRITERS + 2)
        self.threads = [threading.Thread(target=self.guard, args=(self.write, n)) for n in range(WRITERS)]
        self.threads.append(threading.Thread(target=self.guard, args=(self.clean_up, 0)))
        with database.connect() as connection, connection.cursor() as cursor:
            for key in (self.key(n, k) for n in range(WRITERS) for k in range(KEYS)):
                cursor.execute("INSERT INTO customers VALUES (%s, 0)", (key,))
            connection.commit()

    @staticmethod
    def key(writer, number):
        return "customer-%d-%d" % (writer, number)

    def start(self):
        for thread in self.threads:
            thread.start()

    def guard(self, work, number):
        try:
            work(number)
        except Exception as error:
            self.failure = error
            self.released.abort()

    def write(self, writer):
        connection, deleting, turn = self.database.connect(), True, 0
        while self.running:
            key = self.key(writer, turn % KEYS)
            if deleting and not self.deletes and self.mode != "insert":
                self.released.wait(60)
            deleting = self.deletes
            begin = time.monotonic()
            number = self.transaction(connection, key, deleting and self.mode == "insert-delete")
            self.longest[self.phase] = max(self.longest[self.phase], time.monotonic() - begin)
            self.committed[key] = number
            turn += 1
            time.sleep(PAUSE)
        connection.close()

    @staticmethod
    def transaction(connection, key, delete):
        event = str(uuid.uuid4())
        with connection.cursor() as cursor:
            cursor.execute("UPDATE customers SET events = events + 1 WHERE id = %s", (key,))
            cursor.execute("SELECT events FROM customers WHERE id = %s", (key,))
            number = cursor.fetchone()[0]
            cursor.execute("INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES (%s, 'order', %s, 'placed', %s)",
                           (event, key, json.dumps({"n": number})))
            if delete:
                cursor.execute("DELETE FROM outbox WHERE id = %s", (event,))
        connection.commit()
        return number

    def clean_up(self, _number):
        if self.mode == "clean-up":
            connection = self.database.connect()
            while self.deletes and self.running:
                with connection.cursor() as cursor:
                    cursor.execute(self.database.clean_up)
                connection.commit()
                time.sleep(0.2)
            connection.close()
        if self.mode != "insert":
            self.released.wait(600)

    def stop_deleting(self):
        if self.mode != "insert":
            self.deletes = False
            self.released.wait(60)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()
        if self.failure:
            raise self.failure
        return self.committed
