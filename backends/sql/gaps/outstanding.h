/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/outstanding.h - the rows that were claimed, and are neither settled nor dead-lettered
 *
 * They are still in the table, so the stray scan, which searches the table for rows that no claim can find, must know
 * them. If memory for them fails, stray scans are disabled until the next rewind: `incomplete`.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_OUTSTANDING_H
#define OBX_BACKENDS_SQL_GAPS_OUTSTANDING_H

#include "sql/gaps/gaps.h"

struct obx_sql_outstanding {
    const struct outbox_host *host;
    struct obx_sql_ranges ids;
    bool incomplete;   /* there was no memory for all of them */
    uint32_t removing; /* settles and moves to the dead letters in flight */
    uint64_t removals; /* and those that have ended */
};

void obx_sql_outstanding_free(struct obx_sql_outstanding *outstanding);
void obx_sql_outstanding_reset(struct obx_sql_outstanding *outstanding); /* a rewind: no row counts as claimed */

/* obx_sql_gaps_accept(); the rows that it accepts become outstanding. */
enum obx_sql_accepted obx_sql_outstanding_accept(struct obx_sql_outstanding *outstanding, struct obx_sql_gaps *gaps,
                                                 const struct obx_sql_seen *seen);

/* Around each settle and each move to the dead letters: removing(), remove() of the rows that are gone, removed(). */
void obx_sql_outstanding_removing(struct obx_sql_outstanding *outstanding);
void obx_sql_outstanding_remove(struct obx_sql_outstanding *outstanding, int64_t lo, int64_t hi);
void obx_sql_outstanding_removed(struct obx_sql_outstanding *outstanding);

#endif
