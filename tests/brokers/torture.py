#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""torture.py OUTBOX SERVICE DIR READ EVENTS <BROKER: a relay from SQLite to a real server, both killed again and again.

stdin is the broker's section of the configuration. SERVICE is a script of tests/services, DIR its running instance; READ
is a shell command that prints what can be read, as NDJSON with id, key and payload_base64. kill -9 of the relay, and
kill -9 and a restart of the server, until the outbox is empty. Then every event is there, in order within its key
(first occurrences). Prints the number of duplicates.
"""
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

KEYS, DEADLINE_S = 40, 150
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
                   "    retry_min: 20ms\n    retry_max: 300ms\n" % (work, broker))
    subprocess.run([outbox, "init", "-c", config], check=True, stdout=subprocess.DEVNULL)
    database = sqlite3.connect(work + "/db", timeout=30)
    database.executemany(
        "insert into outbox (event_id, aggregatetype, aggregateid, type, payload) values (?, 'torture', ?, 'placed', ?)",
        [("id-%d" % n, "k%d" % (n % KEYS), '{"number": %d}' % n) for n in range(count)])
    database.commit()
    return config, database


def left(database):
    return database.execute("select count(*) from outbox").fetchone()[0]


def kill_until_empty(config, database, log):
    relay, relay_kills, server_kills = None, 0, 0
    deadline = time.monotonic() + DEADLINE_S
    while left(database):
        check(time.monotonic() < deadline, "%d events are left after %d s" % (left(database), DEADLINE_S))
        if relay is None or relay.poll() is not None:
            relay = subprocess.Popen([outbox, "run", "-c", config], stdout=log, stderr=log)
        time.sleep(random.uniform(0.2, 1.0))
        if random.random() < 0.5:
            relay.kill()
            relay.wait()
            relay_kills += 1
        else:
            subprocess.run([service, "kill", directory], check=True)
            subprocess.run([service, "restart", directory], check=True, stdout=subprocess.DEVNULL)
            server_kills += 1
    if relay.poll() is None:
        relay.send_signal(signal.SIGTERM)
        check(relay.wait(60) == 0, "the relay ended with %s after SIGTERM" % relay.returncode)
    return relay_kills, server_kills


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
