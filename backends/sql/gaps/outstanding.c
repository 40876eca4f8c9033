/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/outstanding.c - what was given and is still in the table */
#include "sql/gaps/outstanding.h"

void obx_sql_outstanding_free(struct obx_sql_outstanding *given)
{
    if (given->host)
        obx_sql_ranges_free(given->host, &given->ids);
}

void obx_sql_outstanding_reset(struct obx_sql_outstanding *given)
{
    obx_sql_ranges_clear(&given->ids);
    given->blind = false;
}

enum obx_sql_accepted obx_sql_outstanding_accept(struct obx_sql_outstanding *given, struct obx_sql_gaps *holes,
                                                 const struct obx_sql_seen *seen)
{
    enum obx_sql_accepted accepted = obx_sql_gaps_accept(holes, seen);
    if (accepted == OBX_SQL_ACCEPTED && !obx_sql_ranges_add_ids(given->host, &given->ids, seen->ids, seen->count))
        given->blind = true;
    return accepted;
}

void obx_sql_outstanding_removing(struct obx_sql_outstanding *given)
{
    given->removing++;
}

void obx_sql_outstanding_remove(struct obx_sql_outstanding *given, int64_t lo, int64_t hi)
{
    if (!obx_sql_ranges_remove(given->host, &given->ids, lo, hi))
        given->blind = true;
}

void obx_sql_outstanding_remove_parked(struct obx_sql_outstanding *given, const struct outbox_dead_letter_rows *park)
{
    for (uint32_t i = 0; i < park->count; i++)
        obx_sql_outstanding_remove(given, (int64_t)park->rows[i].position.major, (int64_t)park->rows[i].position.major);
}

void obx_sql_outstanding_removed(struct obx_sql_outstanding *given)
{
    given->removing--;
    given->removals++;
}
