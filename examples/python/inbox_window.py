# SPDX-License-Identifier: Apache-2.0
"""The inbox of level 2, for consumers of Kafka: a window in memory, one row for each partition. See docs/INBOX.md.

    window = Window.open(connection, "billing", topic, partition, partitions, log_start, log_end)
    ...                         # read the partition from window.seek on; then, in one transaction of the connection:
    verdict = window.judge(offset, position, event_id)              # NEW, DUPLICATE or BY_ID: level 1 decides
    window.save(connection)

`connection` is one of psycopg2, psycopg or PyMySQL. position and event_id are the headers outbox-position and id, as
text. After a rollback, and after each error, open the window again. The C module is writers/common/window.c.
"""
import collections
import re
import uuid

SOURCES = 16
NEW, DUPLICATE, BY_ID = "new", "duplicate", "by id"
PAIR = r"\.([0-9a-f]{1,16})(?:-([0-9a-f]{1,16}))?"
HEADER = re.compile(r"([0-9a-f]{1,16})" + 3 * PAIR + r"(?:\..*)?")  # SOURCE.OWNERSHIP.POSITION.LOW
SELECT = (
    "SELECT min(partitions), max(partitions), max(CASE WHEN part = %s THEN next_offset END), "
    "max(CASE WHEN part = %s THEN window_offset END) FROM outbox_inbox_position WHERE consumer = %s AND topic = %s"
)
UPDATE = (
    "UPDATE outbox_inbox_position SET next_offset = %s, window_offset = %s "
    "WHERE consumer = %s AND topic = %s AND part = %s AND next_offset = %s"
)
INSERT = (
    "INSERT INTO outbox_inbox_position (next_offset, window_offset, consumer, topic, part, partitions) "
    "VALUES (%s, %s, %s, %s, %s, %s)"
)


class Refused(Exception):
    """Level 2 cannot give its promise here; the text says why, and what to do."""


class Fenced(Exception):
    """Another consumer has the partition, or the last transaction was not committed. Roll back, open again."""


class Source:
    """An outbox: its latest ownership, the low mark of that, and the highest mark of those before it."""

    def __init__(self):
        self.epoch, self.nonce, self.low, self.older, self.marked, self.last = 0, 0, (0, 0), (0, 0), 0, 0

    def mark(self):
        return max(self.low, self.older)

    def note(self, epoch, nonce, low, offset):
        self.last = offset
        if epoch < self.epoch:
            return  # a relay that was suspended: the present owner has the higher mark
        if (epoch, nonce) != (self.epoch, self.nonce):
            self.epoch, self.nonce, self.older, self.low = epoch, nonce, self.mark(), (0, 0)
        self.low = max(self.low, low)
        if low >= self.mark():
            self.marked = offset

    def verdict(self, epoch, position, low):
        """Of an event that is not in the window."""
        if position < low:
            return BY_ID  # its id was chosen by hand
        if position < (self.mark() if epoch < self.epoch else self.low):
            return DUPLICATE
        return BY_ID if position < self.older else NEW  # below: such an id again, or one that is used again


