#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which designs of an inbox apply every event once? simulation.py [--runs N] [--seed S] [--tool T] [CASE ...]

A run makes a random history: rows with ids in insert order that commit late or roll back, a relay that publishes only a
part of what is in flight, is killed and sends again, a hung relay whose messages arrive long after, blocked keys, dead
letters that are replayed. A consumer reads the partitions in turn, in batches, is killed, and decides event by event.

Each case says what must come out: nothing wrong in any run; or events `lost` or `twice`, for the designs that look
right and are not. A refuted design that shows no error fails the test too: then the history is too tame to prove
anything. With --runs 1 --seed S one run can be repeated.
"""
import argparse
import random
import sys
from collections import namedtuple

from windows import C, Python

Message = namedtuple("Message", "position key event low owner")  # position None: a row with an id chosen by hand


class Row:
    def __init__(self, position, key, committed, event, by_hand=False):
        self.position, self.key, self.committed, self.event, self.by_hand = position, key, committed, event, by_hand
        self.blocked_until = 0


class Options:
    """What a history may contain."""
    zombie = False           # a hung relay publishes what it had in flight, later
    long_transactions = False
    key_lock = True          # writers of one key wait for each other: commits per key are in insert order
    blocked = False          # the broker refuses some events for a while; later ones of the key wait
    dead_letters = None      # "new id": replay inserts again; "same id": a replay that keeps its position
    order = True
    add_partitions = False
    by_hand = None           # rows far below all others: "position" or "no position" in their messages
    low_ignores = None       # a wrong low mark: "open transactions" or "blocked rows"
    failover = None          # "complete": the new server has another identity; "lost commits": it uses ids again

    def __init__(self, **changes):
        for name, value in changes.items():
            assert hasattr(Options, name), name
            setattr(self, name, value)


# ---- the database and the relay --------------------------------------------------------------------------------------

class History:
    def __init__(self, seed, options):
        self.random, self.options = random.Random(seed), options
        self.keys, self.partitions = self.random.randint(1, 6), self.random.randint(1, 4)
        self.now, self.log = 0, {}
        self.table = {row.position: row for row in self.insert_rows()}
        self.truth = {row.event for row in self.table.values()}
        self.next_position = 1000
        self.claimed, self.in_flight, self.dead, self.hung = set(), [], [], []
        self.source, self.epoch, self.nonce, self.highest = 1, 1, 1, 0
        self.doomed = {e for e in self.truth if options.dead_letters and self.chance(.08)}
        self.relay()

    def chance(self, probability):
        return self.random.random() < probability

    def insert_rows(self):
        busy, now, rows, count = {}, 0, [], self.random.randint(20, 60)
        for position in range(101, 101 + count):
            now, key = now + 1, self.random.randrange(self.keys)
            if self.options.key_lock:
                now = max(now, busy.get(key, 0))
            late = self.random.randint(1, 60 if self.options.long_transactions else 15) if self.chance(.3) else 0
            busy[key] = now + late
            if self.chance(.1):
                continue  # rolled back: its position is never used
            rows.append(Row(position, key, now + late, position))
            if self.options.blocked and self.chance(.1):
                rows[-1].blocked_until = now + late + self.random.randint(5, 60)
        for number in range(2 if self.options.by_hand else 0):
            rows.append(Row(self.random.randrange(1, 50) * 2 + number, self.random.randrange(self.keys),
                            self.random.randint(20, 60), 2000 + number, by_hand=True))
        return rows

    def low(self):
        """No row below it will be published, neither for the first time nor again, by this relay."""
        rows = [row for row in self.table.values() if not row.by_hand]
        if self.options.low_ignores == "open transactions":
            rows = [row for row in rows if row.committed <= self.now]
        if self.options.low_ignores == "blocked rows":
            rows = [row for row in rows if row.blocked_until <= self.now]
        return min([row.position for row in rows], default=self.next_position)

    def owner(self):
        return self.source, self.epoch, self.nonce

    def publish(self, row, low, owner=None):
        partition = row.key * 7919 % self.partitions
        position = None if row.by_hand and self.options.by_hand == "no position" else row.position
        self.log.setdefault(partition, []).append(Message(position, row.key, row.event, low, owner or self.owner()))

    def claim(self):
        visible = [row for row in self.table.values() if row.committed <= self.now]
        first_blocked = {}
        for row in visible:
            if row.blocked_until > self.now:
                first_blocked[row.key] = min(row.position, first_blocked.get(row.key, row.position))
        free = sorted((row for row in visible if row.position not in self.claimed and
                       row.position < first_blocked.get(row.key, row.position + 1)), key=lambda row: row.position)
        batch = free[:self.random.randint(1, 8)]
        if not self.options.order:
            self.random.shuffle(batch)
        for row in batch:
            self.claimed.add(row.position)
            if row.event in self.doomed:
                self.dead.append(self.table.pop(row.position))
            else:
                self.in_flight.append([row, False])

    def send(self):
        for entry in self.in_flight:
            if not entry[1]:
                if self.chance(.2):
                    break
                self.publish(entry[0], self.low())
                entry[1] = True

    def hang(self):
        if self.in_flight and self.chance(.1):
            self.hung.append(([row for row, _ in self.in_flight], self.low(), self.owner()))
            if self.chance(.5):
                self.take_over()
        if self.hung and self.chance(.1):
            rows, low, owner = self.hung.pop(0)
            for row in rows:
                self.publish(row, low, owner)

    def take_over(self):
        """Of another relay, or of the same after a restart: what was published but not settled is sent again."""
        self.epoch, self.nonce = self.epoch + 1, self.nonce + 1
        self.claimed, self.in_flight = set(), []

    def fail_over(self):
        self.take_over()
        if self.options.failover == "complete":
            self.source += 1
            return
        self.epoch -= 1  # the acquire was lost, too
        lost = [row for row in self.table.values() if row.committed > self.now - 10]
        mark = min(self.low(), self.highest + 1)
        for row in lost:
            self.truth.discard(row.event)
            del self.table[row.position]
        for position in range(max(101, mark - 8), mark):  # other events get the ids of those that were settled last
            self.truth.add(position + 5000)
            self.table[position] = Row(position, self.random.randrange(self.keys), self.now + 1, position + 5000)

    def settle(self):
        published = next((i for i, (_, sent) in enumerate(self.in_flight) if not sent), len(self.in_flight))
        for row, _ in self.in_flight[:self.random.randint(0, published)]:
            self.table.pop(row.position, None)
            self.highest = max(self.highest, row.position)
            self.claimed.discard(row.position)
            self.in_flight = [entry for entry in self.in_flight if entry[0] is not row]

    def replay(self):
        if self.dead and self.chance(.2):
            row = self.dead.pop(0)
            self.doomed.discard(row.event)
            position = row.position
            if self.options.dead_letters == "new id":
                position, self.next_position = self.next_position, self.next_position + 1
            self.claimed.discard(row.position)
            self.table[position] = Row(position, row.key, self.now, row.event)

    def relay(self):
        for step in range(5000):
            self.now += self.random.randint(1, 4)
            if self.options.add_partitions and step == 10:
                self.partitions += 2
            self.claim()
            self.send()
            if self.options.zombie:
                self.hang()
            if self.chance(.15):  # killed
                self.take_over()
            if self.options.failover and step == 12:
                self.fail_over()
            self.settle()
            self.replay()
            if not (self.table or self.dead or self.in_flight or self.hung):
                return
        raise AssertionError("a history that does not end")


# ---- designs of the consumer -----------------------------------------------------------------------------------------
# first(partition, offset, message) decides and remembers. commit() and crash() end a batch: a crash undoes what was
# remembered in the database since the last commit, and all that was in memory.

class EventIds:
    """A table of event ids: what `outbox init --inbox` creates. keep: of how many messages; None: all."""
    def __init__(self, keep=None):
        self.keep, self.seen, self.batch, self.clock = keep, {}, {}, 0

    def first(self, partition, offset, message):
        self.clock += 1
        taken = self.seen.get(message.event)
        if taken is not None and self.keep is not None and self.clock - taken > self.keep:
            taken = None  # pruned
        if taken is not None or message.event in self.batch:
            return False
        self.batch[message.event] = self.clock
        return True

    def commit(self):
        self.seen.update(self.batch)
        self.batch = {}

    def crash(self):
        self.batch = {}

    def resume_at(self, partition, offset):
        return offset


class HighWater(EventIds):
    """Refuted: the highest position, per key or per partition; what is not higher is a duplicate."""
    def __init__(self, per):
        self.per, self.marks, self.batch = per, {}, {}

    def first(self, partition, offset, message):
        name = message.key if self.per == "key" else partition
        mark = self.batch.get(name, self.marks.get(name, 0))
        if message.position <= mark:
            return False
        self.batch[name] = message.position
        return True

    def commit(self):
        self.marks.update(self.batch)
        self.batch = {}


class LowMark(EventIds):
    """Positions from the relay's low mark on, in the database; below it no first occurrence can come any more."""
    def __init__(self, shared=False):
        self.shared, self.lows, self.sets, self.saved, self.ids = shared, {}, {}, ({}, {}, set()), set()

    def first(self, partition, offset, message):
        if message.position is None:  # chosen by hand: by its event id
            known = message.event in self.ids
            self.ids.add(message.event)
            return not known
        name = "all" if self.shared else partition
        positions = self.sets.setdefault(name, set())
        first = message.position >= self.lows.get(partition, 0) and message.position not in positions
        if first:
            positions.add(message.position)
        self.lows[partition] = max(self.lows.get(partition, 0), message.low)
        if not self.shared:
            self.sets[name] = {p for p in positions if p >= self.lows[partition]}
        return first

    def commit(self):
        self.saved = (dict(self.lows), {n: set(s) for n, s in self.sets.items()}, set(self.ids))

    def crash(self):
        lows, sets, ids = self.saved
        self.lows, self.sets, self.ids = dict(lows), {n: set(s) for n, s in sets.items()}, set(ids)


