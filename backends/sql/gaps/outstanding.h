/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/outstanding.h - the rows that were given, and are neither settled nor parked
 *
 * They are still in the table, so whoever looks there for rows that no claim can find (sql/sweep.h) has to know them.
 * Without memory for all of them there is nothing to compare a table with, until the next rewind: `blind`.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_OUTSTANDING_H
#define OBX_BACKENDS_SQL_GAPS_OUTSTANDING_H

#include "sql/gaps/gaps.h"

struct obx_sql_outstanding {
    const struct outbox_host *host;
    struct obx_sql_ranges ids;
    bool blind;        /* there was no memory for all of them */
    uint32_t removing; /* settles and parks in flight */
    uint64_t removals; /* and those that have ended */
};

void obx_sql_outstanding_free(struct obx_sql_outstanding *given);
void obx_sql_outstanding_reset(struct obx_sql_outstanding *given); /* a rewind: nothing counts as given */

/* obx_sql_gaps_accept(); what it takes in is given. */
enum obx_sql_accepted obx_sql_outstanding_accept(struct obx_sql_outstanding *given, struct obx_sql_gaps *holes,
                                                 const struct obx_sql_seen *seen);

/* Around each settle and park. What is gone by then is said before the end. */
void obx_sql_outstanding_removing(struct obx_sql_outstanding *given);
void obx_sql_outstanding_remove(struct obx_sql_outstanding *given, int64_t lo, int64_t hi);
void obx_sql_outstanding_remove_parked(struct obx_sql_outstanding *given, const struct outbox_dead_letter_rows *park);
void obx_sql_outstanding_removed(struct obx_sql_outstanding *given);

#endif
