# SPDX-License-Identifier: Apache-2.0
"""The servers of a test: a database, Kafka, and Debezium in Kafka Connect, by tests/services; and records of a topic.

    with Servers("postgres") as servers:
        servers.database.connect(), servers.sql("SELECT 1"), servers.connector(config), servers.records("topic")

Everything listens on 127.0.0.1 and lives in one temporary directory.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SERVICES = os.path.join(ROOT, "tests", "services")
UNAVAILABLE = 69
sys.path.insert(0, SERVICES)
from ports import reserve_ports  # noqa: E402


class Unavailable(Exception):
    """A server cannot be installed or started here; the text is the reason."""


def until(condition, seconds, what):
    """Waits until condition() is true, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError("not within %d s: %s" % (seconds, what))
        time.sleep(0.05)


class Service:
    """One script of tests/services with its directory."""

    def __init__(self, name, directory):
        self.script, self.name, self.directory = os.path.join(SERVICES, name), name, directory
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)

    def run(self, verb, *args, **options):
        done = subprocess.run([self.script, verb, self.directory, *args], capture_output=True, text=True, **options)
        if done.returncode:
            reason = (done.stderr or done.stdout).strip()
            kind = Unavailable if done.returncode == UNAVAILABLE else RuntimeError
            raise kind("%s %s: %s" % (self.name, verb, reason))
        return done.stdout


class Servers:
    def __init__(self, kind, kafka_options=""):
        self.kind, self.kafka_options, self.started = kind, kafka_options, []
        self.connectors = []

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="outbox-debezium.")
        os.chmod(self.directory, 0o755)
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start(self):
        if not shutil.which("kcat"):
            raise Unavailable("no kcat: scripts/install-deps kcat")
        self.port, self.ports = reserve_ports()
        self.service = self.begin(self.kind, str(self.port))
        environment = dict(os.environ, KAFKA_JVM="quick", KAFKA_HEAP="320m", KAFKA_OPTS=self.kafka_options)
        self.kafka_service = self.begin("kafka", str(self.port + 1), env=environment)
        self.kafka = "127.0.0.1:%d" % (self.port + 1)

    def begin(self, name, *args, **options):
        service = Service(name, os.path.join(self.directory, name))
        self.started.append(service)
        service.run("start", *args, **options)
        return service

    def start_debezium(self):
        self.debezium = self.begin("debezium", str(self.port + 3), self.kafka)

    def __exit__(self, *_):
        for service in reversed(self.started):
            try:
                service.run("kill")
            except RuntimeError:
                pass  # it may never have started
        if os.environ.get("OUTBOX_TEST_KEEP"):
            print("# kept: %s" % self.directory)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- Debezium -----------------------------------------------------------------------------------------------

    def rest(self, method, path, body=None):
        text = self.debezium.run("rest", method, path, *([] if body is None else [json.dumps(body)]))
        return json.loads(text) if text.strip() else None

    def connector(self, name, config):
        """Creates a connector or changes it, and waits until its task runs."""
        self.rest("PUT", "/connectors/%s/config" % name, config)
        until(lambda: self.is_running(name), 120, "connector %s runs" % name)

    def is_running(self, name):
        try:
            status = self.rest("GET", "/connectors/%s/status" % name)
        except RuntimeError:
            return False  # it is being restarted
        for task in status["tasks"]:
            if task["state"] == "FAILED":
                raise RuntimeError("connector %s: %s" % (name, task["trace"]))
        return bool(status["tasks"]) and all(task["state"] == "RUNNING" for task in status["tasks"])

    def stop_connector(self, name):
        self.rest("PUT", "/connectors/%s/stop" % name)
        until(lambda: self.rest("GET", "/connectors/%s/status" % name)["connector"]["state"] == "STOPPED"
              and not self.rest("GET", "/connectors/%s/status" % name)["tasks"], 60, "connector %s stops" % name)

    # ---- Kafka --------------------------------------------------------------------------------------------------

    def topics(self):
        listing = subprocess.run(["kcat", "-b", self.kafka, "-L", "-J"], capture_output=True, check=True).stdout
        return [topic["topic"] for topic in json.loads(listing)["topics"]]

    def records(self, topic):
        """All records of a topic, partition by partition, as dictionaries; keys and values are bytes or None."""
        layout = r"%p %o %T %K %S\n%k%s%h\x1e\n"  # sizes precede texts, so that any byte may occur in these
        raw = subprocess.run(["kcat", "-b", self.kafka, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", layout],
                             capture_output=True, check=True).stdout
        return list(parse(topic, raw))


def parse(topic, raw):
    at = 0
    while at < len(raw):
        line_end = raw.index(b"\n", at)
        partition, offset, timestamp, key_size, value_size = map(int, raw[at:line_end].split())
        at = line_end + 1
        key, at = take(raw, at, key_size)
        value, at = take(raw, at, value_size)
        end = raw.index(b"\x1e\n", at)
        yield {"topic": topic, "partition": partition, "offset": offset, "time": timestamp, "key": key, "value": value,
               "headers": raw[at:end]}
        at = end + 2


def take(raw, at, size):
    return (raw[at : at + size], at + size) if size >= 0 else (None, at)