class Window(EventIds):
    """As LowMark, but the set is in memory. The database has per partition: next offset, low, window offset. After a
    crash the consumer reads again from the window offset, and messages before the next offset only fill the set."""
    def __init__(self, reread=True):
        self.reread, self.rows, self.saved, self.sets = reread, {}, {}, {}

    def first(self, partition, offset, message):
        next_offset, low = self.rows.get(partition, (0, 0, 0))[:2]
        window = self.sets.setdefault(partition, {})
        first = message.position >= low and message.position not in window
        if first:
            window[message.position] = offset
        if offset < next_offset:
            return False
        low = max(low, message.low)
        window = self.sets[partition] = {p: o for p, o in window.items() if p >= low}
        self.rows[partition] = (offset + 1, low, min(window.values(), default=offset + 1))
        return first

    def commit(self):
        self.saved = dict(self.rows)

    def crash(self):
        self.rows, self.sets = dict(self.saved), {}

    def resume_at(self, partition, offset):
        return self.rows[partition][2] if self.reread and partition in self.rows else offset


class Level2(EventIds):
    """The window of the library, or of the Python module: outbox_window_judge(), and the row. Level 1 beside it."""
    def __init__(self, make=Python, rows=None, fenced=True, nonces=True):
        super().__init__()
        self.make, self.rows, self.fenced, self.nonces, self.windows = make, {} if rows is None else rows, fenced, nonces, {}

    def resume_at(self, partition, offset):
        if partition not in self.windows:
            self.windows[partition] = self.make()
        return self.windows[partition].open(self.rows.get(partition))

    def first(self, partition, offset, message):
        if partition not in self.windows:
            self.resume_at(partition, offset)
        source, epoch, nonce = message.owner
        header = "%x.%x-%x.%x.%x" % (source, epoch, nonce if self.nonces else 1, message.position, message.low)
        verdict = self.windows[partition].judge(offset, header, "00000000-0000-4000-8000-%012x" % message.event)
        assert not verdict.startswith("error"), verdict
        return super().first(partition, offset, message) if verdict == "by id" else verdict == "new"

    def commit(self):
        for partition, window in self.windows.items():
            self.save(partition, window)
        super().commit()

    def save(self, partition, window):
        """False: another consumer has changed the row."""
        saved, row = window.saved(), window.save()
        if row and self.fenced and saved != self.rows.get(partition, (-1, 0))[0]:
            return False
        if row:
            self.rows[partition] = row
        return True

    def crash(self):
        super().crash()
        for window in self.windows.values():
            window.close()
        self.windows = {}


