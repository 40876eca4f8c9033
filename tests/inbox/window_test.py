#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The window of level 2 in C and in Python: the same cases, the same verdicts. window_test.py TOOL

A case is a function that gets a Partition: messages are sent to it, and it checks each verdict and each row.
"""
import sys

from windows import C, Python

EVENT = "00000000-0000-4000-8000-%012x"


class Partition:
    """A partition, its consumer, and the database with the row. Verdicts are N, D and I (by id)."""

    def __init__(self, window):
        self.window, self.row, self.log, self.read_to = window, None, [], 0
        self.source, self.owner = "9f3c2a7be01d4455", "1-aa"
        self.open()

    def open(self, **changes):
        self.read_to = self.window.open(self.row, **changes)
        return self.read_to

    def header(self, position, low, source=None, owner=None):
        return "%s.%s.%s.%s" % (source or self.source, owner or self.owner, position, low)

    def judge(self, header, event):
        """At the end of the log."""
        self.log.append((header, EVENT % event))
        verdict = self.window.judge(len(self.log) - 1, *self.log[-1])
        self.read_to = len(self.log)
        return verdict

    def sends(self, expected, *messages, **where):
        """messages: (position, low) or (position, low, event); the event is the position otherwise."""
        got = ""
        for position, low, *event in messages:
            number = event[0] if event else position
            got += {"new": "N", "duplicate": "D", "by id": "I"}.get(self.judge(self.header("%x" % position, "%x" % low, **where), number), "E")
        equal(got, expected)

    def commit(self, next_offset, window_offset):
        self.row = self.window.save()
        equal(self.row, (next_offset, window_offset))

    def crash(self):
        """Reads the window again."""
        self.open()
        for offset in range(self.read_to, self.row[0]):
            equal(self.window.judge(offset, *self.log[offset]), "duplicate")


def equal(got, expected):
    if got != expected:
        raise AssertionError("%s, expected %s" % (got, expected))


def refused(answer, part):
    if not str(answer).startswith("error: ") or part not in answer:
        raise AssertionError("%s, expected an error with '%s'" % (answer, part))


def repeats(p):
    """A repeat is a duplicate, before and after a crash."""
    p.sends("NNNDDN", (1, 1), (2, 1), (3, 1), (2, 1), (3, 1), (4, 1))
    p.commit(6, 0)
    p.crash()
    p.sends("DDN", (1, 1), (4, 1), (5, 1))
    p.commit(9, 0)


def the_row_moves_on_with_the_low_mark(p):
    p.sends("NNN", (1, 1), (2, 1), (3, 1))
    p.commit(3, 0)
    p.sends("N", (4, 3))
    p.commit(4, 2)
    p.sends("N", (5, 5))
    p.commit(5, 4)
    p.crash()
    p.sends("DDN", (4, 3), (5, 5), (6, 5))


def gaps_and_late_commits(p):
    """Position 3 is of a transaction that commits late; 4 was rolled back."""
    p.sends("NNNN", (1, 1), (2, 2), (5, 3), (6, 3))
    p.commit(4, 2)
    p.sends("NDD", (3, 3), (5, 3), (3, 3))
    p.commit(7, 2)
    p.sends("ND", (7, 7), (3, 3))
    p.commit(9, 7)


def offsets_with_gaps(p):
    """Control records of transactions take offsets, too."""
    for offset, position in ((0, 1), (2, 2), (7, 3)):
        equal(p.window.judge(offset, p.header(position, 2 if position > 1 else 1), EVENT % position), "new")
    p.row = p.window.save()
    equal(p.row, (8, 2))


def nothing_to_save(p):
    equal(p.window.save(), None)
    p.sends("N", (1, 1))
    p.commit(1, 0)
    equal(p.window.save(), None)


def a_new_ownership_sends_again(p):
    p.sends("NNN", (1, 1), (2, 1), (3, 1))
    p.owner = "2-bb"
    p.sends("DDN", (2, 2), (3, 2), (4, 2))
    p.commit(6, 1)
    p.crash()
    p.sends("DN", (2, 2), (5, 5))
    p.commit(8, 7)


def a_new_ownership_begins_without_a_mark(p):
    p.sends("NN", (8, 8), (9, 9))
    p.owner = "2-bb"
    p.sends("DNN", (9, 0), (10, 0), (11, 11))
    p.commit(5, 4)


def a_suspended_relay_comes_late(p):
    """Its messages are below the mark of the present owner, or in the window, or new."""
    p.sends("NN", (1, 1), (2, 1))
    p.owner = "2-bb"
    p.sends("DN", (2, 2), (5, 5))
    p.sends("DDDN", (1, 1), (2, 1), (5, 1), (6, 1), owner="1-aa")
    p.sends("DN", (6, 6), (7, 6))
    p.commit(10, 7)
    p.crash()
    p.sends("DD", (2, 1), (6, 1), owner="1-aa")


def ids_that_are_used_again(p):
    """A failover lost commits: the epoch is the same, the nonce is not. Nothing may be lost."""
    p.sends("NNNN", (1, 1), (2, 2), (3, 3), (9, 9))
    p.owner = "1-bb"
    p.sends("INI", (4, 4, 104), (10, 4, 110), (5, 5, 105))
    p.sends("N", (11, 11, 111))


def a_restored_backup(p):
    """Its epochs are lower, so the marks of the former history hide events until the window is forgotten."""
    p.owner = "5-aa"
    p.sends("NN", (8, 8), (9, 9))
    p.commit(2, 1)
    p.owner = "2-bb"
    p.sends("D", (7, 7, 107))
    p.row = (2, 2)
    equal(p.open(), 2)
    p.sends("NN", (7, 7, 107), (8, 8, 108))


def an_id_chosen_by_hand(p):
    """Level 1 recognises it, also when the next owner sends it again, and after a crash."""
    p.sends("NNI", (100, 100), (200, 200), (7, 200))
    p.commit(3, 1)
    p.crash()
    p.sends("I", (7, 200))
    p.owner = "2-bb"
    p.sends("IN", (7, 7), (201, 201))
    p.commit(6, 5)


def an_id_by_hand_with_the_highest_mark(p):
    """Its message alone carried the mark, so the window begins there at the latest."""
    p.sends("NI", (100, 100), (150, 200))
    p.commit(2, 1)
    p.crash()
    p.owner = "2-bb"
    p.sends("I", (150, 150))


def a_dead_letter_is_replayed(p):
    """It has its id and a new position; while it is in the window it is a duplicate."""
    p.sends("NND", (1, 1), (2, 1), (9, 1, 2))
    p.sends("ND", (10, 3), (9, 3, 2))
    p.commit(5, 1)
    p.crash()
    p.sends("D", (9, 3, 2))


def two_outboxes(p):
    """Their positions are not compared."""
    other = {"source": "1", "owner": "7-cc"}
    p.sends("NN", (100, 100), (101, 101))
    p.sends("NN", (1, 1, 501), (2, 2, 502), **other)
    p.sends("ND", (102, 102), (100, 100))
    p.sends("D", (1, 1, 501), **other)
    p.commit(7, 3)


def a_failover_to_another_source(p):
    """What was in flight comes again under the identity of the new server. It passes with that server's mark."""
    p.sends("NN", (1, 1), (2, 1))
    p.source = "2"
    p.sends("DDN", (1, 1), (2, 1), (3, 3))
    p.commit(5, 1)
    p.crash()
    p.sends("D", (2, 1))


