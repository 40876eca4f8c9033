#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# read-redis.py SOCKET PREFIX: the entries of all streams whose names begin with PREFIX, as NDJSON for outbox-conformance.
import base64, json, socket, sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
answers = connection.makefile("rb")


def call(*words):
    words = [w if isinstance(w, bytes) else w.encode() for w in words]
    connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    return answer()


def answer():
    line = answers.readline()
    kind, text = line[:1], line[1:-2]
    if kind == b"$":
        return None if int(text) < 0 else answers.read(int(text) + 2)[:-2]
    if kind == b"*":
        return [answer() for _ in range(int(text))]
    if kind == b"-":
        raise SystemExit(text.decode())
    return text


def event(topic, fields):
    pairs = list(zip(fields[::2], fields[1::2]))
    named = {name: value for name, value in pairs if not name.startswith(b"header:")}
    headers = []
    for name, value in pairs:
        if name.startswith(b"header:"):
            headers += [name[7:].decode(), value.decode()]
    out = {"topic": topic.decode(), "headers": headers}
    for name in (b"id", b"type", b"key"):
        out[name.decode()] = named[name].decode() if name in named else None
    if b"value" in named:
        out["payload_base64"] = base64.b64encode(named[b"value"]).decode()
    return out


topics, cursor = [], b"0"
while True:
    cursor, names = call("SCAN", cursor, "MATCH", sys.argv[2] + "*", "COUNT", "1000")
    topics += names
    if cursor == b"0":
        break
for topic in sorted(set(topics)):
    for _, fields in call("XRANGE", topic, "-", "+"):
        print(json.dumps(event(topic, fields)))