def consume_in_two(history, make, fenced, seed):
    """Two consumers; partitions move between them, also in the middle of a batch: the former owner does not know."""
    r, rows, applied, seen = random.Random(seed), {}, [], {}
    consumers = [Level2(make, rows, fenced), Level2(make, rows, fenced)]
    places = [{}, {}]  # of each consumer: where it reads a partition, and what it applies with the next commit
    for consumer in consumers:
        consumer.seen = seen
    while any(rows.get(p, (0, 0))[0] < len(log) for p, log in history.log.items()):
        number, partition = r.randrange(2), r.choice(list(history.log))
        consumer, place = consumers[number], places[number]
        if partition not in place:
            if r.random() < .2:  # assigned
                place[partition] = (consumer.resume_at(partition, 0), [])
            continue
        offset, batch = place[partition]
        if r.random() < .6 and offset < len(history.log[partition]):
            message = history.log[partition][offset]
            if consumer.first(partition, offset, message):
                batch.append(message.event)
            place[partition] = (offset + 1, batch)
        elif r.random() < .9 and consumer.save(partition, consumer.windows[partition]):
            EventIds.commit(consumer)
            applied += batch
            place[partition] = (offset, [])
        else:  # killed, or fenced
            consumer.crash()
            place.clear()
    for consumer in consumers:
        consumer.crash()
    return applied


