#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A relay inside a Python program: embed.py LIBRARY CONFIG COUNT relays until COUNT events are published.

LIBRARY is liboutbox.so.0. The relay runs on a thread of the library; calls release Python's lock.
"""
import ctypes
import sys
import time


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t)] + [
        (name, ctypes.c_char_p) for name in ("config_path", "config_text", "relay", "plugin_dir")]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("native", ctypes.c_int32), ("state", ctypes.c_char * 8), ("text", ctypes.c_char * 384)]


class Stats(ctypes.Structure):
    """The first members: the library writes no more than struct_size bytes."""

    _fields_ = [("struct_size", ctypes.c_size_t), ("state", ctypes.c_int), ("in_flight", ctypes.c_uint32)] + [
        (name, ctypes.c_uint64) for name in ("in_flight_bytes", "claimed", "delivered", "settled")]


class Relay:
    def __init__(self, library, config):
        self.library, self.handle, error = ctypes.CDLL(library), ctypes.c_void_p(), Error()
        options = Options(ctypes.sizeof(Options), config.encode())
        if self.library.outbox_new(ctypes.byref(options), ctypes.byref(self.handle), ctypes.byref(error)):
            raise RuntimeError(error.text.decode())

    def __enter__(self):
        error = Error()
        if self.library.outbox_start(self.handle, ctypes.byref(error)):
            raise RuntimeError(error.text.decode())
        return self

    def __exit__(self, *_):
        self.library.outbox_stop(self.handle, 10000, None)
        self.library.outbox_free(self.handle)

    def published(self):
        stats = Stats(ctypes.sizeof(Stats))
        self.library.outbox_stats(self.handle, ctypes.byref(stats))
        return stats.settled


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    library, config, count = sys.argv[1:]
    deadline = time.monotonic() + 30
    with Relay(library, config) as relay:
        while relay.published() < int(count) and time.monotonic() < deadline:
            time.sleep(0.01)
        print("published", relay.published())


if __name__ == "__main__":
    main()
