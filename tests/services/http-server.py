#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""http-server.py DIR PORT [PEM]: a receiver of webhooks for tests. The file DIR/ready with its process id is its sign that
it listens.

Appends each accepted event to DIR/events before it answers. The topic is the last part of the path, or a header. Topics
that begin with "do." order an answer; all others are accepted with 204.

    do.status.N[.WAIT]   status N, with Retry-After: WAIT
    do.date.WAIT         status 429, with Retry-After as a date in WAIT seconds
    do.nth.K.N           the Kth request of this topic gets status N; the others are accepted
    do.delay.MS          accepted after MS milliseconds
    do.lose              accepted, but the connection ends without an answer
    do.die               accepted, but the server ends, as by kill -9
    do.hang              no answer for an hour
    do.wait              accepted when the file DIR/go exists
    do.flood             accepted, with an answer that does not end
    do.redirect          307 to /hook/redirected on the same server
    do.loop              307 to itself
    do.away              307 to the same server under another name

While the file DIR/refuse exists, one event in four of other topics gets the status 503.
"""
import base64
import email.utils
import json
import os
import random
import signal
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, unquote_to_bytes

directory, port = sys.argv[1], int(sys.argv[2])
lock = threading.Lock()
counts = {}
events = open(directory + "/events", "a", buffering=1)


def text(bytes_):
    try:
        return bytes_.decode()
    except UnicodeDecodeError:
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def raw(self, name):
        value = self.headers.get(name)
        return None if value is None else value.encode("latin-1")

    def attributes(self):
        """topic, key, id and type, as the mode of the broker sends them."""
        if self.raw("ce-id") is not None:
            found = {n: self.raw("ce-" + n) for n in ("topic", "partitionkey", "id", "type")}
            return {n: None if v is None else text(unquote_to_bytes(v)) for n, v in found.items()}
        if "cloudevents+json" in self.headers.get("Content-Type", ""):
            return json.loads(self.body)
        found = {n: self.raw("Outbox-" + n) for n in ("Topic", "Key", "Id", "Type")}
        if self.raw("Outbox-Key-Base64"):
            found["Key"] = base64.b64decode(self.raw("Outbox-Key-Base64"))
        return {{"Key": "partitionkey"}.get(n, n.lower()): None if v is None else text(v) for n, v in found.items()}

    def keep(self):
        event = self.attributes()
        headers = []
        for name, value in self.headers.items():
            headers += [name, value.encode("latin-1").decode(errors="replace")]
        out = {"topic": event.get("topic"), "key": event.get("partitionkey"), "id": event.get("id"),
               "type": event.get("type"), "path": self.path, "client": self.client_address[1], "headers": headers}
        if self.raw("Outbox-Tombstone") is None and self.raw("ce-tombstone") is None:
            out["payload_base64"] = base64.b64encode(self.body).decode()
        with lock:
            events.write(json.dumps(out) + "\n")

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def accept(self):
        self.keep()
        self.answer(204)

    def nth(self, topic, number, status):
        with lock:
            counts[topic] = counts.get(topic, 0) + 1
            is_it = counts[topic] == int(number)
        self.answer(int(status), body=b"refused once") if is_it else self.accept()

    def flood(self):
        self.keep()
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def obey(self, topic, verb, arguments):
        if verb == "status":
            self.answer(int(arguments[0]), [("Retry-After", w) for w in arguments[1:]], b"as ordered")
        elif verb == "date":
            when = email.utils.formatdate(time.time() + int(arguments[0]), usegmt=True)
            self.answer(429, [("Retry-After", when)])
        elif verb == "nth":
            self.nth(topic, *arguments)
        elif verb == "delay":
            time.sleep(int(arguments[0]) / 1000)
            self.accept()
        elif verb == "lose":
            self.keep()
            self.close_connection = True
        elif verb == "die":
            self.keep()
            os.kill(os.getpid(), signal.SIGKILL)
        elif verb == "wait":
            while not os.path.exists(directory + "/go"):
                time.sleep(0.01)
            self.accept()
        elif verb == "hang":
            time.sleep(3600)
            self.close_connection = True
        elif verb == "flood":
            self.flood()
        elif verb == "redirect":
            self.answer(307, [("Location", "/hook/redirected")])
        elif verb == "loop":
            self.answer(307, [("Location", self.path)])
        elif verb == "away":
            self.answer(307, [("Location", "http://localhost:%d/hook/redirected" % port)])
        else:
            self.answer(400, body=b"no such order")

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        topic = unquote(self.path.rsplit("/", 1)[1])
        words = topic.split(".")
        if words[0] == "do":
            self.obey(topic, words[1], words[2:])
        elif os.path.exists(directory + "/refuse") and random.random() < 0.25:
            self.answer(503, body=b"refused")
        else:
            self.accept()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", port), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(directory + "/ready", "w") as ready:
    ready.write(str(os.getpid()))
server.serve_forever()