def a_source_that_is_silent_for_a_span_is_forgotten(p):
    p.open(span=10)
    p.sends("N", (1, 1))
    for position in range(101, 121):
        p.sends("N", (position, position), source="2")
    p.commit(21, 20)


def a_silent_source_makes_room_for_another(p):
    """16 of them are kept. One that was silent for a span leaves, when there is another."""
    p.open(span=16)
    p.sends("N", (5, 5, 1), source="1")
    for source in range(1, 17):
        p.sends("I", (4, 6, 100 + source), source="%x" % source)
    refused(p.judge(p.header("5", "5", source="11"), 17), "over 16 outboxes have sent to this partition within 16 messages")
    p.sends("ND", (1, 1, 1), (1, 1, 1), source="11")
    p.commit(20, 4)


def an_event_that_has_left_is_not_found(p):
    """The mark has passed it, and a failover gives its id again: both languages forget it at the same time."""
    p.sends("NNNN", (1, 1), (2, 2), (3, 3), (9, 9))
    p.sends("I", (2, 2), owner="1-b")


def a_source_that_holds_an_event_back(p):
    p.open(span=10)
    for position in range(1, 12):
        p.sends("N", (position, 1))
    refused(p.judge(p.header("c", "1"), 12), "held back")


def many_events_leave_and_enter(p):
    """More than a table has room for at first."""
    for position in range(1, 3000):
        p.sends("N", (position, max(1, position - 300)))
        if position > 300:
            p.sends("D", (position - 200, max(1, position - 500)))
    p.sends("N", (3000, 3000))
    row = p.window.save()
    equal(row[1], row[0] - 1)


