/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/gaps.h - how far an outbox was read, and which ids below that may still come
 *
 * Ids are drawn at insert and become visible at commit. The tracker keeps `hi`, the highest id seen, and the holes:
 * ranges of ids below it that were not seen. A claim is one statement, so one snapshot, that reads
 *
 *     id > hi  or  id in a hole    order by id    limit n
 *
 * and every result is handed to accept(). Whatever is visible is then either given or will be found by a later claim;
 * and since a snapshot that shows an event shows those that it depends on, order per key holds as well.
 *
 * FORGETTING. Most holes are rolled-back transactions and stay empty for ever. An id was drawn before a higher one
 * was seen, by a transaction that holds a lock on the table from before the draw until its end. So who holds such a
 * lock at some moment after the hole was noted are all that can ever fill it. prove() is told of them. A holder that
 * has no transaction id yet is followed until it ends or gets one; then the hole's fillers are known to lie in a
 * range of transaction ids, and the first claim whose snapshot has none of them in progress has seen all that there
 * will be. A snapshot's xmax alone is no such bound: transactions that have an id but no later one has ended are at
 * or above it. docs/decisions/ tells more.
 *
 * HOT AND COLD. A transaction that stays open for long keeps holes open, thousands of them beside many rollbacks. To
 * keep claims at a flat cost, proven holes of some age go cold: they are left out of the claim, and the transactions
 * that could fill them are remembered ("watched"). If accept() finds that one of these has ended, it takes nothing
 * in and asks for the same claim again with the cold holes in it. So nothing is given out of a snapshot that could
 * show a row of a cold hole.
 *
 * Pure: no I/O, no clock. Errors: no memory (the tracker is then as it was), and results that no claim can have.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_GAPS_H
#define OBX_BACKENDS_SQL_GAPS_GAPS_H

#include "sql/gaps/ranges.h"

enum obx_sql_proof { OBX_SQL_UNPROVEN = 0, OBX_SQL_PROVING, OBX_SQL_PROVEN };

struct obx_sql_gap {
    int64_t lo;
    int64_t hi;
    uint64_t noted_ns;
    uint64_t first; /* once proven, only the transactions first .. bound - 1 can fill it */
    uint64_t bound;
    uint32_t proof; /* enum obx_sql_proof */
};

/* A snapshot as Postgres shows it: ended below xmin, not ended from xmax on, and in between ended but for `active`. */
struct obx_sql_snapshot {
    uint64_t xmin;
    uint64_t xmax;
    const uint64_t *active; /* ascending */
    uint32_t active_count;
};

/* A transaction that holds a writer's lock on the table; once for each of its ids, if it has subtransactions. */
struct obx_sql_holder {
    uint64_t name; /* any that is never used again for another transaction */
    uint64_t xid;  /* 0: none yet */
    /* Not 0: a session. Its transaction may go on under one other name, the next above that any of the session bears:
     * MySQL gives a transaction's locks another event when it is prepared. */
    uint64_t session;
};

/* A holder that had no transaction id yet. */
struct obx_sql_followed {
    uint64_t name;
    uint64_t session; /* 0: it keeps its name */
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
    struct obx_sql_gap_list cold; /* not, until a watched transaction ends */
    struct obx_sql_gap_list next; /* scratch: what becomes the hot list */
    struct obx_sql_gap_list move; /* scratch: what goes cold now */

    struct obx_sql_followed *followed;
    uint32_t followed_count;
    uint32_t followed_room;
    bool proving;   /* holes in the state PROVING wait for them */
    uint64_t first; /* the range so far */
    uint64_t bound;

    uint64_t cold_first; /* the union of the ranges of the cold holes */
    uint64_t cold_bound;
    uint64_t *watched; /* transactions in it that were in progress in the last snapshot, ascending */
    uint32_t watched_count;
    uint32_t watched_room;
};

void obx_sql_gaps_init(struct obx_sql_gaps *holes, const struct outbox_host *host, uint64_t cold_after_ns);
void obx_sql_gaps_free(struct obx_sql_gaps *holes);
/* Forget everything: the next claim begins with the first row. */
void obx_sql_gaps_reset(struct obx_sql_gaps *holes);

/* Are there holes for which a look at the locks is due: noted age_ns ago, or waiting for holders that are followed? */
bool obx_sql_gaps_want_proof(const struct obx_sql_gaps *holes, uint64_t now_ns, uint64_t age_ns);
/* Who held a writer's lock on the table at one moment after the last accept() and before the next claim was sent. */
bool obx_sql_gaps_prove(struct obx_sql_gaps *holes, const struct obx_sql_holder *holders, uint32_t count);
/* For databases that show rows of transactions in flight, and nothing better: of the holes noted at before_ns or
 * earlier, keep only these ids (ascending), which were seen to be in flight after the last accept(). */
bool obx_sql_gaps_expire(struct obx_sql_gaps *holes, uint64_t before_ns, const int64_t *flying, uint32_t count);

struct obx_sql_seen {
    const int64_t *ids; /* ascending */
    uint32_t count;
    bool truncated; /* there may be more rows above the last id: nothing is known about what lies there */
    struct obx_sql_snapshot snapshot; /* of the claim */
    uint64_t now_ns;
};

enum obx_sql_accepted {
    OBX_SQL_ACCEPTED = 0,
    OBX_SQL_ASK_AGAIN, /* nothing was taken in; claim again: the cold holes are among the hot ones now */
    OBX_SQL_NO_MEMORY, /* nothing was taken in */
    OBX_SQL_IMPOSSIBLE /* ids not ascending, or not asked for; nothing was taken in */
};
enum obx_sql_accepted obx_sql_gaps_accept(struct obx_sql_gaps *holes, const struct obx_sql_seen *seen);

/* Is this id in a hole, hot or cold? */
bool obx_sql_gaps_contain(const struct obx_sql_gaps *holes, int64_t id);

/* Rows were found below hi that no claim could give: a sequence that was set back, ids written by hand. Make lo .. hi
 * a hole, but for what is one already and what is in `given` (NULL: nothing), which must not be given again. */
bool obx_sql_gaps_reopen(struct obx_sql_gaps *holes, int64_t lo, int64_t hi, uint64_t now_ns,
                         const struct obx_sql_ranges *given);

#endif
