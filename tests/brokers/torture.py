#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""torture.py OUTBOX SERVICE DIR READ EVENTS REJECTED <BROKER: a relay from SQLite to a broker under mixed faults.

stdin is the broker's section of the configuration. SERVICE is a script of tests/services, DIR its running instance; "":
there is no server to kill. READ is a shell command that prints what can be read, as NDJSON with id, key and payload_base64,
or as kcat does.
REJECTED is a topic whose events the broker rejects.

kill -9 of the relay, kill -9 and a restart of the server, and one more fault, in turn, each after some more events were
published: rejected events, a row that a trigger keeps with and without an error, a locked
database, a replaced table. During a fault of rows a probe, an event of a healthy key, must leave the outbox; its longest
delay is printed.

Then every event is there unchanged, in order within its key (first occurrences), rejected events are dead letters, and there
are no more duplicates than the window of each incident allows. Prints their number. The header of route.position names an
ownership for each life of the relay, and no event comes after a low mark that has passed it.
"""
import atexit
import base64
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

DEADLINE_S, KILLS_AT_LEAST = 600, 2
WINDOW = 64 * 1024 // 192  # events: max_in_flight_bytes by the least that a row counts
KEYS = ["k%d" % n for n in range(30)] + ["日本", "本日", "ключ", "😀", "e\u0301", "\u00e9", " blank ", "a\tb", "\"'\\", "k" * 200]
outbox, service, directory, read, count, rejected = sys.argv[1:5] + [int(sys.argv[5]), sys.argv[6]]
broker = "".join("      " + line for line in sys.stdin)


def check(holds, text):
    if not holds:
        sys.exit("torture: " + text)


def key_of(number):
    return KEYS[number % len(KEYS)]


class Outbox:
    """The application's side: its table, and the events that it added."""

    def __init__(self, work):
        self.config, self.added, self.rejected = work + "/outbox.yaml", 0, 0
        with open(self.config, "w") as file:
            file.write("relays:\n  r:\n    store: { plugin: sqlite, path: %s/db }\n    broker:\n%s"
                       "    route: { topic: '${aggregatetype}', key: '${aggregateid}', position: true }\n    on_reject: park\n"
                       "    retry_min: 20ms\n    retry_max: 300ms\n    claim_rows: 100\n    max_in_flight_bytes: 64KiB\n" % (work, broker))
        subprocess.run([outbox, "init", "-c", self.config], check=True, stdout=subprocess.DEVNULL)
        self.database = sqlite3.connect(work + "/db", timeout=30, isolation_level=None)

    def ask(self, sql, *values):
        return self.database.execute(sql, values).fetchone()[0]

    def insert(self, rows):
        self.database.execute("begin immediate")
        self.database.executemany(
            "insert into outbox (event_id, aggregatetype, aggregateid, type, payload) values (?, ?, ?, 'placed', ?)", rows)
        self.database.execute("commit")

    def add(self, number_of_events):
        first, self.added = self.added, self.added + number_of_events
        self.insert([("id-%d" % n, "torture", key_of(n), '{"number": %d}' % n) for n in range(first, self.added)])

    def add_rejected(self, number_of_events):
        first, self.rejected = self.rejected, self.rejected + number_of_events
        self.insert([("rejected-%d" % n, rejected, key_of(n), "{}") for n in range(first, self.rejected)])

    def left(self):
        return self.ask("select count(*) from outbox")

    def left_of(self, number):
        return self.ask("select count(*) from outbox where event_id = ?", "id-%d" % number)


