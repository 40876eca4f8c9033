#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rabbitmq-client.py PORT bind EXCHANGE QUEUE KEY [JSON] | refuse EXCHANGE QUEUE KEY | events QUEUE: see tests/services/rabbitmq. Needs python3-pika."""
import base64
import json
import signal
import sys
import time

import pika

port, verb, *arguments = sys.argv[1:]
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(port), heartbeat=0, connection_attempts=10))
channel = connection.channel()


def text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def event(method, properties, body):
    headers = dict(properties.headers or {})
    key, is_tombstone = headers.pop("Outbox-Key", None), headers.pop("Outbox-Tombstone", False)
    out = {"topic": method.routing_key, "key": text(key), "id": properties.message_id, "type": properties.type,
           "content_type": properties.content_type, "delivery_mode": properties.delivery_mode,
           "timestamp": properties.timestamp, "headers": []}
    for name, value in headers.items():
        out["headers"] += [name, text(value)]
    if not is_tombstone:
        out["payload_base64"] = base64.b64encode(body).decode()
    return json.dumps(out)


if verb == "bind":
    exchange, queue, key = arguments[:3]
    channel.queue_declare(queue, durable=True, arguments=json.loads(arguments[3]) if len(arguments) > 3 else None)
    if exchange:
        channel.exchange_declare(exchange, "topic", durable=True)
        channel.queue_bind(queue, exchange, key)
elif verb == "refuse":
    exchange, queue, key = arguments
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended:
        channel.queue_unbind(queue, exchange, key)
        print("refuses", flush=True)
        time.sleep(0.005)
        channel.queue_bind(queue, exchange, key)
        time.sleep(0.005)
else:
    while True:
        method, properties, body = channel.basic_get(arguments[0])
        if method is None:
            break
        print(event(method, properties, body))
connection.close()
