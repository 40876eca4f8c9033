#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""healthy_keys.py OUTBOX SERVICE DIR URL [CA]: one key whose endpoint does not answer, beside 39 healthy ones.

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
outbox, service, directory, url = sys.argv[1:5]
tls = ", tls_ca: %s" % sys.argv[5] if len(sys.argv) > 5 else ""


def prepare(work):
    config = work + "/outbox.yaml"
    with open(config, "w") as file:
        file.write("relays:\n  r:\n    store: { plugin: sqlite, path: %s/db }\n"
                   "    broker: { plugin: http, url: '%s/hook/{topic}', allow_private: true, timeout: 1h%s }\n"
                   "    route: { topic: '${aggregatetype}', key: '${aggregateid}' }\n" % (work, url, tls))
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

    def until(holds, what):
        deadline = time.monotonic() + 240
        while not holds():
            if time.monotonic() > deadline:
                sys.exit("healthy_keys: not in 240 s: %s; %d have arrived" % (what, len(events())))
            time.sleep(0.05)

    until(lambda: len(events()) >= KEYS * EACH, "the events of healthy keys arrive while one key waits")
    if any(event["key"] == "slow" for event in events()):
        sys.exit("healthy_keys: an event of the slow key has arrived too early")
    open(directory + "/go", "w").close()
    until(lambda: not database.execute("select count(*) from outbox").fetchone()[0], "the outbox is empty")
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
