#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mosquitto-reader.py DIR: subscribes to every topic of the server in DIR, and appends what comes to DIR/events.
mosquitto-reader.py DIR PREFIX: prints the events of these topics, after everything that was published before has come.

It speaks MQTT 5 itself: the server does not keep messages, so they are read at once, with QoS 0. DIR/subscribed gets the
process id of each server that it has subscribed at.
"""
import base64
import json
import os
import socket
import sys
import time

directory = sys.argv[1]


def read(name, default=""):
    try:
        with open(os.path.join(directory, name)) as file:
            return file.read()
    except FileNotFoundError:
        return default


def packet(kind, body):
    size, out = len(body), bytearray([kind])
    while True:
        out.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            return bytes(out) + body


def text(value):
    return len(value).to_bytes(2, "big") + value


def number(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def string(data, at):
    end = at + 2 + int.from_bytes(data[at:at + 2], "big")
    return data[at + 2:end], end


def connect():
    connection = socket.create_connection(("127.0.0.1", int(read("port"))))
    stream = connection.makefile("rb")
    connection.sendall(packet(0x10, text(b"MQTT") + b"\x05\x02\x00\x00\x00" + text(b"")))
    receive(stream)
    return connection, stream


def receive(stream):
    kind, size, shift = stream.read(1), 0, 0
    if not kind:
        raise ConnectionError("closed")
    while True:
        byte = stream.read(1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return kind[0], stream.read(size)


def event(body):
    topic, at = string(body, 0)
    size, at = number(body, at)
    end, names, headers = at + size, {}, []
    while at < end:
        if body[at] != 0x26:  # a user property; others are not sent
            raise SystemExit("mosquitto-reader: property %d" % body[at])
        name, at = string(body, at + 1)
        value, at = string(body, at)
        if name.startswith(b"Outbox-"):
            names[name[7:].decode()] = value.decode()
        else:
            headers += [name.decode(), value.decode()]
    out = {"topic": topic.decode(), "key": names.get("Key"), "id": names.get("Id"), "type": names.get("Type"), "headers": headers}
    if "Tombstone" not in names:
        out["payload_base64"] = base64.b64encode(body[end:]).decode()
    return out


def follow(file):
    server = read("pid")
    connection, stream = connect()
    connection.sendall(packet(0x82, b"\x00\x01\x00" + text(b"#") + b"\x00"))
    while True:
        kind, body = receive(stream)
        if kind >> 4 == 9:
            with open(directory + "/subscribed", "a") as subscribed:
                subscribed.write(server)
        if kind >> 4 == 3:
            file.write(json.dumps(event(body)) + "\n")


def run():
    with open(directory + "/events", "a", buffering=1) as file:
        while True:
            try:
                follow(file)
            except (OSError, ValueError):  # no server, or no port yet
                time.sleep(0.02)


def show(prefix):
    connection, _ = connect()
    mark = "mark.%d.%d" % (os.getpid(), time.monotonic_ns())
    connection.sendall(packet(0x30, text(mark.encode()) + b"\x00"))
    while mark not in read("events"):
        time.sleep(0.01)
    for line in read("events").splitlines():
        if json.loads(line)["topic"].startswith(prefix):
            print(line)


if len(sys.argv) > 2:
    show(sys.argv[2])
else:
    run()
