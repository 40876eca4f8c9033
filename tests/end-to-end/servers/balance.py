#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# balance.py OUTBOX PLUGIN-DIR [RELAYS [INSTANCES]]: processes with one file share its relays, on a real database. Starts
# together, a death, a return, a stop, a reload; a writer adds events meanwhile. Run within stores/*/with-server. TAP.
# The figures are comments: seconds, hand-overs, connections, memory.
import json, os, re, shutil, signal, subprocess, sys, tempfile, threading, time, urllib.request

OUTBOX, PLUGINS = sys.argv[1:3]
RELAYS, INSTANCES = (int(word) for word in (sys.argv[3:5] + ["40", "4"])[:2]) if len(sys.argv) > 3 else (16, 4)
POSTGRES = "OUTBOX_TEST_PG_DIR" in os.environ
SERVICE = os.environ["OUTBOX_TEST_PG_SERVICE" if POSTGRES else "OUTBOX_TEST_MYSQL_SERVICE"]
DATA = os.environ["OUTBOX_TEST_PG_DIR" if POSTGRES else "OUTBOX_TEST_MYSQL_DIR"]
PORT = open(DATA + "/port").read().strip() if POSTGRES else os.environ["OUTBOX_TEST_MYSQL_PORT"]
NAMES = ["shop-%03d" % i for i in range(RELAYS)]
directory = tempfile.mkdtemp(prefix="outbox-balance.")
number, failed = 0, False


def check(name, fine, why=""):
    global number, failed
    number += 1
    failed |= not fine
    print(("ok" if fine else "not ok"), number, "-", name, flush=True)
    if not fine:
        print("#", str(why)[:3000].replace("\n", "\n# "), flush=True)


def note(*words):
    print("#", *words, flush=True)


def client(**more):
    words = ["psql", DATA, "-qAt", "-v", "ON_ERROR_STOP=1"] if POSTGRES else ["sql", DATA, "-N", "-B", "-n"]
    return subprocess.Popen([SERVICE, *words], stdin=subprocess.PIPE, universal_newlines=True, **more)


def sql(statement):
    run = client(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = run.communicate(statement + ";\n", timeout=60)[0]
    if run.returncode:
        sys.exit("sql failed: %s" % text[-2000:])
    return text.split()


def write_config(more=""):
    store = ('plugin: postgres, dsn: "host=127.0.0.1 port=%s user=outbox dbname=outbox"' % PORT if POSTGRES else
             "plugin: mysql, host: 127.0.0.1, port: %s, user: outbox, password: outbox, database: outbox" % PORT)
    with open(directory + "/outbox.yaml", "w") as file:
        file.write('service: {balance: true, listen: "127.0.0.1:0"}\nrelays:\n')
        for name in NAMES:
            file.write('  %s: {store: {%s, table: %s}, broker: {plugin: file, path: "%s/%s"}%s}\n' %
                       (name, store, name.replace("-", "_"), directory, name, more))


def outbox(*words):
    return subprocess.run([OUTBOX, *words, "-c", directory + "/outbox.yaml"], env=dict(os.environ, OUTBOX_PLUGIN_DIR=PLUGINS),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)


def until(seconds, condition):
    """A busy machine has three times as long."""
    end = time.monotonic() + 3 * seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)  # between requests
    return condition()


class Instance:
    def __init__(self, index):
        self.path = "%s/log-%d" % (directory, index)
        env = dict(os.environ, OUTBOX_PLUGIN_DIR=PLUGINS)
        self.log = open(self.path, "w")
        self.process = subprocess.Popen([OUTBOX, "run", "-c", directory + "/outbox.yaml"], env=env, stderr=self.log)

    def url(self):
        found = re.search(r"listening on ([0-9.]+:[0-9]+)", open(self.path).read())
        return "http://" + found.group(1) if found else None

    def get(self, path):
        return urllib.request.urlopen(self.url() + path, timeout=10).read().decode()

    def relaying(self):
        relays = json.loads(self.get("/status"))["relays"] if self.url() else {}
        return [name for name, relay in relays.items() if relay["state"] == "relaying"]

    def counter(self, name):
        return int(re.search(r"^outbox_%s_total (\d+)" % name, self.get("/metrics"), re.M).group(1))

    def memory(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open("/proc/%d/status" % self.process.pid).read()).group(1))

    def end(self, signum):
        self.process.send_signal(signum)
        return self.process.wait(60)


