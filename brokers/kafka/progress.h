/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/progress.h - the progress record: which committed events may still be in the outbox
 *
 * With delivery: exactly-once each transaction carries the record of all events that are committed and not known to
 * have left the outbox, its own included. So the last record alone is enough at a start: an event that it names is not
 * sent again. An event is named by its position and by a hash of its id, because positions may be used again after a
 * failover that lost commits; with positions alone such events would be lost.
 *
 *     start: recovered <- the last record          looked up for each event
 *     rewind: recovered <- known                   rows that the database keeps come again, too
 *     hand over -> current -> (commit) known       settled: positions that left the outbox, taken out of known
 *             unseen <- recovered before that      what no claim returns until the outbox is read has left it: settled
 *
 * The loop thread adds to current, settled and unseen. While a worker starts or commits, the other lists are the
 * worker's. settled and unseen outlive the producer: a commit that fails gives back what it took. They end with the
 * ownership of the outbox. No I/O; memory comes from the host. Failure mode: no memory for a settled position; then
 * known keeps it, which costs memory and no event.
 */
#ifndef OBX_BROKERS_KAFKA_PROGRESS_H
#define OBX_BROKERS_KAFKA_PROGRESS_H

#include <outbox/plugin.h>

#define KAFKA_PROGRESS_MAX 100000u /* events that a record names; then it forgets those of the lowest positions */
#define KAFKA_PROGRESS_PART 18000u /* of them in one message, which is at most 512 KiB then */
#define KAFKA_PROGRESS_BYTES (512u << 10)
#define KAFKA_PROGRESS_ID 249 /* bytes of a transactional.id, at most */
#define KAFKA_PROGRESS_KEY (KAFKA_PROGRESS_ID + 12)

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

struct kafka_progress_unseen {
    struct outbox_position position;
    bool seen;
};

struct kafka_progress {
    const struct outbox_host *host;
    struct kafka_progress_list recovered; /* ascending, like known */
    struct kafka_progress_list known;
    struct kafka_progress_list current; /* of the open transaction, in any order */
    struct kafka_progress_positions settled, taken;
    struct kafka_progress_unseen *unseen; /* ascending; NULL: the outbox is not being read, or all of it was */
    uint32_t unseen_count;
    bool rewound;       /* recovered is older than the last rewind */
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
/* It has ended. If it failed, what was settled is taken again by the next one. */
void kafka_progress_end_commit(struct kafka_progress *progress, bool committed);

/* The outbox is read from its first row: nothing of the record was seen there. Without memory nothing is forgotten. */
void kafka_progress_rewind(struct kafka_progress *progress);
/* Before the next look-up, while no worker runs. Fails without memory. */
int kafka_progress_refresh(struct kafka_progress *progress);
void kafka_progress_present(struct kafka_progress *progress, const struct outbox_position *positions, uint32_t count);
void kafka_progress_complete(struct kafka_progress *progress); /* what was not seen is settled */

void kafka_progress_close(struct kafka_progress *progress);  /* the producer's lists; no worker runs */
void kafka_progress_forget(struct kafka_progress *progress); /* the ownership is another: the others */
void kafka_progress_free(struct kafka_progress *progress);   /* all */

/* ---- worker ---- */

/* known: without what was taken, with current, which is empty then. Fails without memory. */
int kafka_progress_fold(struct kafka_progress *progress);
/* The record has been read into known: it is also what was recovered. Fails without memory. */
int kafka_progress_recover(struct kafka_progress *progress);
void kafka_progress_clear(struct kafka_progress *progress); /* nothing is known or recovered */

uint32_t kafka_progress_parts(const struct kafka_progress *progress);
/* Writes one message of the record of `known`; room: KAFKA_PROGRESS_BYTES. Gives its size. */
size_t kafka_progress_encode(const struct kafka_progress *progress, const struct kafka_progress_part *part, void *to);
/* The key of a message: the transactional.id; of later parts a zero byte and the part's number follow. So compaction
 * keeps the last one of each part. Gives its size. */
size_t kafka_progress_key(const char *id, uint32_t part, char to[KAFKA_PROGRESS_KEY]);
bool kafka_progress_is_key(const char *id, const void *key, size_t size);
/* Reads one message: fills part, and appends its events to known; part 0 empties it first. CORRUPT: it is no record, or
 * one of a later version. */
int kafka_progress_decode(struct kafka_progress *progress, const void *from, size_t size,
                          struct kafka_progress_part *part);

#endif
