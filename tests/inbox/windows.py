# SPDX-License-Identifier: Apache-2.0
"""The window of level 2 in both languages behind one interface, for window_test.py and simulation.py.

    window = C(tool) or Python()
    window.open(row)        row: (next offset, window offset) of the database, or None; returns where to read, or an error
    window.judge(...)       "new", "duplicate", "by id", or "error: ..."
    window.save()           the row that the database gets; None: nothing was judged
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "python"))
import inbox_window  # noqa: E402 pylint: disable=wrong-import-position


class Python:
    name = "Python"

    def __init__(self):
        self.window = None

    def open(self, row, partitions=4, log_start=0, log_end=1 << 62, counts=None, span=1000000):
        counts = counts or ((partitions, partitions) if row else (None, None))
        try:
            self.window = inbox_window.Window("billing", "orders", 0, partitions, log_start, log_end, counts + (row or (None, None)), span)
        except inbox_window.Refused as error:
            return "error: %s" % error
        return self.window.seek

    def judge(self, offset, position, event_id):
        try:
            return self.window.judge(offset, position, event_id)
        except inbox_window.Refused as error:
            return "error: %s" % error

    def saved(self):
        return self.window.saved

    def close(self):
        self.window = None

    def save(self):
        window = self.window
        if window.last < max(window.seek, window.saved):
            return None
        window.saved = window.last + 1
        return window.saved, window.begin()


class C:
    name = "C"

    idle = []  # processes that were started and are not in use

    def __init__(self, tool):
        start = lambda: subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: E731
        self.process, self.next_offset = C.idle.pop() if C.idle else start(), -1

    def ask(self, *words):
        self.process.stdin.write(" ".join("-" if word is None else str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        if not answer:
            raise RuntimeError("%s has ended" % self.process.args[0])
        return "error: " + answer.split(" ", 2)[2] if answer.startswith("error ") else answer

    def open(self, row, partitions=4, log_start=0, log_end=1 << 62, counts=None, span=1000000):
        counts = counts or ((partitions, partitions) if row else (0, 0))
        self.next_offset = row[0] if row else -1
        answer = self.ask("open", partitions, log_start, log_end, span, *counts, *(row or (-1, -1)))
        return answer if answer.startswith("error") else int(answer.split()[1])

    def judge(self, offset, position, event_id):
        return self.ask("judge", offset, position, event_id)

    def saved(self):
        return self.next_offset

    def close(self):
        C.idle.append(self.process)

    def save(self):
        answer = self.ask("save").split()
        if answer[0] == "nothing":
            return None
        self.next_offset = int(answer[1])
        return self.next_offset, int(answer[2])
