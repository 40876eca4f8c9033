#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A whole migration from Debezium to outbox, by the steps of the documents, while applications write.

    migration.py KIND-MODE ...        KIND: postgres, mysql, mariadb; MODE: insert, insert-delete, clean-up (see writers.py)

Needs OUTBOX (the program), OUTBOX_PLUGIN_DIR, kcat, psycopg2 and PyMySQL. OUTBOX_MIGRATION_ROWS: rows that the table has
before (1000000). Prints TAP with a line of figures for each migration: events, lost, out of order, duplicates, longest commit.
"""
import json
import os
import subprocess
import sys
import time
import uuid

from databases import CUSTOMERS, DATABASES
from servers import Servers, Unavailable, until
from steps import step
from writers import Writers

ROWS = int(os.environ.get("OUTBOX_MIGRATION_ROWS", "1000000"))
SWAP_ATTEMPTS = 100
TOPIC = "outbox.event.order"
CONFIG = """
relays:
  orders:
    store: {{ {store}, columns: {{ id: seq, event_id: id }} }}
    broker: {{ plugin: kafka, bootstrap.servers: "{kafka}" }}
"""


class Migration:
    def __init__(self, servers, database, mode):
        self.servers, self.database, self.mode = servers, database, mode
        self.config = os.path.join(servers.directory, "outbox.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(store=database.store(), kafka=servers.kafka))

    def step(self, name):
        return step(self.database.document, name)

    def prepare(self):
        with self.database.connect() as connection, connection.cursor() as cursor:
            for statement in (CUSTOMERS, self.database.outbox, "CREATE INDEX outbox_created ON outbox (created_at)"):
                cursor.execute(statement)
            if hasattr(self.database, "depth"):
                cursor.execute(self.database.depth)
            if ROWS:
                cursor.execute(self.database.old_rows.format(ROWS))
            connection.commit()
        self.servers.start_debezium()
        self.servers.connector("shop", self.database.connector())
        until(self.debezium_reads, 120, "Debezium publishes a first event")

    def debezium_reads(self):
        """A task that runs may still look for its place in the log, and skip what is written meanwhile."""
        with self.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES (%s, 'probe', '1', 'probe', '{}')",
                           (str(uuid.uuid4()),))
            connection.commit()
        time.sleep(0.2)
        return "outbox.event.probe" in self.servers.topics()

    def published(self, count):
        """Waits until Debezium has published some events: the migration begins in the middle of them."""
        until(lambda: TOPIC in self.servers.topics() and len(self.servers.records(TOPIC)) >= count, 120,
              "Debezium publishes %d events" % count)

    def outbox(self, *args):
        return subprocess.run([os.environ["OUTBOX"], *args, "-c", self.config], capture_output=True, text=True)

    def must(self, *args):
        done = self.outbox(*args)
        if done.returncode:
            raise RuntimeError("outbox %s: exit code %d\n%s%s" % (" ".join(args), done.returncode, done.stdout, done.stderr))
        return done.stdout

    def swap(self):
        """As the document demands: again, if a lock was not free within the limit. Returns the place in the server's log."""
        for self.attempts in range(1, SWAP_ATTEMPTS + 1):
            status, printed, error = self.database.client(self.step("swap"))
            if not status:
                return printed.splitlines()[-1]
            if "timeout" not in error:
                raise RuntimeError("swap: " + error)
            time.sleep(0.1)
        raise RuntimeError("swap: the lock was never free: " + error)

    def migrate(self, writers):
        self.published(200)
        writers.stop_deleting()                                              # step 1
        changed = dict(self.database.connector(), **dict(
            line.split("=", 1) for line in self.step("connector").splitlines() if line))
        self.servers.connector("shop", changed)                              # step 2
        self.run_optional("prepare")
        writers.phase = "swap"
        place = self.swap()                                                  # step 3
        time.sleep(1)  # commits that waited for the swap
        writers.phase = "after"
        until(lambda: self.database.has_read(place, self.step), 120, "Debezium has read up to %s" % place)  # step 4
        self.servers.stop_connector("shop")                                  # step 5
        self.run_optional("drop")
        self.must("init")                                                    # step 6
        self.must("check")

    def run_optional(self, name):
        try:
            text = self.step(name)
        except KeyError:
            return
        status, _, error = self.database.client(text)
        if status:
            raise RuntimeError("%s: %s" % (name, error))

    def relay(self, writers):
        log = open(os.path.join(self.servers.directory, "relay.log"), "w", encoding="utf-8")
        relay = subprocess.Popen([os.environ["OUTBOX"], "run", "-c", self.config], stderr=log, stdout=log)
        try:
            time.sleep(3)                                                    # writers and relay together
            committed = writers.stop()
            until(self.is_empty, 120, "the relay publishes everything")
        finally:
            relay.terminate()
            if relay.wait(30):
                raise RuntimeError("the relay ended with an error; see relay.log")
            log.close()
        return committed

    def is_empty(self):
        with self.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM outbox")
            return cursor.fetchone()[0] == 0

    def judge(self, committed):
        """Numbers of each key in the order of the topic; a partition has the order of its keys."""
        highest, lost, disorder, duplicates, seen = {}, 0, 0, 0, set()
        for record in self.servers.records(TOPIC):
            key, number = record["key"].decode(), json.loads(record["value"])["n"] if record["value"] != b"{}" else 0
            if (key, number) in seen:
                duplicates += 1
                continue
            seen.add((key, number))
            disorder += number < highest.get(key, 0)
            highest[key] = max(number, highest.get(key, 0))
        for key, last in committed.items():
            missing = [n for n in range(1, last + 1) if (key, n) not in seen]
            lost += len(missing)
            if missing:
                print("# lost of %s: %s" % (key, missing))
        return {"events": sum(committed.values()), "lost": lost, "disorder": disorder, "duplicates": duplicates,
                "phantoms": len(seen) - (sum(committed.values()) - lost)}

    def run(self):
        self.prepare()
        writers = Writers(self.database, self.mode)
        writers.start()
        try:
            self.migrate(writers)
            committed = self.relay(writers)
        finally:
            if writers.running:
                writers.running = False
                writers.released.abort()
        result = self.judge(committed)
        result.update(longest=writers.longest, attempts=self.attempts)
        return result


def migrate(name):
    kind, mode = name.split("-", 1)
    with Servers(kind) as servers:
        result = Migration(servers, DATABASES[kind](servers), mode).run()
    print("# %s, %d old rows: %d events, %d lost, %d out of order, %d phantoms, %d duplicates, longest commit %.0f ms "
          "at the swap (attempt %d), %.0f ms before, %.0f ms after" % (name, ROWS, result["events"], result["lost"], result["disorder"], result["phantoms"],
                                     result["duplicates"], result["longest"]["swap"] * 1000, result["attempts"],
                                     result["longest"]["before"] * 1000, result["longest"]["after"] * 1000))
    return result["events"] > 0 and not (result["lost"] or result["disorder"] or result["phantoms"])


def main():
    failed = 0
    names = sys.argv[1:] or sys.exit(__doc__)
    for number, name in enumerate(names, 1):
        try:
            passed = migrate(name)
            print("%s %d - migration %s" % ("ok" if passed else "not ok", number, name))
            failed += not passed
        except Unavailable as reason:
            print("ok %d - migration %s # SKIP %s" % (number, name, str(reason).splitlines()[-1]))
        sys.stdout.flush()
    print("1..%d" % len(names))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
