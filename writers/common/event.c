/* SPDX-License-Identifier: Apache-2.0 */
/* writers/common/event.c - see event.h */
#include "event.h"

#include <stdio.h>

#include <outbox/plugin_util.h>

#include "json_object.h"

const char *const obx_event_columns[EVENT_COLUMNS] = {"event_id", "aggregatetype", "aggregateid",
                                                      "type",     "payload",       "headers"};

struct outbox_bytes obx_event_value(const struct outbox_event *event, int column)
{
    const struct outbox_bytes all[EVENT_COLUMNS] = {event->event_id, event->aggregate_type, event->aggregate_id,
                                                    event->type,     event->payload,        event->headers};
    return all[column];
}

bool obx_event_has(const struct outbox_event *event, int column)
{
    return column == EVENT_PAYLOAD || obx_event_value(event, column).data;
}

static int check_headers(struct outbox_bytes headers, const char *what, struct outbox_error *error)
{
    size_t offset;
    const char *wrong = headers.data ? obx_json_object_error(headers, &offset) : NULL;
    if (!wrong)
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_INVALID,
                            "%s: headers: %s, at byte %zu; they must be a JSON object, or null", what, wrong, offset);
}

int obx_event_check(const struct outbox_event *event, const char *what, struct outbox_error *error)
{
    if (!event)
        return outbox_error_set(error, OUTBOX_E_INVALID, "%s: event is NULL", what);
    if (event->struct_size < sizeof *event)
        return outbox_error_set(error, OUTBOX_E_INVALID,
                                "%s: struct_size of the event is %u; set it to sizeof(struct outbox_event)", what,
                                event->struct_size);
    for (int i = EVENT_AGGREGATE_TYPE; i <= EVENT_TYPE; i++) {
        if (!obx_event_value(event, i).data)
            return outbox_error_set(error, OUTBOX_E_INVALID, "%s: %s is missing; every event needs one", what,
                                    obx_event_columns[i]);
    }
    return check_headers(event->headers, what, error);
}

struct obx_event_what obx_event_what_of(const char *table, uint32_t index)
{
    struct obx_event_what what;
    snprintf(what.text, sizeof what.text, "add event %u to %.*s", index + 1, OUTBOX_CUT(table, 70));
    return what;
}

struct obx_event_what obx_event_what(const char *table)
{
    struct obx_event_what what;
    snprintf(what.text, sizeof what.text, "add an event to %.*s", OUTBOX_CUT(table, 70));
    return what;
}