def consume(history, design, seed):
    """Returns the events that were applied, in order."""
    r = random.Random(seed)
    offsets, committed, applied = {p: 0 for p in history.log}, {p: 0 for p in history.log}, []
    while any(offsets[p] < len(history.log[p]) for p in offsets):
        partition = r.choice([p for p in offsets if offsets[p] < len(history.log[p])])
        batch = []
        for _ in range(r.randint(1, 6)):
            if offsets[partition] < len(history.log[partition]):
                message = history.log[partition][offsets[partition]]
                if design.first(partition, offsets[partition], message):
                    batch.append(message.event)
                offsets[partition] += 1
        if r.random() < .1:  # killed before the commit
            design.crash()
            offsets = {p: design.resume_at(p, o) for p, o in committed.items()}
            continue
        design.commit()
        applied += batch
        committed[partition] = max(committed[partition], offsets[partition])
        if r.random() < .05:  # killed after it: the broker may have an older offset
            design.crash()
            back = {p: max(0, o - r.randint(0, 3)) for p, o in committed.items()}
            offsets = {p: design.resume_at(p, o) for p, o in back.items()}
    design.crash()
    return applied


def longest_repeat(history):
    """No duplicate comes later than this many messages after the first, however often batches are read again."""
    return 10 * sum(len(messages) for messages in history.log.values())


# ---- cases -----------------------------------------------------------------------------------------------------------

ZOMBIE = {"zombie": True}
CASES = [  # name, design, options, what must come out
    ("event ids", EventIds, {}, "right"),
    ("event ids, hung relay", EventIds, ZOMBIE, "right"),
    ("event ids, writers break the key lock", EventIds, {"key_lock": False, **ZOMBIE}, "right"),
    ("event ids, dead letters with a new id", EventIds, {"dead_letters": "new id", **ZOMBIE}, "right"),
    ("event ids, dead letters with the same id", EventIds, {"dead_letters": "same id", **ZOMBIE}, "right"),
    ("event ids, order: none", EventIds, {"order": False, **ZOMBIE}, "right"),
    ("event ids, blocked keys", EventIds, {"blocked": True, **ZOMBIE}, "right"),
    ("event ids, partitions added", EventIds, {"add_partitions": True, **ZOMBIE}, "right"),
    ("event ids, ids by hand", EventIds, {"by_hand": "no position", **ZOMBIE}, "right"),
    ("event ids, kept longer than duplicates take", lambda h: EventIds(longest_repeat(h)), ZOMBIE, "right"),
    ("event ids, kept for 5 messages", lambda h: EventIds(5), ZOMBIE, "twice"),
    ("event ids, kept for 20 messages", lambda h: EventIds(20), ZOMBIE, "twice"),
    ("high water per key, writers break the key lock", lambda h: HighWater("key"), {"key_lock": False}, "lost"),
    ("high water per key, dead letters", lambda h: HighWater("key"), {"dead_letters": "same id"}, "lost"),
    ("high water per key, order: none", lambda h: HighWater("key"), {"order": False}, "lost"),
    ("high water per partition", lambda h: HighWater("partition"), {}, "lost"),
    ("high water per partition, blocked keys", lambda h: HighWater("partition"), {"blocked": True}, "lost"),
    ("low mark", LowMark, {}, "right"),
    ("low mark, hung relay", LowMark, ZOMBIE, "right"),
    ("low mark, long transactions", LowMark, {"long_transactions": True, **ZOMBIE}, "right"),
    ("low mark, writers break the key lock", LowMark, {"key_lock": False, **ZOMBIE}, "right"),
    ("low mark, dead letters with a new id", LowMark, {"dead_letters": "new id", **ZOMBIE}, "right"),
    ("low mark, order: none", LowMark, {"order": False, **ZOMBIE}, "right"),
    ("low mark, blocked keys", LowMark, {"blocked": True, **ZOMBIE}, "right"),
    ("low mark, one set, partitions added", lambda h: LowMark(shared=True), {"add_partitions": True, **ZOMBIE}, "right"),
    ("low mark, a set per partition, partitions added", LowMark, {"add_partitions": True, **ZOMBIE}, "twice"),
    ("low mark, ids by hand without position", LowMark, {"by_hand": "no position", **ZOMBIE}, "right"),
    ("low mark, ids by hand with position", LowMark, {"by_hand": "position"}, "lost"),
    ("low mark, dead letters with the same id", LowMark, {"dead_letters": "same id"}, "lost"),
    ("low mark that ignores open transactions", LowMark, {"low_ignores": "open transactions"}, "lost"),
    ("low mark that ignores blocked rows", LowMark, {"low_ignores": "blocked rows", "blocked": True}, "lost"),
    ("window in memory", Window, {}, "right"),
    ("window in memory, hung relay", Window, ZOMBIE, "right"),
    ("window in memory, long transactions", Window, {"long_transactions": True, **ZOMBIE}, "right"),
    ("window in memory, order: none, blocked keys", Window, {"order": False, "blocked": True, **ZOMBIE}, "right"),
    ("window in memory, dead letters with a new id", Window, {"dead_letters": "new id", **ZOMBIE}, "right"),
    ("window in memory, not read again", lambda h: Window(reread=False), ZOMBIE, "twice"),
    ("window in memory, partitions added", Window, {"add_partitions": True, **ZOMBIE}, "twice"),
]
LEVEL_2 = [
    ("level 2", {}, "right"),
    ("level 2, hung relay", ZOMBIE, "right"),
    ("level 2, long transactions", {"long_transactions": True, **ZOMBIE}, "right"),
    ("level 2, order: none, blocked keys", {"order": False, "blocked": True, **ZOMBIE}, "right"),
    ("level 2, dead letters with a new id", {"dead_letters": "new id", **ZOMBIE}, "right"),
    ("level 2, ids by hand", {"by_hand": "position", **ZOMBIE}, "right"),
    ("level 2, failover to another server", {"failover": "complete"}, "right"),
    ("level 2, failover that lost commits", {"failover": "lost commits"}, "nothing lost"),
    ("level 2, partitions added", {"add_partitions": True, **ZOMBIE}, "twice"),
    ("level 2, dead letters with the same id", {"dead_letters": "same id"}, "lost"),
]


