#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills a consumer again and again next to a publisher that sends events twice.

    kill_consumer.py KILLS FILE COMMAND...        COMMAND follows FILE; {} in it is the number of the run

The publisher appends lines to FILE as outbox's file broker does. It keeps a window of events in flight; now and then it
"restarts" and sends the window again, or a window of long ago. Lines are written in pieces: a reader may see half a
line. The consumer is killed with SIGKILL KILLS times. Then COMMAND without --follow applies the rest.

Prints the events that were published, how many lines repeat one, and the number of orders of each customer, as
"customer orders" lines, sorted: what the consumer's table must hold.
"""
import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid

CUSTOMERS, WINDOW = 40, 60
MOST_S = float(os.environ.get("INBOX_KILL_S", "0.13"))  # a consumer lives so long at most


class Publisher(threading.Thread):
    def __init__(self, path):
        super().__init__(daemon=True)
        self.file, self.random, self.stopping = open(path, "ab", buffering=0), random.Random(7), False
        self.events, self.repeated, self.error = [], 0, None

    def write(self, events):
        data = b"".join(line for _, line in events)
        cut = self.random.randint(0, len(data))
        self.file.write(data[:cut])
        time.sleep(self.random.random() * 0.002)
        self.file.write(data[cut:])

    def new_events(self):
        for _ in range(self.random.randint(1, 20)):
            customer = "c%d" % self.random.randrange(CUSTOMERS)
            event = {"topic": "outbox.event.order", "key": customer, "id": str(uuid.UUID(int=self.random.getrandbits(128))),
                     "type": "placed", "payload": json.dumps({"amount": 1, "key": "nobody"})}
            yield customer, (json.dumps(event, separators=(",", ":")) + "\n").encode()

    def repeat(self):
        end = len(self.events)
        if self.random.random() < 0.2:  # a relay that hung for long
            end = self.random.randint(0, end)
        again = self.events[max(0, end - self.random.randint(1, WINDOW)):end]
        self.repeated += len(again)
        self.write(again)

    def run(self):
        try:
            while not self.stopping:
                fresh = list(self.new_events())
                self.events += fresh
                self.write(fresh)
                if self.random.random() < 0.1:
                    self.repeat()
                time.sleep(0.004)
        except OSError as error:
            self.error = error
        self.file.close()


def start(command, number):
    return subprocess.Popen([part.replace("{}", str(number)) for part in command], stderr=subprocess.PIPE)


def kill_one(command, number, chance):
    """False: the consumer ended by itself, with a failure that is not the kill."""
    consumer = start(command, number)
    time.sleep(0.02 + chance.random() * MOST_S)
    ended = consumer.poll()
    consumer.kill()
    errors = consumer.communicate()[1].decode()
    if ended not in (None, 75):  # 75: try again, after a deadlock
        print("kill_consumer: the consumer ended with %s: %s" % (ended, errors), file=sys.stderr)
        return False
    return True


def main():
    kills, path, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    publisher, chance = Publisher(path), random.Random(11)
    publisher.start()
    for number in range(kills):
        if not kill_one(command, number, chance):
            return 1
    publisher.stopping = True
    publisher.join()
    if publisher.error:
        print("kill_consumer: publish: %s" % publisher.error, file=sys.stderr)
        return 1
    last = subprocess.run([part.replace("{}", str(kills)) for part in command if part != "--follow"])
    counts = {}
    for customer, _ in publisher.events:
        counts[customer] = counts.get(customer, 0) + 1
    print("# %d kills, %d events, %d lines more that repeat one" % (kills, len(publisher.events), publisher.repeated))
    for customer in sorted(counts):
        print(customer, counts[customer])
    return last.returncode


if __name__ == "__main__":
    sys.exit(main())
