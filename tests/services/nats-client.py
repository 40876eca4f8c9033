#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# nats-client.py PORT stream NAME SUBJECTS [JSON] | events NAME | refuse NAME: a client of JetStream's API, for tests. It
# speaks NATS's text protocol. NATS_LOGIN is user:password. refuse: the stream is full after 100 messages more, and then has
# room for one more, again and again, until SIGTERM.
import base64, json, os, signal, socket, sys, time

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
lines = connection.makefile("rb")
options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True}
if ":" in os.environ.get("NATS_LOGIN", ""):
    options["user"], options["pass"] = os.environ["NATS_LOGIN"].split(":", 1)
lines.readline()  # INFO
connection.sendall(b"CONNECT " + json.dumps(options).encode() + b"\r\nSUB inbox.test 1\r\n")


def request(subject, body):
    body = json.dumps(body).encode() if body else b""
    connection.sendall(b"PUB %s inbox.test %d\r\n%s\r\n" % (subject.encode(), len(body), body))
    while True:
        line = lines.readline().split()
        if line[0] == b"PING":
            connection.sendall(b"PONG\r\n")
        elif line[0] == b"MSG":
            return json.loads(lines.read(int(line[-1]) + 2))
        elif line[0] == b"HMSG":
            raise SystemExit("nats-client: no responder: " + subject)
        elif line[0] == b"-ERR":
            raise SystemExit("nats-client: " + b" ".join(line).decode())


def headers_of(text):
    names, headers = {}, []
    for line in text.split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        value = value.strip()
        if name.startswith("Outbox-") or name == "Nats-Msg-Id":
            names[name] = value
        else:
            headers += [name, value]
    return names, headers


def event(message):
    names, headers = headers_of(base64.b64decode(message.get("hdrs", "")).decode())
    out = {"topic": message["subject"], "id": names.get("Nats-Msg-Id"), "type": names.get("Outbox-Type"), "headers": headers}
    out["key"] = names.get("Outbox-Key")
    if "Outbox-Key-Base64" in names:
        out["key"] = base64.b64decode(names["Outbox-Key-Base64"]).decode()
    if "Outbox-Tombstone" not in names:
        out["payload_base64"] = message.get("data", "")
    return out


def info(name):
    return request("$JS.API.STREAM.INFO." + name, None)


def limit(name, messages):
    config = dict(info(name)["config"], discard="new", max_msgs=messages)
    answer = request("$JS.API.STREAM.UPDATE." + name, config)
    if "error" in answer:
        raise SystemExit("nats-client: " + json.dumps(answer["error"]))


verb, name = sys.argv[2:4]
if verb == "stream":
    config = {"name": name, "subjects": sys.argv[4].split(","), "storage": "file"}
    config.update(json.loads(sys.argv[5]) if len(sys.argv) > 5 else {})
    answer = request("$JS.API.STREAM.CREATE." + name, config)
    if "error" in answer:
        raise SystemExit("nats-client: " + json.dumps(answer["error"]))
elif verb == "refuse":
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    # Below the number of messages a limit removes the oldest ones: the first is well above it, and later ones are higher.
    most = info(name)["state"]["messages"] + 100
    limit(name, most)
    print("refuses", flush=True)
    while not ended:
        if info(name)["state"]["messages"] >= most:
            most += 1
            limit(name, most)
        time.sleep(0.02)
    limit(name, -1)
else:
    state = info(name)["state"]
    for number in range(state["first_seq"], state["last_seq"] + 1):
        answer = request("$JS.API.STREAM.MSG.GET." + name, {"seq": number})
        if "message" in answer:
            print(json.dumps(event(answer["message"])))
