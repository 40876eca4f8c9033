/* backends/sql/given.c - what was given and is still in the table */
#include "sql/given.h"

void obx_sql_given_free(struct obx_sql_given *given)
{
    if (given->host)
        obx_sql_ranges_free(given->host, &given->ids);
}

void obx_sql_given_reset(struct obx_sql_given *given)
{
    obx_sql_ranges_clear(&given->ids);
    given->blind = false;
}

enum obx_sql_accepted obx_sql_given_accept(struct obx_sql_given *given, struct obx_sql_holes *holes,
                                           const struct obx_sql_seen *seen)
{
    enum obx_sql_accepted accepted = obx_sql_holes_accept(holes, seen);
    if (accepted == OBX_SQL_ACCEPTED && !obx_sql_ranges_add_ids(given->host, &given->ids, seen->ids, seen->count))
        given->blind = true;
    return accepted;
}

void obx_sql_given_removing(struct obx_sql_given *given)
{
    given->removing++;
}

void obx_sql_given_remove(struct obx_sql_given *given, int64_t lo, int64_t hi)
{
    if (!obx_sql_ranges_remove(given->host, &given->ids, lo, hi))
        given->blind = true;
}

void obx_sql_given_remove_parked(struct obx_sql_given *given, const struct outbox_park *park)
{
    for (uint32_t i = 0; i < park->count; i++)
        obx_sql_given_remove(given, (int64_t)park->rows[i].position.major, (int64_t)park->rows[i].position.major);
}

void obx_sql_given_removed(struct obx_sql_given *given)
{
    given->removing--;
    given->removals++;
}
