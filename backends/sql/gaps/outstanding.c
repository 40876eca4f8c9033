/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/outstanding.c - the rows that were claimed and are still in the table */
#include "sql/gaps/outstanding.h"

void obx_sql_outstanding_free(struct obx_sql_outstanding *outstanding)
{
    if (outstanding->host)
        obx_sql_ranges_free(outstanding->host, &outstanding->ids);
}

void obx_sql_outstanding_reset(struct obx_sql_outstanding *outstanding)
{
    obx_sql_ranges_clear(&outstanding->ids);
    outstanding->incomplete = false;
}

enum obx_sql_accepted obx_sql_outstanding_accept(struct obx_sql_outstanding *outstanding, struct obx_sql_gaps *gaps,
                                                 const struct obx_sql_seen *seen)
{
    enum obx_sql_accepted accepted = obx_sql_gaps_accept(gaps, seen);
    if (accepted == OBX_SQL_ACCEPTED &&
        !obx_sql_ranges_add_ids(outstanding->host, &outstanding->ids, seen->ids, seen->count))
        outstanding->incomplete = true;
    return accepted;
}

void obx_sql_outstanding_removing(struct obx_sql_outstanding *outstanding)
{
    outstanding->removing++;
}

void obx_sql_outstanding_remove(struct obx_sql_outstanding *outstanding, int64_t lo, int64_t hi)
{
    if (!obx_sql_ranges_remove(outstanding->host, &outstanding->ids, lo, hi))
        outstanding->incomplete = true;
}

void obx_sql_outstanding_removed(struct obx_sql_outstanding *outstanding)
{
    outstanding->removing--;
    outstanding->removals++;
}