def level_2(make, language):
    """The cases of one implementation, and designs that differ from it in one rule."""
    cases = [(name + ", " + language, lambda h: Level2(make), options, expected) for name, options, expected in LEVEL_2]
    return cases + [
        ("level 2, ownership without a nonce, " + language, lambda h: Level2(make, nonces=False), {"failover": "lost commits"}, "lost"),
        ("level 2, two consumers, " + language, (make, True), ZOMBIE, "right"),
        ("level 2, two consumers, the row is not compared, " + language, (make, False), ZOMBIE, "twice"),
    ]


def one_run(make, options, seed):
    history = History(seed, Options(**options))
    if isinstance(make, tuple):
        applied = consume_in_two(history, *make, seed)
    else:
        applied = consume(history, make(history) if not isinstance(make, type) else make(), seed)
    published = sum(len(messages) for messages in history.log.values())
    return (len(history.truth - set(applied)), len(applied) - len(set(applied)), published - len(history.truth))


def run_case(make, options, expected, seeds):
    """Returns a summary, and whether it is what was expected."""
    lost = twice = repeated = wrong = 0
    for seed in seeds:
        missing, double, duplicates = one_run(make, options, seed)
        lost, twice, repeated = lost + missing, twice + double, repeated + duplicates
        if missing or double:
            wrong = wrong or seed
    summary = "%d duplicates, lost %d, twice %d%s" % (repeated, lost, twice, ", first in run %d" % wrong if wrong else "")
    return summary, repeated > 0 and {"right": not lost and not twice, "nothing lost": not lost, "lost": lost > 0,
                                      "twice": twice > 0}[expected]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tool", help="window_tool, for the cases of level 2 in C")
    parser.add_argument("cases", nargs="*", help="parts of names; all cases by default")
    arguments = parser.parse_args()
    cases = CASES + level_2(Python, "Python")
    if arguments.tool:
        cases += level_2(lambda: C(arguments.tool), "C")
    chosen = [case for case in cases if not arguments.cases or any(part in case[0] for part in arguments.cases)]
    failed = 0
    print("1..%d" % len(chosen))
    for number, (name, make, options, expected) in enumerate(chosen, 1):
        runs = arguments.runs if not name.endswith(", C") else (arguments.runs + 3) // 4  # each message is a round trip
        summary, fine = run_case(make, options, expected, range(arguments.seed, arguments.seed + runs))
        failed += not fine
        print("%sok %d - %s: %s # %s" % ("" if fine else "not ", number, name, expected, summary), flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