class Window:
    def __init__(self, consumer, topic, partition, partitions, log_start, log_end, row, span=1000000):
        """log_start, log_end: the low and the high watermark. row: (fewest partitions, most partitions, next offset, window offset), all None without a row. span: of how many
        messages a window may reach over."""
        self.name, self.partitions, self.span = (consumer, topic, partition), partitions, span
        fewest, most, next_offset, window_offset = row
        if most is not None and (fewest, most) != (partitions, partitions):
            self.refuse("the topic has %d partitions, and had %d; an event that is sent again may be in another one now; if the "
                        "outbox was drained before, set partitions in outbox_inbox_position" % (partitions, fewest))
        self.saved = -1 if next_offset is None else next_offset
        if self.saved >= 0 and log_start > self.saved:
            self.refuse("the broker has removed offsets %d to %d, which were not applied; to skip them, delete the row of "
                        "outbox_inbox_position" % (self.saved, log_start - 1))
        if log_end < self.saved:
            self.refuse("the partition ends at offset %d, and offsets up to %d were applied; the topic was made again, or it is of "
                        "another cluster; stop the consumers and delete the rows of the topic in outbox_inbox_position"
                        % (log_end, self.saved - 1))
        self.incomplete = window_offset is not None and log_start <= window_offset < next_offset
        self.seek = max(log_start, window_offset or 0)
        self.last = self.seek - 1
        self.sources = {}
        self.events = collections.OrderedDict()  # id: [source, position, offset], in the order of the offsets

    def refuse(self, text, error=Refused):
        raise error("consumer %s, topic %s, partition %d: %s" % (*self.name, text))

    @classmethod
    def open(cls, connection, consumer, topic, partition, partitions, log_start, log_end, span=1000000):
        with connection.cursor() as cursor:
            cursor.execute(SELECT, (partition, partition, consumer, topic))
            return cls(consumer, topic, partition, partitions, log_start, log_end, cursor.fetchone(), span)

    # ---- a message ----

    def judge(self, offset, position, event_id):
        if offset <= self.last:
            self.refuse("offset %d is not after %d; open the window again" % (offset, self.last))
        if self.incomplete and offset != self.seek:
            self.refuse("the window begins with offset %d, which was not read; read from seek on; a compacted topic needs "
                        "level 1" % self.seek)
        if position is None:
            self.refuse("offset %d has no header outbox-position; set route: { position: true } at its relay, or use level 1" % offset)
        fields = HEADER.fullmatch(position)
        if not fields:
            self.refuse("offset %d: its header outbox-position is '%s', and not what a relay sends" % (offset, position))
        self.check_span(offset)
        try:
            event_id = uuid.UUID(event_id).bytes
        except (AttributeError, TypeError, ValueError):
            self.refuse("offset %d: its header id is '%s', and not a UUID" % (offset, event_id))
        number, *rest = (int(field or "0", 16) for field in fields.groups())
        verdict = self.find(offset, event_id, number, rest)
        self.last, self.incomplete = offset, False
        return verdict if offset >= self.saved else DUPLICATE  # read again: only to fill the window

    def find(self, offset, event_id, number, fields):
        epoch, nonce, position, low = fields[0], fields[1], tuple(fields[2:4]), tuple(fields[4:6])
        source = self.source(number, offset)
        source.note(epoch, nonce, low, offset)
        event = self.events.get(event_id)
        if event and self.may_come_again(event):  # another source, as after a failover, settles what it sends again
            event[:2] = number, position if event[0] != number else max(event[1], position)
            return DUPLICATE
        verdict = source.verdict(epoch, position, low)
        if verdict == NEW:
            self.events.pop(event_id, None)
            self.events[event_id] = [number, position, offset]
        return verdict

    def source(self, number, offset):
        """A new one may take the place of the one that is silent for the longest time."""
        if number not in self.sources:
            if len(self.sources) == SOURCES:
                silent = min(self.sources, key=lambda known: self.sources[known].last)
                if offset - self.sources[silent].last <= self.span:
                    self.refuse("offset %d: over %d outboxes have sent to this partition within %d messages; use level 1"
                                % (offset, SOURCES, self.span))
                self.forget(silent)
            self.sources[number] = Source()
        return self.sources[number]

    def forget(self, number):
        for event_id in [event_id for event_id, event in self.events.items() if event[0] == number]:
            del self.events[event_id]
        del self.sources[number]

    def may_come_again(self, event):
        return event[1] >= self.sources[event[0]].low

    def first_offset(self, none):
        """Of the first event that may come again. What comes after it waits for it."""
        while self.events:
            event_id, event = next(iter(self.events.items()))
            if self.may_come_again(event):
                return event[2]
            del self.events[event_id]
        return none

    def check_span(self, offset):
        """A source that was silent for a whole span is forgotten; one that still sends holds an event back."""
        while offset - self.first_offset(offset) > self.span:
            number = next(iter(self.events.values()))[0]
            if offset - self.sources[number].last <= self.span:
                self.refuse("its relay has held back an event for %d messages; raise span, or use level 1" % self.span)
            self.forget(number)

    # ---- the row ----

    def begin(self):
        """From where to read again after a crash: the first event that may come again, and the highest marks."""
        end = self.last + 1
        return min([self.first_offset(end)] + [s.marked for s in self.sources.values() if end - s.marked <= self.span])

    def save(self, connection):
        row = (self.last + 1, self.begin(), *self.name)
        if self.last < max(self.seek, self.saved):
            return  # nothing was judged since the last save
        with connection.cursor() as cursor:
            try:
                cursor.execute(*(UPDATE, (*row, self.saved)) if self.saved >= 0 else (INSERT, (*row, self.partitions)))
            except Exception as error:
                if type(error).__name__ in ("IntegrityError", "UniqueViolation"):
                    self.refuse("another consumer has made its row", Fenced)
                raise
            if cursor.rowcount != 1:
                self.refuse("its row is not at offset %d" % self.saved, Fenced)
        self.saved = self.last + 1