def a_message_without_the_header(p):
    refused(p.window.judge(0, None, EVENT % 1), "route: { position: true }")


def a_header_of_somebody_else(p):
    for text in (".", "x", "1.2.3", "1.2-3.4.", "1.2.3.4x", "1.2.3-.4", "12345678901234567.1.1.1", "1.2.3.G"):
        refused(p.window.judge(0, text, EVENT % 1), "not what a relay sends")
    equal(p.window.judge(0, "1.2-3.4-5.6-7.later.fields", EVENT % 1), "by id")


def an_event_without_an_id(p):
    refused(p.window.judge(0, p.header(1, 1), "17"), "not a UUID")
    refused(p.window.judge(0, p.header(1, 1), None), "not a UUID")
    p.sends("N", (1, 1))


def offsets_go_up(p):
    """A rebalance, or a seek, without opening the window again."""
    p.sends("NN", (1, 1), (2, 2))
    refused(p.window.judge(1, *p.log[1]), "open the window again")


def a_window_that_was_not_read_again(p):
    p.sends("NNN", (1, 1), (2, 1), (3, 1))
    p.commit(3, 0)
    p.open()
    refused(p.window.judge(3, p.header(4, 1), EVENT % 4), "was not read")
    p.crash()
    p.sends("N", (4, 1))


def a_window_that_the_broker_removed(p):
    """An old window of an idle topic: no more than what retention promises."""
    p.sends("NN", (1, 1), (2, 1))
    p.commit(2, 0)
    equal(p.open(log_start=2), 2)
    equal(p.window.judge(2, p.header(3, 3), EVENT % 3), "new")


def events_that_the_broker_removed(p):
    p.sends("NN", (1, 1), (2, 1))
    p.commit(2, 0)
    refused(p.open(log_start=3), "offsets 2 to 2")


def a_topic_that_was_made_again(p):
    """Its offsets begin at zero: events at offsets that were applied would be left out."""
    p.sends("NN", (1, 1), (2, 1))
    p.commit(2, 0)
    equal(p.open(log_end=2), 0)
    refused(p.open(log_end=1), "ends at offset 1, and offsets up to 1 were applied; the topic was made again")
    p.row = None
    equal(p.open(log_end=1), 0)


def partitions_were_added(p):
    p.sends("N", (1, 1))
    p.commit(1, 0)
    refused(p.open(partitions=6, counts=(4, 4)), "has 6 partitions, and had 4")
    p.row = None
    refused(p.open(partitions=6, counts=(4, 4)), "drained")
    refused(p.open(partitions=6, counts=(4, 6)), "drained")
    equal(p.open(partitions=6, counts=(6, 6)), 0)


def a_rebalance_and_back(p):
    """Another consumer has gone on: the row says from where."""
    p.sends("NN", (1, 1), (2, 1))
    p.commit(2, 0)
    for position in (3, 4):
        p.log.append((p.header(position, 3), EVENT % position))
    p.row = (4, 2)  # of the other one
    p.crash()
    p.sends("DN", (4, 3), (5, 5))


def main():
    cases = [case for name, case in list(globals().items())
             if callable(case) and getattr(case, "__code__", None) and case.__code__.co_varnames[:1] == ("p",)]
    failed, number = 0, 0
    print("1..%d" % (2 * len(cases)))
    for window in (Python(), C(sys.argv[1])):
        for case in cases:
            number += 1
            try:
                case(Partition(window))
                print("ok %d - %s: %s" % (number, window.name, case.__name__))
            except AssertionError as error:
                failed += 1
                line = error.__traceback__
                while line.tb_next and line.tb_frame.f_code is not case.__code__:
                    line = line.tb_next
                print("not ok %d - %s: %s # line %d: %s" % (number, window.name, case.__name__, line.tb_lineno, error))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
