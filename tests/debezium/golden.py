#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The golden table: outbox publishes for a row what Debezium's outbox event router publishes, converter by converter.

    golden.py                       outbox, compared with golden.json: topic, partition, key, value, headers, time
    golden.py [--write] --debezium  a real Debezium 3.5, compared with golden.json, which --write makes

golden_rows.py has the rows and the settings. Needs OUTBOX (the program), OUTBOX_PLUGIN_DIR and kcat. Prints TAP: one test
for each converter. A row that cannot be expressed is named there with its reason, and must differ.
"""
import base64
import json
import os
import re
import subprocess
import sys
import uuid

from golden_rows import COLUMNS, CONVERTERS, PLAIN, ROWS
from servers import HERE, Servers, Unavailable, until

FILE = os.path.join(HERE, "golden.json")
NAMES = list(ROWS)
KAFKA = "num.partitions=12 log.retention.ms=-1"  # old times must not expire


def rows_of(converter):
    return CONVERTERS[converter].get("rows", NAMES)


def prefix(converter):
    return "golden-%d." % list(CONVERTERS).index(converter)


def event_id(name):
    return str(uuid.UUID(int=NAMES.index(name) + 1))


def literal(value):
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, (bool, int)) else "E'%s'" % value.replace("\\", "\\\\").replace("'", "''")


def insert(table, name):
    row = dict(PLAIN, **ROWS[name], id=event_id(name))
    return "INSERT INTO %s (%s) VALUES (%s);" % (table, ", ".join(row), ", ".join(literal(value) for value in row.values()))


def readable(data):
    """Bytes as text if they are UTF-8, or else as {"base64": ...}; None as null."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def sql(servers, text):
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(servers.port), "-U", "outbox",
                           "outbox"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def collect(servers, converter, wanted=0):
    """The records of a converter by the name of the row, whose id is in the header `id`; None if there are fewer than wanted."""
    found = {}
    for topic in (topic for topic in servers.topics() if topic.startswith(prefix(converter))):
        for record in servers.records(topic):
            headers = readable(record["headers"])
            name = NAMES[uuid.UUID(re.search(r"(?:^|,)id=([-0-9a-f]{36})", headers).group(1)).int % 65536 - 1]
            entry = {"topic": topic[len(prefix(converter)):], "partition": record["partition"], "key": readable(record["key"]),
                     "value": readable(record["value"]), "headers": headers}
            if CONVERTERS[converter].get("time"):
                entry["time"] = record["time"]
            found[name] = entry
    return found if len(found) >= wanted else None


# ---- Debezium -------------------------------------------------------------------------------------------------------


def connector(servers, converter):
    number = list(CONVERTERS).index(converter)
    return dict({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1", "topic.prefix": "p%d" % number, "plugin.name": "pgoutput", "snapshot.mode": "no_data",
        "database.hostname": "127.0.0.1", "database.port": str(servers.port), "database.user": "outbox",
        "database.password": "outbox", "database.dbname": "outbox", "slot.name": "s%d" % number,
        "publication.name": "p%d" % number, "publication.autocreate.mode": "filtered", "table.include.list": "public.t%d" % number,
        "tombstones.on.delete": "false", "transforms": "outbox", "extended.headers.enabled": "false",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.route.topic.replacement": prefix(converter) + "${routedByValue}",
    }, **CONVERTERS[converter]["debezium"])


def publish_by_debezium(servers):
    servers.start_debezium()
    for number, converter in enumerate(CONVERTERS):
        sql(servers, "CREATE TABLE t%d (%s, PRIMARY KEY (id))" % (number, COLUMNS))
        servers.connector("c%d" % number, connector(servers, converter))
        sql(servers, "\n".join(insert("t%d" % number, name) for name in rows_of(converter)))
    return {converter: wait_for_rows(servers, converter) for converter in CONVERTERS}


def wait_for_rows(servers, converter):
    """A row that Debezium never publishes is missing in the result."""
    name = "c%d" % list(CONVERTERS).index(converter)
    try:
        return until(lambda: servers.is_running(name) and collect(servers, converter, len(rows_of(converter))), 20, converter)
    except TimeoutError:
        return collect(servers, converter)



# ---- outbox ---------------------------------------------------------------------------------------------------------


def relay(servers, number, converter):
    route = dict({"topic": prefix(converter) + "${aggregatetype}"}, **CONVERTERS[converter]["route"])
    route["topic"] = route["topic"].replace("PREFIX", prefix(converter))
    return {"store": {"plugin": "postgres", "dsn": "host=127.0.0.1 port=%d user=outbox dbname=outbox" % servers.port,
                      "table": "t%d" % number, "columns": {"id": "seq", "event_id": "id"}},
            "broker": {"plugin": "kafka", "bootstrap.servers": servers.kafka}, "route": route}


def publish_by_outbox(servers):
    config = os.path.join(servers.directory, "outbox.yaml")
    with open(config, "w", encoding="utf-8") as file:  # JSON is YAML
        json.dump({"relays": {"c%d" % n: relay(servers, n, c) for n, c in enumerate(CONVERTERS)}}, file, ensure_ascii=False)
    for number, converter in enumerate(CONVERTERS):
        sql(servers, "CREATE TABLE t%d (%s, seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);" % (number, COLUMNS) +
            "\n".join(insert("t%d" % number, name) for name in rows_of(converter)))
    for verb in ("init", "drain"):
        subprocess.run([os.environ["OUTBOX"], verb, "-c", config], check=True, stdout=sys.stderr)
    return {converter: collect(servers, converter) for converter in CONVERTERS}


# ---- judgement ------------------------------------------------------------------------------------------------------


def compare(number, converter, found, golden):
    differs, failed = CONVERTERS[converter].get("differs", {}), []
    for name in rows_of(converter):
        same = found.get(name) == golden.get(name)
        if same == (name in differs):
            failed.append("# %s: %s\n#   golden %s\n#   found  %s" % (name, "must differ" if same else "differs", golden.get(name),
                                                                    found.get(name)))
    print("\n".join(failed + ["%s %d - %s: %d rows" % ("not ok" if failed else "ok", number, converter, len(rows_of(converter)))]))
    return not failed


def main():
    by_debezium, write = "--debezium" in sys.argv, "--write" in sys.argv
    try:
        with Servers("postgres", KAFKA) as servers:
            found = (publish_by_debezium if by_debezium else publish_by_outbox)(servers)
    except Unavailable as reason:
        print("1..0 # SKIP %s" % str(reason).splitlines()[-1])
        sys.exit(os.environ.get("OUTBOX_TEST_SERVERS") == "required" and not by_debezium)
    if write:
        with open(FILE, "w", encoding="utf-8") as file:
            json.dump(found, file, ensure_ascii=False, indent=1, sort_keys=True)
            file.write("\n")
    with open(FILE, encoding="utf-8") as file:
        golden = json.load(file)
    if by_debezium:
        for converter in CONVERTERS.values():
            converter.pop("differs", None)
    passed = [compare(n, c, found[c], golden[c]) for n, c in enumerate(CONVERTERS, 1)]
    print("1..%d" % len(CONVERTERS))
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
