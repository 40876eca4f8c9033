#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# transforms.py OUTBOX PLUGIN-DIR: the transforms, from an SQLite outbox to a file, with the real program. A registry of
# schemas runs in this process. TAP.
import base64, http.server, json, os, shutil, sqlite3, subprocess, sys, tempfile, threading

OUTBOX, PLUGINS = sys.argv[1:3]
number, failed = 0, False


def check(name, fine, why=""):
    global number, failed
    number += 1
    failed |= not fine
    print(("ok" if fine else "not ok"), number, "-", name, flush=True)
    if not fine:
        print("#", str(why)[:2000].replace("\n", "\n# "), flush=True)


def has(plugin):
    return os.path.exists(os.path.join(PLUGINS, "outbox-transform-%s.so" % plugin))


def outbox(directory, *words):
    env = dict(os.environ, OUTBOX_PLUGIN_DIR=PLUGINS)
    done = subprocess.run([OUTBOX, *words, "-c", directory + "/outbox.yaml"], env=env, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


def setup(transforms, more=""):
    directory = tempfile.mkdtemp(prefix="outbox-transforms.")
    with open(directory + "/outbox.yaml", "w") as file:
        file.write("""
relays:
  r:
    store: {plugin: sqlite, path: "%s/db"}
    broker: {plugin: file, path: "%s/events"}
    route: {topic: "${aggregatetype}", key: "${aggregateid}"}
    transforms: {%s}
    %s
""" % (directory, directory, transforms, more))
    code, text = outbox(directory, "init")
    assert code == 0, text
    return directory


def insert(directory, *rows):
    with sqlite3.connect(directory + "/db") as db:
        for kind, key, what, payload in rows:
            db.execute("insert into outbox (aggregatetype, aggregateid, type, payload) values (?, ?, ?, ?)",
                       (kind, key, what, payload))


def events(directory):
    with open(directory + "/events") as file:
        return [json.loads(line) for line in file]


def value(event):
    if "payload_base64" in event:
        return base64.b64decode(event["payload_base64"])
    return None if event["payload"] is None else event["payload"].encode()


def relayed(transforms, *rows):
    directory = setup(transforms)
    insert(directory, *rows)
    code, text = outbox(directory, "drain")
    out = events(directory) if code == 0 else []
    shutil.rmtree(directory)
    return code, text, out


def names_of_headers(transforms, *names):
    """The names of one message's headers, in lower case, when the route sets some of them, too."""
    directory = setup(transforms)
    with open(directory + "/outbox.yaml") as file:
        text = file.read().replace('key: "${aggregateid}"', 'key: "${aggregateid}", headers: {%s}' %
                                   ", ".join("%s: from-the-route" % name for name in names))
    with open(directory + "/outbox.yaml", "w") as file:
        file.write(text)
    insert(directory, ("order", "7", "Created", "{}"))
    code, text = outbox(directory, "drain")
    with open(directory + "/events") as file:
        line = file.read()
    shutil.rmtree(directory)
    return [name.lower() for name, _ in dict(json.loads(line, object_pairs_hook=list))["headers"]]


# ---- cloudevents ----
if has("cloudevents"):
    rows = [("order", "7", "Created", '{"a": 1}'), ("order", "7", "Deleted", None), ("order", "8", "Note", "plain"),
            ("order", "9", "Raw", b"\xff\x00")]
    code, text, out = relayed('ce: {plugin: cloudevents, source: "/shop/${aggregatetype}", subject: "${aggregateid}"}', *rows)
    headers = out[0]["headers"] if out else {}
    check("binary CloudEvent has its attributes as headers", code == 0 and headers.get("ce_specversion") == "1.0" and
          headers.get("ce_source") == "/shop/order" and headers.get("ce_type") == "Created" and
          headers.get("ce_id") == out[0]["id"] and headers.get("ce_subject") == "7" and
          headers.get("ce_partitionkey") == "7" and headers.get("ce_time", "").endswith("Z") and
          headers.get("content-type") == "application/json" and value(out[0]) == b'{"a": 1}', (text, out))
    check("binary CloudEvent of a tombstone has a null value and attributes", len(out) == 4 and value(out[1]) is None and
          out[1]["headers"].get("ce_type") == "Deleted" and "content-type" not in out[1]["headers"], out)

    code, text, out = relayed('ce: {plugin: cloudevents, source: /s, mode: structured}', *rows)
    bodies = [json.loads(value(e)) if value(e) else None for e in out]
    check("structured CloudEvent has JSON as data", code == 0 and bodies[0] and bodies[0]["data"] == {"a": 1} and
          bodies[0]["type"] == "Created" and bodies[0]["datacontenttype"] == "application/json" and
          out[0]["headers"]["content-type"] == "application/cloudevents+json", (text, out))
    check("structured CloudEvent of a tombstone stays a tombstone", len(out) == 4 and value(out[1]) is None, out)
    check("structured CloudEvent has what is not JSON in base64", len(out) == 4 and
          bodies[2]["data_base64"] == base64.b64encode(b"plain").decode() and
          bodies[3]["data_base64"] == base64.b64encode(b"\xff\x00").decode(), out)

    code, text, out = relayed('ce: {plugin: cloudevents, source: /s, mode: structured, content_type: text/plain}', *rows)
    check("structured CloudEvent has other text as a string", code == 0 and json.loads(value(out[2]))["data"] == "plain",
          (text, out))

    code, text, out = relayed('ce: {plugin: cloudevents, source: /s, mode: structured}', ("order", b"\xff", "T", "{}"))
    body = json.loads(value(out[0])) if out else {}
    check("structured CloudEvent has a key that is no text under a name of its own", body.get("partitionkeybase64") == "/w==" and
          "partitionkey" not in body, (text, out))

    for mode in ("binary", "structured"):
        names = names_of_headers('ce: {plugin: cloudevents, source: /s, mode: %s}' % mode, "Content-Type", "ce_type")
        check("header of the route is replaced by that of the %s CloudEvent" % mode, names.count("content-type") == 1 and
              names.count("ce_type") <= 1, names)

    directory = setup('ce: {plugin: cloudevents, source: "${headers}"}', "on_reject: park")
    insert(directory, rows[0])
    code, text = outbox(directory, "drain")
    dead = outbox(directory, "dead", "list")[1]
    check("event without a source is rejected with the reason", "source is empty" in text + dead, (text, dead))
    shutil.rmtree(directory)

# ---- zstd ----
if has("zstd") and shutil.which("zstd"):
    large = json.dumps([{"field": i % 10} for i in range(1000)])
    rows = [("order", "1", "Large", large), ("order", "1", "Small", "x"), ("order", "1", "Gone", None),
            ("order", "1", "Random", os.urandom(1000))]
    code, text, out = relayed("zip: {plugin: zstd, min_size: 100}", *rows)
    plain = subprocess.run(["zstd", "-dcq"], input=value(out[0]) if out else b"", stdout=subprocess.PIPE).stdout
    check("large value is compressed, with its header", code == 0 and plain == large.encode() and
          out[0]["headers"].get("content-encoding") == "zstd" and len(value(out[0])) < len(large) // 4, (text, out[:1]))
    check("small, null and random values stay as they are", len(out) == 4 and
          [value(e) for e in out[1:]] == [b"x", None, rows[3][3]] and
          not any("content-encoding" in e["headers"] for e in out[1:]), out[1:])

    names = names_of_headers("zip: {plugin: zstd, min_size: 1}, again: {plugin: zstd, min_size: 1}", "Content-Encoding")
    check("value that is encoded already stays as it is", names == ["content-encoding"], names)

    code, text, out = relayed("zip: {plugin: zstd, min_size: 1}",
                              *[("order", str(i % 7), "T", json.dumps([i] * 200)) for i in range(5000)])
    last, fine = {}, code == 0 and len(out) == 5000
    whole = subprocess.run(["zstd", "-dcq"], input=b"".join(value(e) for e in out), stdout=subprocess.PIPE).stdout.decode()
    for event, payload in zip(out, whole.replace("][", "]\n[").split("\n")):
        now = json.loads(payload)[0]
        fine &= last.get(event["key"], -1) < now
        last[event["key"]] = now
    check("5,000 events keep their order over all workers", fine, (text, len(out)))

# ---- schema-id ----
asked, away, other_asked, waited = [], [False], threading.Event(), []


class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        if "/first-value/" in self.path:  # answered when another subject was asked for meanwhile
            waited.append(other_asked.wait(20))
        if "/second-value/" in self.path:
            other_asked.set()
        found = self.path == "/subjects" or self.path.split("/")[2] in ("order-value", "first-value", "second-value")
        self.send_response(503 if away[0] else 200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"id": 258} if found else {"error_code": 40401}).encode())

    def log_message(self, *_):
        pass


