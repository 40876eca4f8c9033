/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/refused.h - remove rows, prove that they are gone, and remember those that the database refuses to
 * remove
 *
 * A trigger on delete may raise an error for one row, or keep the row without an error. lite_remove() then removes the
 * other rows of the range, by bisection, and records the row. A recorded row was published; claims leave it out, and
 * lite_refused_retry() tries to remove it again, after 5 s at first and every 60 s later.
 *
 * A removal is proven by the count of changes, which costs nothing: as many rows as ids, and no change by a trigger.
 * Where the counts differ, the rows that remain are counted.
 *
 * Failure modes: with more than LITE_REFUSED_MAX recorded rows the removal fails, with AGAIN; a trigger that rolls the
 * transaction back is reported by LITE_ROLLED_BACK. WRITE lane.
 */
#ifndef OBX_BACKENDS_SQLITE_REFUSED_H
#define OBX_BACKENDS_SQLITE_REFUSED_H

#include "conn.h"
#include "sql/gaps/ranges.h"

enum { LITE_REFUSED_MAX = 1000 };

struct lite_refused {
    struct obx_sql_ranges ids;
    struct obx_sql_ranges gone; /* removed by the last retry, which is not committed yet */
    char reason[200];           /* "row 17: ...", the last one */
    uint64_t retry_at_ns, pause_ns;
    uint64_t log_at_ns;
    struct outbox_position *positions; /* owned: of ids, as the last settle reported them */
    uint32_t room;
};

enum lite_removal {
    LITE_REMOVED,       /* all are gone but those recorded */
    LITE_REMOVE_FAILED, /* error is filled */
    LITE_ROLLED_BACK    /* a trigger has ended the transaction: nothing was removed, and nothing recorded */
};

/* In a transaction. */
enum lite_removal lite_remove(struct lite_refused *refused, struct lite_conn *conn, int64_t low, int64_t high,
                              const char *what, struct outbox_error *error);
/* Is the failure that SQLite reported last one of a row, and not of the database? */
bool lite_is_row_failure(const struct lite_conn *conn);
/* One row. False: it is still there, `why` has the reason, and the transaction may have ended. Records nothing. */
bool lite_remove_row(struct lite_conn *conn, int64_t id, char *why, size_t size);
bool lite_refused_add(struct lite_refused *refused, struct lite_conn *conn, int64_t id, const char *why,
                      const char *what, struct outbox_error *error);

uint64_t lite_refused_count(const struct lite_refused *refused);
/* Fills refused->positions, ascending. Gives how many; without memory none. */
uint32_t lite_refused_list(struct lite_refused *refused, const struct outbox_host *host);
bool lite_refused_is_due(const struct lite_refused *refused, uint64_t now);
/* In a transaction: try each recorded row once more. */
enum lite_removal lite_refused_retry(struct lite_refused *refused, struct lite_conn *conn);
/* The transaction of the retry was committed. False: no memory; the rows that are gone stay recorded. */
bool lite_refused_retried(struct lite_refused *refused, const struct outbox_host *host);
void lite_refused_clear(struct lite_refused *refused);
void lite_refused_fini(struct lite_refused *refused, const struct outbox_host *host);
/* A warning that names a row, at most once a minute. */
void lite_refused_log(struct lite_refused *refused, const struct lite_conn *conn);

#endif
