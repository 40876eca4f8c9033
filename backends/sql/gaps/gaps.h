/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/gaps.h - tracks how far an outbox was read, and which lower ids may still appear
 *
 * Ids are drawn at insert and become visible at commit. The tracker keeps `hi`, the highest id seen, and the gaps:
 * ranges of ids below it that were not seen. A claim is one statement, so one snapshot, that reads
 *
 *     id > hi  or  id in a gap    order by id    limit n
 *
 * and accept() processes every result. A visible row is then either claimed, or a later claim finds it. A snapshot that
 * shows an event also shows the events that it depends on: so order per key holds as well.
 *
 * RETIRING. Most gaps are rolled-back transactions and stay empty. An id was drawn before a higher one was seen, by a
 * transaction that holds a lock on the table from before the draw until its end. Only transactions holding that lock at
 * some later moment can fill the gap: resolve() gets these writers. A writer without a transaction id is tracked until
 * it ends or gets one. Then the writers that can fill the gap lie in a range of transaction ids. The first claim whose
 * snapshot has none of them in progress has seen all rows of the gap. A snapshot's xmax alone is no such bound: a
 * transaction that has an id is at or above it while no later one has ended. See docs/decisions/010.
 *
 * HOT AND COLD. A transaction that stays open for long keeps gaps open, thousands of them where many others roll back.
 * To keep the cost of claims flat, resolved gaps of some age go cold: claims leave them out, and the tracker remembers
 * the transactions that could fill them (cold_writers). When one of these has ended, accept() discards the result and
 * requires the same claim again, with the cold gaps in it. So no row is claimed from a snapshot that could show a row
 * of a cold gap.
 *
 * Pure: no I/O, no clock. Errors: no memory (the tracker stays unchanged), and results that no claim can have.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_GAPS_H
#define OBX_BACKENDS_SQL_GAPS_GAPS_H

#include "sql/gaps/ranges.h"

enum obx_sql_resolution { OBX_SQL_UNRESOLVED = 0, OBX_SQL_RESOLVING, OBX_SQL_RESOLVED };

struct obx_sql_gap {
    int64_t lo;
    int64_t hi;
    uint64_t noted_ns;
    uint64_t first; /* once resolved, only the transactions first .. bound - 1 can fill it */
    uint64_t bound;
    uint32_t resolution; /* enum obx_sql_resolution */
};

/* A snapshot as Postgres shows it: ended below xmin, not ended from xmax on, and in between ended but for `active`. */
struct obx_sql_snapshot {
    uint64_t xmin;
    uint64_t xmax;
    const uint64_t *active; /* ascending */
    uint32_t active_count;
};

/* A transaction that holds a writer's lock on the table; once for each of its ids, if it has subtransactions. */
struct obx_sql_writer {
    uint64_t name; /* any number that no other transaction uses later */
    uint64_t xid;  /* 0: none yet */
    /* Not 0: a session. Its transaction may continue under one other name, the session's next higher one: when a
     * transaction is prepared, MySQL gives its locks another event. */
    uint64_t session;
};

/* A writer that had no transaction id yet. */
struct obx_sql_tracked_writer {
    uint64_t name;
    uint64_t session; /* 0: its name does not change */
};

struct obx_sql_gap_list {
    struct obx_sql_gap *items; /* ascending, apart */
    uint32_t count;
    uint32_t room;
};

struct obx_sql_gaps {
    const struct outbox_host *host;
    int64_t hi;
    uint64_t cold_after_ns;
    struct obx_sql_gap_list hot;  /* in every claim */
    struct obx_sql_gap_list cold; /* in none, until a cold writer ends */
    struct obx_sql_gap_list next; /* scratch: what becomes the hot list */
    struct obx_sql_gap_list move; /* scratch: what goes cold now */

    struct obx_sql_tracked_writer *tracked;
    uint32_t tracked_count;
    uint32_t tracked_room;
    bool resolving; /* gaps in the state RESOLVING wait for them */
    uint64_t first; /* the range so far */
    uint64_t bound;

    uint64_t cold_first; /* the union of the ranges of the cold gaps */
    uint64_t cold_bound;
    uint64_t *cold_writers; /* transactions in it that were in progress in the last snapshot, ascending */
    uint32_t cold_writer_count;
    uint32_t cold_writer_room;
};

void obx_sql_gaps_init(struct obx_sql_gaps *gaps, const struct outbox_host *host, uint64_t cold_after_ns);
void obx_sql_gaps_free(struct obx_sql_gaps *gaps);
/* Forget all gaps: the next claim begins with the first row. */
void obx_sql_gaps_reset(struct obx_sql_gaps *gaps);

/* Are there gaps that need an inspection of the writers: noted age_ns ago, or waiting for tracked writers? */
bool obx_sql_gaps_resolution_due(const struct obx_sql_gaps *gaps, uint64_t now_ns, uint64_t age_ns);
/* writers: all that held a writer's lock on the table at one moment between the last accept() and the next claim. */
bool obx_sql_gaps_resolve(struct obx_sql_gaps *gaps, const struct obx_sql_writer *writers, uint32_t count);
/* For databases that show only the rows of open transactions: of the gaps noted at before_ns or earlier, keep only
 * these ids (ascending). They were read after the last accept(). */
bool obx_sql_gaps_expire(struct obx_sql_gaps *gaps, uint64_t before_ns, const int64_t *in_flight, uint32_t count);

struct obx_sql_seen {
    const int64_t *ids; /* ascending */
    uint32_t count;
    bool truncated; /* there may be more rows above the last id: nothing is known about what lies there */
    struct obx_sql_snapshot snapshot; /* of the claim */
    uint64_t now_ns;
};

enum obx_sql_accepted {
    OBX_SQL_ACCEPTED = 0,
    OBX_SQL_ASK_AGAIN, /* the result was discarded; claim again: the cold gaps are hot now */
    OBX_SQL_NO_MEMORY, /* the result was discarded */
    OBX_SQL_IMPOSSIBLE /* ids not ascending, or outside the claim; the result was discarded */
};
enum obx_sql_accepted obx_sql_gaps_accept(struct obx_sql_gaps *gaps, const struct obx_sql_seen *seen);

/* Is this id in a gap, hot or cold? */
bool obx_sql_gaps_contain(const struct obx_sql_gaps *gaps, int64_t id);

/* No row that was not claimed yet has a lower id, unless somebody chose it, or set the counter back. */
int64_t obx_sql_gaps_floor(const struct obx_sql_gaps *gaps);

/* The ids start again from below: no row above `hi` is in the table, or outstanding, and claims are to read from there
 * once more. */
void obx_sql_gaps_lower(struct obx_sql_gaps *gaps, int64_t hi);

/* Rows were found below hi that no claim could return: a sequence was set back, or ids were chosen by hand. Makes lo ..
 * hi a gap, except ids that are in one already, and those in `outstanding` (NULL: none), which must not be claimed
 * again. */
bool obx_sql_gaps_reopen(struct obx_sql_gaps *gaps, int64_t lo, int64_t hi, uint64_t now_ns,
                         const struct obx_sql_ranges *outstanding);

#endif
