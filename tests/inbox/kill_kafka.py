#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills a consumer of Kafka and the relay that feeds it again and again.

    kill_kafka.py KILLS OUTBOX CONFIGURATION DATABASE COMMAND...

A writer commits events to the outbox in the SQLite file DATABASE, and rolls some back. OUTBOX relays it to Kafka by
CONFIGURATION; COMMAND consumes and prints a line after each commit. After the next commit and a random time one of both
is killed with SIGKILL and started again, until each was killed KILLS times. Then the outbox is drained, and COMMAND with
OUTBOX_UNTIL_END applies the rest.

Prints the number of events that were committed, and the number of orders of each customer, as "customer orders" lines,
sorted: what the consumer's table must hold.
"""
import os
import queue
import random
import subprocess
import sys
import threading
import time

from kill_both import Writer

DEADLINE, TRY_AGAIN = 120, 75


class Consumer:
    def __init__(self, command):
        self.command, self.commits, self.restarts, self.process = command, queue.Queue(), 0, None

    def start(self):
        with open("consumer.log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log)
        threading.Thread(target=self.read, args=(self.process.stdout,), daemon=True).start()

    def read(self, pipe):
        for line in pipe:
            self.commits.put(line)

    def wait_for_commit(self):
        """Of this life of the consumer, or a later one: it may end by itself and ask for another try."""
        while not self.commits.empty():
            self.commits.get()
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                return self.commits.get(timeout=0.2)
            except queue.Empty:
                ended = self.process.poll()
                if ended not in (None, TRY_AGAIN):
                    raise RuntimeError("the consumer ended with %d; see consumer.log" % ended) from None
                if ended == TRY_AGAIN:
                    self.restarts += 1
                    self.start()
        raise RuntimeError("nothing was committed for %d s; see consumer.log and relay.log" % DEADLINE)


class Relay:
    def __init__(self, command):
        self.command, self.process = command, None

    def start(self):
        with open("relay.log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)


def kill(victim):
    if victim.process.poll() not in (None, TRY_AGAIN):
        raise RuntimeError("%s ended with %d" % (victim.command[0], victim.process.returncode))
    victim.process.kill()
    victim.process.wait()


def torture(kills, relay, consumer):
    chance = random.Random(11)
    victims = [relay, consumer] * kills
    chance.shuffle(victims)
    relay.start()
    consumer.start()
    for victim in victims:
        consumer.wait_for_commit()
        time.sleep(chance.random() * 0.1)
        kill(victim)
        victim.start()
    kill(relay)
    kill(consumer)


def main():
    kills, outbox, configuration, database, command = int(sys.argv[1]), *sys.argv[2:5], sys.argv[5:]
    writer, relay, consumer = Writer(database, pause=0.02), Relay([outbox, "run", "-c", configuration]), Consumer(command)
    writer.start()
    torture(kills, relay, consumer)
    writer.stopping = True
    writer.join()
    if writer.error:
        raise writer.error
    subprocess.run([outbox, "drain", "-c", configuration], check=True, timeout=300, stdout=subprocess.DEVNULL)
    subprocess.run(command, env={**os.environ, "OUTBOX_UNTIL_END": "1"}, check=True, timeout=300, stdout=subprocess.DEVNULL)
    print("# %d kills of each, %d events, the consumer asked %d times for another try" %
          (kills, sum(writer.counts.values()), consumer.restarts))
    for customer in sorted(writer.counts):
        print(customer, writer.counts[customer])


if __name__ == "__main__":
    main()
