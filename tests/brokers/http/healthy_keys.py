#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""healthy_keys.py OUTBOX SERVICE DIR URL: one key whose endpoint does not answer, beside 39 healthy ones.

The 1,170 events of the healthy keys are delivered while the first of the slow key waits for its answer. Then the endpoint
answers, and the rest arrives. Each key's events are in order.
"""
import atexit
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
                   "    broker: { plugin: http, url: '%s/hook/{topic}', allow_private: true, timeout: 1h }\n"
                   "    route: { topic: '${aggregatetype}', key: '${aggregateid}' }\n" % (work, url))
    subprocess.run([outbox, "init", "-c", config], check=True, stdout=subprocess.DEVNULL)
    database = sqlite3.connect(work + "/db", timeout=30)
    rows = []
    for n in range(EACH):
        rows += [("s-%d" % n, "do.wait", "slow", "{}")] if n < SLOW else []
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
    atexit.register(relay.kill)

    def until_left(rows):
        deadline = time.monotonic() + 240
        while database.execute("select count(*) from outbox").fetchone()[0] != rows:
            if time.monotonic() > deadline:
                sys.exit("healthy_keys: it took over 240 s until %d events were left" % rows)
            time.sleep(0.05)

    until_left(SLOW)
    if any(event["key"] == "slow" for event in events()):
        sys.exit("healthy_keys: an event of the slow key has arrived too early")
    open(directory + "/go", "w").close()
    until_left(0)
    relay.send_signal(signal.SIGTERM)
    relay.wait(60)

keys = [event["key"] for event in events()]
for key in set(keys):
    numbers = [int(event["id"].split("-")[1]) for event in events() if event["key"] == key]
    if numbers != sorted(numbers):
        sys.exit("healthy_keys: the events of %s came as %s" % (key, numbers))
if len(keys) != KEYS * EACH + SLOW:
    sys.exit("healthy_keys: %d events arrived, not %d" % (len(keys), KEYS * EACH + SLOW))
print("%d events of healthy keys were delivered beside a key that waited" % (KEYS * EACH))
