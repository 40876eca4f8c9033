#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The events of a maildir as NDJSON, in the order of their numbers: read.py DIRECTORY"""
import base64
import json
import os
import sys


def fields(file):
    """Yields pairs of a name and its bytes; a null is None."""
    while line := file.readline():
        name, size = line.decode().split()
        if name == "number":
            yield name, int(size)
            continue
        yield name, file.read(int(size)) if int(size) >= 0 else None
        file.readline()


def text(value):
    return None if value is None else value.decode("utf-8", "replace")


def event(path):
    found = {"headers": {}}
    with open(path, "rb") as file:
        for name, value in fields(file):
            if name == "header":
                header = text(value)
            elif name == "value":
                found["headers"][header] = text(value)
            elif name == "payload" and value is not None:
                found["payload_base64"] = base64.b64encode(value).decode()
            elif name != "payload":
                found[name] = value if name == "number" else text(value)
    return found


names = [n for n in os.listdir(sys.argv[1]) if not n.startswith(".")]
for one in sorted((event(os.path.join(sys.argv[1], n)) for n in names), key=lambda e: e["number"]):
    print(json.dumps(one))
