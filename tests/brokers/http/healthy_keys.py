#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""healthy_keys.py OUTBOX SERVICE DIR URL: one key whose endpoint takes a second, beside 39 healthy ones.

The slow key has 6 events, so it needs 6 s. The healthy keys have 1,200 events: all of them arrive before the slow key's
fourth, and each key's events in order.
"""
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

KEYS, EACH, SLOW = 39, 30, 6
outbox, service, directory, url = sys.argv[1:]


def prepare(work):
    config = work + "/outbox.yaml"
    with open(config, "w") as file:
        file.write("relays:\n  r:\n    store: { plugin: sqlite, path: %s/db }\n"
                   "    broker: { plugin: http, url: '%s/hook/{topic}', allow_private: true }\n"
                   "    route: { topic: '${aggregatetype}', key: '${aggregateid}' }\n" % (work, url))
    subprocess.run([outbox, "init", "-c", config], check=True, stdout=subprocess.DEVNULL)
    database = sqlite3.connect(work + "/db", timeout=30)
    rows = []
    for n in range(EACH):
        rows += [("s-%d" % n, "do.delay.1000", "slow", "{}")] if n < SLOW else []
        rows += [("h%d-%d" % (k, n), "healthy", "k%d" % k, "{}") for k in range(KEYS)]
    database.executemany("insert into outbox (event_id, aggregatetype, aggregateid, type, payload) values (?, ?, ?, 't', ?)", rows)
    database.commit()
    return config, database


def events():
    done = subprocess.run([service, "events", directory], check=True, stdout=subprocess.PIPE)
    return [json.loads(line) for line in done.stdout.splitlines()]


with tempfile.TemporaryDirectory() as work:
    config, database = prepare(work)
    relay = subprocess.Popen([outbox, "run", "-c", config], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while database.execute("select count(*) from outbox").fetchone()[0]:
        if time.monotonic() > deadline:
            relay.kill()
            sys.exit("healthy_keys: not all events were delivered in 60 s")
        time.sleep(0.05)
    relay.send_signal(signal.SIGTERM)
    relay.wait(30)

keys = [event["key"] for event in events()]
for key in set(keys):
    numbers = [int(event["id"].split("-")[1]) for event in events() if event["key"] == key]
    if numbers != sorted(numbers):
        sys.exit("healthy_keys: the events of %s came as %s" % (key, numbers))
if len(keys) != KEYS * EACH + SLOW:
    sys.exit("healthy_keys: %d events arrived, not %d" % (len(keys), KEYS * EACH + SLOW))
slow_before = sum(1 for key in keys[:max(i for i, key in enumerate(keys) if key != "slow")] if key == "slow")
print("%d of %d slow events arrived before the last of %d healthy ones" % (slow_before, SLOW, KEYS * EACH))
if slow_before > 3:
    sys.exit("healthy_keys: the slow key delayed the healthy ones")
