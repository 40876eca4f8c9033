#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""torture.py OUTBOX SERVICE DIR READ EVENTS <BROKER: a relay from SQLite to a real server, both killed again and again.

stdin is the broker's section of the configuration. SERVICE is a script of tests/services, DIR its running instance; READ
is a shell command that prints what can be read, as NDJSON with id, key and payload_base64. kill -9 of the relay, and
kill -9 and a restart of the server, in turn, each after some more events were published, until the outbox is empty. A run
with fewer than two kills of each kind proves nothing and fails. Then every event is there, in order within its key (first occurrences). Prints the number of duplicates.
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

KEYS, DEADLINE_S, KILLS_AT_LEAST = 40, 150, 2
outbox, service, directory, read, count = sys.argv[1:5] + [int(sys.argv[5])]
broker = "".join("      " + line for line in sys.stdin)


def check(holds, text):
    if not holds:
        sys.exit("torture: " + text)


def prepare(work):
    config = work + "/outbox.yaml"
    with open(config, "w") as file:
        file.write("relays:\n  r:\n    store: { plugin: sqlite, path: %s/db }\n    broker:\n%s"
                   "    route: { topic: '${aggregatetype}', key: '${aggregateid}' }\n"
                   "    retry_min: 20ms\n    retry_max: 300ms\n    claim_rows: 100\n    max_in_flight_bytes: 64KiB\n" % (work, broker))
    subprocess.run([outbox, "init", "-c", config], check=True, stdout=subprocess.DEVNULL)
    database = sqlite3.connect(work + "/db", timeout=30)
    database.executemany(
        "insert into outbox (event_id, aggregatetype, aggregateid, type, payload) values (?, 'torture', ?, 'placed', ?)",
        [("id-%d" % n, "k%d" % (n % KEYS), '{"number": %d}' % n) for n in range(count)])
    database.commit()
    return config, database


def left(database):
    return database.execute("select count(*) from outbox").fetchone()[0]


def kill(relay):
    relay.kill()
    relay.wait()


def kill_server():
    subprocess.run([service, "kill", directory], check=True)
    subprocess.run([service, "restart", directory], check=True, stdout=subprocess.DEVNULL)


def until_left(database, goal, relay, deadline):
    while left(database) > goal:
        check(time.monotonic() < deadline, "%d events are left after %d s" % (left(database), DEADLINE_S))
        check(relay.poll() is None, "the relay ended by itself, with %s" % relay.returncode)
        time.sleep(0.01)


def kill_until_empty(config, database, log):
    kills = [0, 0]  # of the relay, of the server
    deadline = time.monotonic() + DEADLINE_S
    relay = None
    while True:
        if relay is None or relay.poll() is not None:
            relay = subprocess.Popen([outbox, "run", "-c", config], stdout=log, stderr=log)
            atexit.register(relay.kill)  # also after a failure; one that has ended is left alone
        until_left(database, max(0, left(database) - int(count * random.uniform(0.1, 0.22))), relay, deadline)
        if not left(database):
            break
        if sum(kills) % 2:
            kill_server()
            kills[1] += 1
        else:
            kill(relay)
            kills[0] += 1
    check(min(kills) >= KILLS_AT_LEAST, "the outbox was empty after %d kills of the relay and %d of the server" % tuple(kills))
    relay.send_signal(signal.SIGTERM)
    check(relay.wait(60) == 0, "the relay ended with %s after SIGTERM" % relay.returncode)
    return kills


def verify():
    seen, reached, duplicates = set(), {}, 0
    for line in subprocess.run(read, shell=True, check=True, stdout=subprocess.PIPE).stdout.splitlines():
        event = json.loads(line)
        number = json.loads(base64.b64decode(event["payload_base64"]))["number"]
        check(event["id"] == "id-%d" % number and event["key"] == "k%d" % (number % KEYS), "event %s is changed" % event)
        if number in seen:
            duplicates += 1
            continue
        seen.add(number)
        last = reached.get(event["key"], -1)
        check(number > last, "event %d of %s comes after %d" % (number, event["key"], last))
        reached[event["key"]] = number
    check(len(seen) == count, "%d of %d events are missing" % (count - len(seen), count))
    return duplicates


with tempfile.TemporaryDirectory() as work, open(os.environ.get("OUTBOX_TEST_LOG", work + "/log"), "w") as log:
    config, database = prepare(work)
    relay_kills, server_kills = kill_until_empty(config, database, log)
    print("%d events, %d kills of the relay, %d of the server: none missing, none out of order, %d twice" %
          (count, relay_kills, server_kills, verify()))