# ---- events: the writer adds them until it is paused ----
class Writer(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.client, self.added, self.running, self.go = client(), 0, True, threading.Event()

    def statement(self, name):
        self.added += 3
        rows = ", ".join("('order', 'k%d', 'placed')" % (self.added % 50) for _ in range(3))
        return "insert into %s (aggregatetype, aggregateid, type) values %s;\n" % (name.replace("-", "_"), rows)

    def run(self):
        while self.running:
            self.go.wait()
            if self.running:
                self.client.stdin.write("".join(self.statement(name) for name in NAMES))
                self.client.stdin.flush()
                time.sleep(0.05)  # a moderate load: 60 events a second for each outbox

    def end(self):
        self.running = False
        self.go.set()
        self.join()
        self.client.stdin.close()
        self.client.wait(60)


def left():
    parts = " union all ".join("select count(*) as n from %s" % name.replace("-", "_") for name in NAMES)
    return int(sql("select sum(n) from (%s) t" % parts)[0])


def published():
    ids = {}
    for name in NAMES:
        path = "%s/%s" % (directory, name)
        for line in open(path) if os.path.exists(path) else []:
            event = json.loads(line)
            ids[event["id"]] = ids.get(event["id"], 0) + 1
    return ids


def settled():
    counts = [len(one.relaying()) for one in instances]
    return sum(counts) == RELAYS and max(counts) - min(counts) <= 1


def settles(name, seconds=60):
    begin = time.monotonic()
    fine = until(seconds, settled)
    check("%s: %d relays on %d instances, spread at most 1" % (name, RELAYS, len(instances)), fine,
          [sorted(one.relaying()) for one in instances])
    if not fine:
        sys.exit("# gives up: the rest would only repeat this")
    note("%s: %.1f s, %s relays, %d hand-overs so far" %
         (name, time.monotonic() - begin, [len(one.relaying()) for one in instances],
          sum(one.counter("balance_given") for one in instances)))


def connections():
    if POSTGRES:
        return int(sql("select count(*) from pg_stat_activity where application_name like 'outbox %'")[0])
    return int(sql("select count(*) from information_schema.processlist where user = 'outbox'")[0])


def drained(name):
    check(name + ": all events are published", until(30, lambda: left() == 0), left())


def figures():
    for one in instances:
        note("instance with %d relays: %d KiB, %d threads" % (
            len(one.relaying()), one.memory(), len(os.listdir("/proc/%d/task" % one.process.pid))))


def stays(name, seconds):
    before = [one.relaying() for one in instances]
    end = time.monotonic() + seconds
    while time.monotonic() < end and [one.relaying() for one in instances] == before:
        time.sleep(0.2)  # between requests
    check(name + ": nothing moves any more", time.monotonic() >= end, [before, [one.relaying() for one in instances]])


def main():
    global instances
    write_config()
    done = outbox("init", "--relay", "shop-*")
    check("init of all relays by a pattern", done.returncode == 0, done.stdout)
    writer = Writer()
    writer.start()
    instances = [Instance(i) for i in range(INSTANCES)]
    writer.go.set()
    settles("start")
    figures()
    most = 2 * RELAYS + INSTANCES + (0 if POSTGRES else 3)  # MySQL lists those that have just ended
    check("connections: two for each relay, one for each instance", until(20, lambda: connections() <= most), connections())
    note(connections(), "connections")
    stays("start", 3)
    drain = outbox("drain", "--relay", NAMES[0])
    check("drain beside them takes nothing, and names an owner", drain.returncode == 75 and "owned by shop-" in drain.stdout,
          (drain.returncode, drain.stdout))

    writer.go.clear()  # so that the death itself cannot cause duplicates
    drained("before the death")
    instances.pop(0).end(signal.SIGKILL)
    writer.go.set()
    settles("death")
    instances.append(Instance(INSTANCES))
    until(30, lambda: instances[-1].url())
    settles("return")
    check("instances exit by SIGTERM", instances.pop(0).end(signal.SIGTERM) == 0)
    settles("stop")
    write_config(", retry_max: 5s")
    for one in instances:
        one.process.send_signal(signal.SIGHUP)
    reloaded = lambda: all("reloaded" in open(one.path).read() for one in instances)
    check("reload of all instances", until(20, reloaded))
    settles("reload")
    instances.append(Instance(INSTANCES + 1))
    until(30, lambda: instances[-1].url())
    settles("second return")

    writer.end()
    drained("at the end")
    codes = [one.end(signal.SIGTERM) for one in instances]
    check("instances exit with 0", codes == [0] * INSTANCES, codes)
    ids = published()
    check("every event is published", len(ids) == writer.added, (len(ids), writer.added))
    twice = {id: n for id, n in ids.items() if n > 1}
    check("no event is published twice", not twice, list(twice.items())[:10])
    note(writer.added, "events,", len(twice), "duplicates")
    errors = [line for i in range(INSTANCES + 2) for line in open("%s/log-%d" % (directory, i)) if "level=error" in line]
    check("no instance logs an error", not errors, "".join(errors[:10]))


instances = []
try:
    main()
finally:
    for one in instances:
        one.process.kill()
    print("1..%d" % number)
    if failed:
        note("files:", directory)
    else:
        shutil.rmtree(directory)
sys.exit(failed)
