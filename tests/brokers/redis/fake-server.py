#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fake-server.py FILE: answers as Redis 8.6 would, which Debian lacks; prints its address. Appends each XADD to FILE, as a
JSON list. A stream "old..." refuses IDMP, as a server does that does not know it."""
import json
import socket
import sys
import threading

INFO = b"redis_version:8.6.0\r\nrole:master\r\naof_enabled:1\r\nloading:0\r\ncluster_enabled:0\r\nmaxmemory_policy:noeviction\r\n"


def words(lines):
    count = lines.readline()
    if not count:
        return None
    out = []
    for _ in range(int(count[1:])):
        size = int(lines.readline()[1:])
        out.append(lines.read(size + 2)[:-2].decode())
    return out


def answer(command, file):
    if command[0] == "INFO":
        return b"$%d\r\n%s\r\n" % (len(INFO), INFO)
    if command[0] != "XADD":
        return b"+OK\r\n"
    file.write(json.dumps(command) + "\n")
    file.flush()
    if command[1].startswith("old") and command[2] == "IDMP":
        return b"-ERR syntax error\r\n"
    return b"$3\r\n1-1\r\n"


def serve(connection):
    with connection, connection.makefile("rb") as lines, open(sys.argv[1], "a") as file:
        while (command := words(lines)) is not None:
            connection.sendall(answer(command, file))


listener = socket.create_server(("127.0.0.1", 0))
print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
