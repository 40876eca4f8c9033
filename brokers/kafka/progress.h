/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/progress.h - the progress record: which committed events may still be in the outbox
 *
 * With delivery: exactly-once each transaction carries the record of all events that are committed and not known to
 * have left the outbox, its own included. So the last record alone is enough at a start: an event that it names is not
 * sent again. An event is named by its position and by a hash of its id, because positions may be used again after a
 * failover that lost commits; with positions alone such events would be lost.
 *
 *     start: recovered <- the last record          looked up for each event, never changed until the next start
 *     hand over -> current -> (commit) known       settled: positions that left the outbox, taken out of known
 *
 * The loop thread adds to current and settled. While a worker commits, known, current and taken are the worker's. No
 * I/O; memory comes from the host. Failure mode: no memory for a settled position; then known keeps it, which costs
 * memory and no event.
 */
#ifndef OBX_BROKERS_KAFKA_PROGRESS_H
#define OBX_BROKERS_KAFKA_PROGRESS_H

#include <outbox/plugin.h>

#define KAFKA_PROGRESS_MAX 100000u /* events that a record names; then it forgets those of the lowest positions */
#define KAFKA_PROGRESS_PART 18000u /* of them in one message, which is at most 512 KiB then */
#define KAFKA_PROGRESS_BYTES (512u << 10)

struct kafka_progress_entry {
    struct outbox_position position;
    uint64_t hash; /* of the event id */
};

struct kafka_progress_list {
    struct kafka_progress_entry *items;
    uint32_t count, room;
};

struct kafka_progress_positions {
    struct outbox_position *items;
    uint32_t count, room;
};

struct kafka_progress {
    const struct outbox_host *host;
    struct kafka_progress_list recovered; /* ascending, like known */
    struct kafka_progress_list known;
    struct kafka_progress_list current; /* of the open transaction, in any order */
    struct kafka_progress_positions settled, taken;
    uint32_t forgotten; /* entries that were dropped for KAFKA_PROGRESS_MAX */
};

/* One message of a record. */
struct kafka_progress_part {
    uint64_t epoch;    /* of the ownership that wrote it */
    uint64_t sequence; /* of the transaction: each record has a higher one */
    uint32_t part, parts;
    char outbox[96]; /* what start->outbox was */
};

uint64_t kafka_progress_hash(struct outbox_bytes id);

/* ---- loop thread ---- */

/* Is the event in the record that the start has read? */
bool kafka_progress_has(const struct kafka_progress *progress, const struct outbox_message *message);
/* Its position is in the record with another id: the position was used again. */
bool kafka_progress_reused(const struct kafka_progress *progress, const struct outbox_message *message);
/* Room for one more event in current. Fails without memory. */
int kafka_progress_reserve(struct kafka_progress *progress);
void kafka_progress_add(struct kafka_progress *progress, const struct outbox_message *message); /* it has room */
void kafka_progress_settled(struct kafka_progress *progress, const struct outbox_position *positions, uint32_t count);
/* The commit begins: what was settled until now is the worker's. */
void kafka_progress_take_settled(struct kafka_progress *progress);
void kafka_progress_free(struct kafka_progress *progress);

/* ---- worker ---- */

/* known: without what was taken, with current, which is empty then. Fails without memory. */
int kafka_progress_fold(struct kafka_progress *progress);
/* The record has been read into known: it is also what was recovered. Fails without memory. */
int kafka_progress_recover(struct kafka_progress *progress);
void kafka_progress_clear(struct kafka_progress *progress); /* nothing is known */

uint32_t kafka_progress_parts(const struct kafka_progress *progress);
/* Writes one message of the record of `known`; room: KAFKA_PROGRESS_BYTES. Gives its size. */
size_t kafka_progress_encode(const struct kafka_progress *progress, const struct kafka_progress_part *part, void *to);
/* Reads one message: fills part, and appends its events to known; part 0 empties it first. CORRUPT: it is no record, or
 * one of a later version. */
int kafka_progress_decode(struct kafka_progress *progress, const void *from, size_t size,
                          struct kafka_progress_part *part);

#endif
