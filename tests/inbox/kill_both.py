#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills a consumer and the relay that feeds it again and again.

    kill_both.py KILLS OUTBOX CONFIGURATION DATABASE FILE COMMAND...

A writer commits events to the outbox in the SQLite file DATABASE, and rolls some back. OUTBOX relays it to FILE by
CONFIGURATION, and COMMAND follows FILE. Both are killed with SIGKILL KILLS times, each at its own pace. Then the outbox
is drained, and COMMAND without --follow applies the rest.

Prints the number of events that were committed, how many lines of FILE repeat one, and the number of orders of each
customer, as "customer orders" lines, sorted: what the consumer's table must hold.
"""
import collections
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time

from kill_consumer import CUSTOMERS, kill_one

INSERT = "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', ?, 'placed', '{}')"


class Writer(threading.Thread):
    def __init__(self, path, pause=0.004):
        super().__init__(daemon=True)
        self.path, self.pause, self.random, self.stopping, self.error = path, pause, random.Random(5), False, None
        self.counts = collections.Counter()

    def transaction(self, connection):
        customers = ["c%d" % self.random.randrange(CUSTOMERS) for _ in range(self.random.randint(1, 20))]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, [(customer,) for customer in customers])
        if self.random.random() < 0.1:
            connection.execute("ROLLBACK")
        else:
            connection.execute("COMMIT")
            self.counts.update(customers)

    def run(self):
        try:
            connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            connection.execute("PRAGMA synchronous = OFF")
            while not self.stopping:
                self.transaction(connection)
                time.sleep(self.pause)
            connection.close()
        except sqlite3.Error as error:
            self.error = error


class Relay(threading.Thread):
    """Runs it and kills it, KILLS times: some time after its start, or after its first event, which may then come again."""
    def __init__(self, kills, command, path):
        super().__init__(daemon=True)
        self.kills, self.command, self.path, self.random, self.error = kills, command, path, random.Random(3), None

    def wait_for_an_event(self, relay):
        size, deadline = os.path.getsize(self.path), time.monotonic() + 60
        while os.path.getsize(self.path) == size and relay.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)

    def run(self):
        for number in range(self.kills):
            with open("relay.log", "ab") as log:
                relay = subprocess.Popen(self.command, stdout=log, stderr=log)
            if number % 2:
                self.wait_for_an_event(relay)
            else:
                time.sleep(0.03 + self.random.random() * 0.15)
            if relay.poll() is not None:
                self.error = "the relay ended with %d; see relay.log" % relay.returncode
                return
            relay.kill()
            relay.wait()


def repeated_lines(path):
    with open(path, encoding="utf-8") as lines:
        seen = collections.Counter(json.loads(line)["id"] for line in lines)
    return sum(seen.values()) - len(seen)


def fail(text):
    print("kill_both: %s" % text, file=sys.stderr)
    return 1


def main():
    kills, outbox, configuration, database, path, command = int(sys.argv[1]), *sys.argv[2:6], sys.argv[6:]
    writer, chance = Writer(database), random.Random(11)
    relay = Relay(kills, [outbox, "run", "-c", configuration], path)
    writer.start()
    relay.start()
    for number in range(kills):
        if not kill_one(command, number, chance):
            return 1
    relay.join()
    writer.stopping = True
    writer.join()
    if writer.error or relay.error:
        return fail(writer.error or relay.error)
    subprocess.run([outbox, "drain", "-c", configuration], check=True, timeout=300, stdout=subprocess.DEVNULL)
    last = subprocess.run([part for part in command if part != "--follow"])
    print("# %d kills of each, %d events, %d lines more that repeat one" %
          (kills, sum(writer.counts.values()), repeated_lines(path)))
    for customer in sorted(writer.counts):
        print(customer, writer.counts[customer])
    return last.returncode


if __name__ == "__main__":
    sys.exit(main())
