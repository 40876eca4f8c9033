"""A relay inside a Python program: cffi reads the public header and loads the shared library.

    cffi_test.py INCLUDE PROGRAM LIBRARY PLUGINS CC...

SQLite to file: events are written with plain SQL, relayed by the library on its own thread, and read from the file. Exits
with 0 on success, with 77 (skipped) if cffi cannot be imported.
"""
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

try:
    import cffi
except ImportError:
    if "OUTBOX_CFFI_AGAIN" not in os.environ and os.path.exists("/usr/bin/python3"):  # the system's Python may have it
        os.execve("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv, dict(os.environ, OUTBOX_CFFI_AGAIN="1"))
    print("python3-cffi is not installed; scripts/install-deps test does it")
    sys.exit(77)

EVENTS = 200
CONFIG = """
relays:
  orders:
    store: {{ plugin: sqlite, path: "{dir}/shop.db" }}
    broker: {{ plugin: file, path: "{dir}/events.ndjson" }}
"""


def declarations(include, compiler, directory):
    """The header through the preprocessor; cffi knows the types of the C library."""
    for name in ("stdbool.h", "stddef.h", "stdint.h"):
        open(os.path.join(directory, name), "w").close()
    command = compiler + ["-E", "-P", "-nostdinc", "-U__GNUC__", "-I", directory, "-I", include]
    return subprocess.run(
        command + [os.path.join(include, "outbox", "outbox.h")], check=True, capture_output=True, text=True
    ).stdout


class Relay:
    def __init__(self, ffi, library, plugins, config):
        self.ffi, self.library, self.states = ffi, library, []
        self.error = ffi.new("struct outbox_error *")
        self.on_state = ffi.callback("void(void *, enum outbox_state, const char *)", self.note_state)
        texts = self.texts = [ffi.new("char[]", text.encode()) for text in (config, plugins)]
        options = ffi.new("struct outbox_options *")
        options.struct_size = ffi.sizeof("struct outbox_options")
        options.config_text, options.plugin_dir = texts
        options.on_state = self.on_state
        handle = ffi.new("struct outbox **")
        self.must(library.outbox_new(options, handle, self.error))
        self.handle = handle[0]

    def note_state(self, arg, state, why):
        self.states.append(self.ffi.string(self.library.outbox_state_name(state)).decode())

    def must(self, code):
        if code != self.library.OUTBOX_OK:
            raise RuntimeError(self.ffi.string(self.error.text).decode())

    def start(self):
        self.must(self.library.outbox_start(self.handle, self.error))

    def stop(self):
        self.must(self.library.outbox_stop(self.handle, 60000, self.error))
        self.library.outbox_free(self.handle)

    def pending(self):
        """Events in the outbox, or an error code."""
        backlog = self.ffi.new("struct outbox_backlog *")
        backlog.struct_size = self.ffi.sizeof("struct outbox_backlog")
        return self.library.outbox_backlog(self.handle, 5000, backlog, self.error) or backlog.pending

    def settled(self):
        stats = self.ffi.new("struct outbox_stats *")
        stats.struct_size = self.ffi.sizeof("struct outbox_stats")
        self.must(self.library.outbox_stats(self.handle, stats))
        return stats.settled


def check_refusal(ffi, library, plugins):
    try:
        Relay(ffi, library, plugins, "relays: { orders: { stroe: {} } }")
    except RuntimeError as error:
        assert "stroe" in str(error), error
    else:
        raise AssertionError("an invalid configuration was accepted")


def relay_events(ffi, program, library, plugins, directory):
    config, path = CONFIG.format(dir=directory), os.path.join(directory, "outbox.yaml")
    with open(path, "w") as file:
        file.write(config)
    relay = Relay(ffi, library, plugins, config)
    assert relay.pending() == library.OUTBOX_E_NOT_FOUND, relay.pending()
    relay.must(library.outbox_init(relay.handle, 5000, relay.error))
    subprocess.run([program, "check", "-c", path], check=True, env=dict(os.environ, OUTBOX_PLUGIN_DIR=plugins))
    database = sqlite3.connect(os.path.join(directory, "shop.db"))
    assert relay.pending() == 0
    relay.start()
    for number in range(EVENTS):
        with database:  # a transaction
            database.execute(
                "INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload) VALUES (?, 'order', '7', 't', ?)",
                ("event-%d" % number, json.dumps({"n": number})),
            )
        library.outbox_wake(relay.handle)
    relay.must(library.outbox_drain(relay.handle, 60000, relay.error))
    assert relay.settled() == EVENTS and relay.pending() == 0
    relay.stop()
    assert "relaying" in relay.states and relay.states[-1] == "stopped", relay.states
    with open(os.path.join(directory, "events.ndjson")) as lines:
        published = [json.loads(line) for line in lines]
    assert [json.loads(event["payload"])["n"] for event in published] == list(range(EVENTS)), published
    assert database.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    database.close()


def main():
    include, program, shared, plugins, *compiler = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="outbox-cffi.") as directory:
        ffi = cffi.FFI()
        ffi.cdef(declarations(include, compiler, directory))
        library = ffi.dlopen(shared)
        check_refusal(ffi, library, plugins)
        relay_events(ffi, program, library, plugins, directory)


if __name__ == "__main__":
    main()