if has("schema-id"):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    registry = "http://127.0.0.1:%d/" % server.server_port
    code, text, out = relayed('s: {plugin: schema-id, registry: "%s"}' % registry,
                              *[("order", str(i), "T", "v%d" % i) for i in range(300)], ("order", "x", "Gone", None))
    check("values have the prefix of their schema", code == 0 and len(out) == 301 and
          all(value(e) == b"\0\0\0\1\2" + b"v" + e["key"].encode() for e in out if e["key"] != "x"), (text, out[:2]))
    check("tombstone has no prefix", [value(e) for e in out if e["key"] == "x"] == [None], out[-1:])
    check("registry is asked once for a subject", asked == ["/subjects/order-value/versions/latest"], asked)

    directory = setup('s: {plugin: schema-id, registry: "%s", timeout: 60s}' % registry, "claim_rows: 1")
    insert(directory, ("first", "1", "T", "v"), ("second", "2", "T", "v"))
    code, text = outbox(directory, "drain")
    check("a subject that is slow to look up does not delay another", code == 0 and waited == [True], (text, waited))
    shutil.rmtree(directory)

    code, text, out = relayed("s: {plugin: schema-id, id: 1}", ("order", "1", "T", "v"))
    check("id can be configured", code == 0 and value(out[0]) == b"\0\0\0\0\1v", (text, out))

    def checked(options):
        directory = setup("s: {plugin: schema-id, %s}" % options)
        result = outbox(directory, "check")
        shutil.rmtree(directory)
        return result

    code, text = checked('registry: "%s"' % registry)
    check("check reaches the registry", code == 0 and "r transform s: ok: the registry answers" in text, text)
    code, text = checked('registry: "%s", subject: order-value' % registry)
    check("check finds a subject that is configured", code == 0 and "transform s: ok: the registry has the subject" in text, text)
    code, text = checked('registry: "%s", subject: none-value' % registry)
    check("check names a subject that is missing", code == 78 and "transform s: error: look up subject none-value: "
          "the registry has no such subject or version; register a schema" in text, (code, text))
    code, text = checked('registry: "http://127.0.0.1:1"')
    check("check names a registry that is away", code == 69 and "transform s: error: list the subjects of the registry: " in text,
          (code, text))
    code, text = checked("id: 1")
    check("check of a configured id needs no registry", code == 0 and "r transform" not in text, text)

    away[0] = True
    directory = setup('s: {plugin: schema-id, registry: "%s"}' % registry)
    insert(directory, ("order", "1", "T", "v"))
    env = dict(os.environ, OUTBOX_PLUGIN_DIR=PLUGINS)
    drain = subprocess.Popen([OUTBOX, "drain", "--verbose", "-c", directory + "/outbox.yaml"], env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True)
    line = ""
    while "503" not in line and drain.poll() is None:
        line = drain.stdout.readline()
    check("registry that is away is named in the log", "look up subject order-value: the registry answered 503" in line, line)
    away[0] = False
    rest = drain.communicate(timeout=300)[0]
    check("events go on when the registry is back", drain.returncode == 0 and len(events(directory)) == 1, rest)
    shutil.rmtree(directory)

print("1..%d" % number)
sys.exit(failed)