class Run:
    def __init__(self, table, log):
        self.table, self.log, self.relay = table, log, None
        self.deadline = time.monotonic() + DEADLINE_S
        self.kills = {"relay": 0, "server": 0} if service else {"relay": 0}
        self.incidents, self.probe_s = 0, 0

    def start_relay(self):
        self.relay = subprocess.Popen([outbox, "run", "-c", self.table.config], stdout=self.log, stderr=self.log)
        atexit.register(self.relay.kill)  # also after a failure; one that has ended is left alone

    def until(self, holds, what):
        while not holds():
            check(time.monotonic() < self.deadline, "%s: not in %d s; %d events are left" % (what, DEADLINE_S, self.table.left()))
            check(self.relay.poll() is None, "the relay ended by itself, with %s" % self.relay.returncode)
            time.sleep(0.01)

    def until_empty(self):
        self.until(lambda: not self.table.left(), "the outbox is empty")

    # ---- faults ----

    def kill_relay(self):
        self.relay.kill()
        self.relay.wait()
        self.kills["relay"] += 1
        self.start_relay()

    def kill_server(self):
        subprocess.run([service, "kill", directory], check=True)
        subprocess.run([service, "restart", directory], check=True, stdout=subprocess.DEVNULL)
        self.kills["server"] += 1

    def probe(self, what):
        number, began = self.table.added, time.monotonic()
        self.table.add(1)
        self.until(lambda: not self.table.left_of(number), "a probe during " + what)
        self.probe_s = max(self.probe_s, time.monotonic() - began)

    def reject(self):
        self.table.add_rejected(300)
        self.until(lambda: not self.table.ask("select count(*) from outbox where aggregatetype = ?", rejected), "rejected events")
        self.table.add_rejected(100)
        self.probe("rejections")

    def keep_row(self, how):
        number = self.table.added
        self.table.database.execute("create trigger keep before delete on outbox when old.event_id = 'id-%d' begin select %s; end" %
                                    (number, how))
        self.table.add(3)
        self.until(lambda: self.table.left() == 1, "the rows beside one that cannot be removed")
        self.probe("a row that cannot be removed")
        check(self.table.left() == 1, "%d rows are left beside one that cannot be removed" % self.table.left())
        self.table.database.execute("drop trigger keep")
        self.until_empty()

    def keep_row_with_error(self):
        self.keep_row("raise(abort, 'kept')")

    def keep_row_silently(self):
        self.keep_row("raise(ignore)")

    def lock(self):
        self.table.add(200)
        self.table.database.execute("begin exclusive")
        time.sleep(3)
        self.table.database.execute("rollback")

    def replace_table(self):
        """By an empty one, whose ids begin with 1 again."""
        self.until_empty()
        sql = self.table.ask("select sql from sqlite_schema where name = 'outbox'")
        for statement in ("begin immediate", "drop table outbox", sql, "commit"):
            self.table.database.execute(statement)
        self.probe("the use of a new table")

    def publish_some(self):
        if self.table.left() < count // 4:
            self.table.add(count // 4)
        goal = self.table.left() - int(count * random.uniform(0.05, 0.15))
        self.until(lambda: self.table.left() <= goal, "some more events")

    def run(self):
        kills = [self.kill_relay, self.kill_server] if service else [self.kill_relay]
        faults = [self.reject, self.keep_row_with_error, self.keep_row_silently, self.lock, self.replace_table]
        random.shuffle(faults)
        self.start_relay()
        while faults or min(self.kills.values()) < KILLS_AT_LEAST:
            for fault in (kills if min(self.kills.values()) < KILLS_AT_LEAST else kills[:1]) + faults[:1]:
                self.publish_some()
                fault()
                self.incidents += 1
            faults = faults[1:]
        self.until_empty()
        self.relay.send_signal(signal.SIGTERM)
        check(self.relay.wait(60) == 0, "the relay ended with %s after SIGTERM" % self.relay.returncode)


def header_of(event, name):
    """Headers are an object, or names and values in turn."""
    headers = event["headers"]
    return (headers if isinstance(headers, dict) else dict(zip(headers[::2], headers[1::2])))[name]


def id_of(event):
    """kcat has headers only."""
    return event["id"] if "id" in event else header_of(event, "id")


def check_position(event, marks):
    """route.position: an ownership publishes nothing below its low mark any more. A position below its own mark is no place."""
    source, owner, position, low = header_of(event, "outbox-position").split(".")[:4]
    position, low = ([int(number, 16) for number in place.split("-")] for place in (position, low))
    stream = source, owner, event.get("partition")
    marks[stream] = max(marks.get(stream, low), low)
    check(position < low or position >= marks[stream], "event %s is below the mark %s of its ownership" % (event, marks[stream]))


def verify(table, incidents, lives):
    seen, reached, duplicates, marks = set(), {}, 0, {}
    for line in subprocess.run(read, shell=True, check=True, stdout=subprocess.PIPE).stdout.splitlines():
        event = json.loads(line)
        payload = base64.b64decode(event["payload_base64"]) if "payload_base64" in event else event["payload"]
        number = json.loads(payload)["number"]
        check(id_of(event) == "id-%d" % number and event["key"] == key_of(number), "event %s is changed" % event)
        check_position(event, marks)
        if number in seen:
            duplicates += 1
            continue
        seen.add(number)
        check(number > reached.get(event["key"], -1), "event %d of %s comes too late" % (number, event["key"]))
        reached[event["key"]] = number
    check(len(seen) == table.added, "%d of %d events are missing" % (table.added - len(seen), table.added))
    dead = table.ask("select count(distinct event_id) from outbox_dead")
    check(dead == table.rejected == table.ask("select count(*) from outbox_dead"),
          "%d dead letters of %d rejected events" % (dead, table.rejected))
    owners = len({stream[:2] for stream in marks})
    check(owners >= lives, "%d lives of the relay have %d ownerships" % (lives, owners))
    check(duplicates <= incidents * WINDOW, "%d events twice, after %d incidents of %d" % (duplicates, incidents, WINDOW))
    return duplicates


with tempfile.TemporaryDirectory() as work, open(os.environ.get("OUTBOX_TEST_LOG", work + "/log"), "w") as log:
    table = Outbox(work)
    table.add(count)
    run = Run(table, log)
    run.run()
    print("%d events, %d rejected, %d kills of the relay, %d of the server: none missing, none out of order, %d twice; "
          "an event of a healthy key left the outbox after at most %.2f s" %
          (table.added, table.rejected, run.kills["relay"], run.kills.get("server", 0),
           verify(table, run.incidents, run.kills["relay"] + 1), run.probe_s))
