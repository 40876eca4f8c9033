/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/values.c - an event of the log as the values that the route needs
 *
 * A value has the type that polling gives for the column of the table. A column that an event does not have is null.
 */
#include <string.h>

#include "../store.h"

static uint8_t part_of(const struct sql_store *store, const struct sql_selected *selected)
{
    const char *logical = obx_sql_logical(&store->column_names, selected->name);
    for (uint8_t i = 0; logical && i < PG_PARTS; i++)
        if (!strcmp(logical, obx_sql_columns[i]))
            return i;
    return PG_PARTS;
}

bool pg_capture_choose_parts(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    store->sql.host->release(store->sql.host, capture->parts);
    capture->parts = store->sql.host->alloc(store->sql.host, store->sql.selected_count + 1);
    if (!capture->parts)
        return false;
    for (uint32_t i = 0; i < store->sql.selected_count; i++)
        capture->parts[i] = part_of(&store->sql, &store->sql.selected[i]);
    return true;
}

static struct outbox_value value_of(const struct pg_envelope *envelope, uint8_t part, int encoding)
{
    if (part == PG_PART_CREATED_AT)
        return (struct outbox_value){.as.integer = envelope->created_us, .type = OUTBOX_TIME};
    if (part >= PG_PART_CREATED_AT || !envelope->parts[part].data)
        return (struct outbox_value){.type = OUTBOX_NULL};
    return (struct outbox_value){.as.data = envelope->parts[part].data,
                                 .size = (uint32_t)envelope->parts[part].size,
                                 .type = part == PG_PART_EVENT_ID  ? OUTBOX_UUID
                                         : encoding == PG_AS_BYTES ? OUTBOX_BYTES
                                                                   : OUTBOX_TEXT};
}

const char *pg_capture_decode(const struct sql_store *store, const struct sql_capture_event *event,
                              struct outbox_value *values)
{
    const uint8_t *parts = pg_store_in(store)->capture.parts;
    struct pg_envelope envelope;
    const char *why = pg_envelope_read(event->data, event->size, &envelope);
    for (uint32_t i = 0; i < store->selected_count; i++)
        if (why)
            values[i] = (struct outbox_value){.type = OUTBOX_NULL};
        else
            values[i] = value_of(&envelope, parts[i], store->selected[i].encoding);
    return why;
}
