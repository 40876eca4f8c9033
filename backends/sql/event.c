/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/event.c - an event as the columns that it is inserted into */
#include "sql/event.h"

#include <outbox/plugin_util.h>

struct outbox_bytes obx_sql_field(const struct outbox_event *event, int index)
{
    const struct outbox_bytes all[OBX_SQL_FIELDS] = {event->event_id, event->aggregate_type, event->aggregate_id,
                                                     event->type,     event->payload,        event->headers};
    return all[index];
}

bool obx_sql_field_required(int index)
{
    return index != OBX_SQL_FIELD_ID && index != OBX_SQL_FIELD_HEADERS;
}

int obx_sql_add_validate(const struct outbox_add *add, struct outbox_error *error)
{
    for (uint32_t e = 0; e < add->count; e++)
        for (int i = 1; i < 4; i++)
            if (!obx_sql_field(add->events[e], i).data)
                return outbox_error_set(error, OUTBOX_E_INVALID, "add event %u: %s is missing; every event needs one",
                                        e + 1, obx_sql_columns[i]);
    return OUTBOX_OK;
}
