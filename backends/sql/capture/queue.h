/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/capture/queue.h - committed events between the reader of a log and the claims; and which part of the log
 * is not needed any more
 *
 *   reader: commit ──► [ events, numbered ] ──► take: rows of a batch          settle, spool: low ──► pass
 *
 * Each event gets the next sequence number. The number of an event is the same whenever the log is read again: counting
 * begins with the number in the position row. So a number is the position that the relay knows. The queue remembers for
 * each transaction its numbers and its marks, which are the source's: where in the log it ends, and from where the log
 * must be read to find it. When `low` has passed all events of a transaction, its marks are the new position.
 *
 * Pure: no I/O, no clock. All on the loop thread.
 */
#ifndef OBX_BACKENDS_SQL_CAPTURE_QUEUE_H
#define OBX_BACKENDS_SQL_CAPTURE_QUEUE_H

#include "sql/capture/memory.h"
#include "sql/gaps/ranges.h"

/* Sequence numbers are above this one; ids of rows that an application inserted into the table are below. */
#define SQL_CAPTURE_BASE (INT64_C(1) << 62)

enum { SQL_CAPTURE_MARKS = 3 };
struct sql_capture_commit {
    uint64_t marks[SQL_CAPTURE_MARKS]; /* the source's */
    /* the queue's */
    int64_t first;  /* number of its first event here */
    uint64_t count; /* how many events: numbers first .. first + count - 1 */
    uint64_t kept;  /* of them, that are not in the table */
    uint64_t index; /* of the first of them within its transaction */
    bool whole;     /* no more events of it follow */
};

struct sql_capture_queue {
    struct sql_capture_memory memory;
    struct sql_capture_list events;     /* not taken yet */
    struct sql_capture_commit *commits; /* a ring of those that low has not passed; owned */
    uint32_t room, head, count;         /* room: a power of two */
    uint32_t visible;                   /* how many of them, from the head, may be taken */
    uint64_t ready;                     /* events that may be taken */
    int64_t last;                       /* the last number that was given */
    int64_t low;                        /* all events up to it are settled, spooled or dead letters */
    bool advanced;                      /* the log was read beyond the last commit, to: */
    uint64_t advanced_marks[SQL_CAPTURE_MARKS];
    struct obx_sql_ranges done; /* numbers above low that no claim of the log returns: in the table, or settled */
};

void sql_capture_queue_free(struct sql_capture_queue *queue);
/* Forgets everything but `done`; the next event gets the number after `last`. */
void sql_capture_queue_reset(struct sql_capture_queue *queue, int64_t last);

/*
 * The events of a transaction, or the next part of them: index is that of the first within the transaction. The list is
 * empty afterwards. Events that are in the table already or were settled (`done`) get a number and are dropped. marks:
 * of the transaction. whole: it ends here; a transaction may be given in parts. False: no memory, and nothing has
 * changed.
 */
bool sql_capture_queue_commit(struct sql_capture_queue *queue, struct sql_capture_list *events,
                              const uint64_t marks[SQL_CAPTURE_MARKS], uint64_t index, bool whole);
/* The log was read up to here, and nothing that was read is open: the position once all events are passed. */
void sql_capture_queue_advance(struct sql_capture_queue *queue, const uint64_t marks[SQL_CAPTURE_MARKS]);

/* Of the events, and of what is remembered of transactions that low has not passed. */
static inline uint64_t sql_capture_queue_bytes(const struct sql_capture_queue *queue)
{
    return queue->events.bytes + (uint64_t)queue->count * sizeof *queue->commits;
}

/* The commit after those that are visible; NULL: none. make_visible(): it may be taken now. */
const struct sql_capture_commit *sql_capture_queue_hidden(const struct sql_capture_queue *queue);
void sql_capture_queue_make_visible(struct sql_capture_queue *queue);
/* The next event, if queue->ready is not 0; `order` is its number. The caller drops it. */
struct sql_capture_event *sql_capture_queue_take(struct sql_capture_queue *queue);

/*
 * All events up to `low` are settled, spooled or dead letters. pass() is called for each transaction of which nothing
 * is needed any more, in order, with its marks. Returns how many events of the transaction after those are passed.
 */
uint64_t sql_capture_queue_pass(struct sql_capture_queue *queue, int64_t low,
                                void (*pass)(void *arg, const uint64_t marks[SQL_CAPTURE_MARKS]), void *arg);
/* All that was read is passed, and the log was read further: pass() may get `advanced_marks`. */
bool sql_capture_queue_is_idle(const struct sql_capture_queue *queue);

#endif
