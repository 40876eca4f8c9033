/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/event.c - an event in memory: the values of a row, and the bytes that they point to
 *
 * The values come first, with offsets in place of pointers. Decoding copies the selected ones and nothing else.
 */
#include <string.h>

#include "mysql/store.h"

static bool has_bytes(const struct outbox_value *value)
{
    return value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES || value->type == OUTBOX_UUID;
}

struct sql_capture_event *mys_event_new(struct sql_capture_memory *memory, const struct outbox_value *values,
                                        uint32_t count)
{
    size_t size = count * sizeof *values;
    for (uint32_t i = 0; i < count; i++)
        size += has_bytes(&values[i]) ? values[i].size : 0;
    struct sql_capture_event *event = size < UINT32_MAX ? sql_capture_event_new(memory, (uint32_t)size) : NULL;
    if (!event)
        return NULL;
    struct outbox_value *kept = (struct outbox_value *)(void *)event->data;
    uintptr_t at = count * sizeof *values;
    memcpy(kept, values, count * sizeof *values);
    for (uint32_t i = 0; i < count; i++) {
        if (!has_bytes(&values[i]))
            continue;
        memcpy(event->data + at, values[i].as.data, values[i].size);
        kept[i].as.data = (const void *)at;
        at += values[i].size;
    }
    return event;
}

struct outbox_value mys_event_value(const struct sql_capture_event *event, uint32_t index)
{
    struct outbox_value value = ((const struct outbox_value *)(const void *)event->data)[index];
    if (has_bytes(&value))
        value.as.data = event->data + (uintptr_t)value.as.data;
    return value;
}

/* The id of an event is its number: that of the captured table, if it has one, orders nothing. */
const char *mys_event_decode(const struct sql_store *store, const struct sql_capture_event *event,
                             struct outbox_value *values)
{
    const struct mys_capture *capture = &mys_store_in(store)->capture;
    for (uint32_t i = 0; i < store->selected_count; i++) {
        uint16_t index = capture->selected[i];
        if (index != MYS_NOT_WANTED)
            values[i] = mys_event_value(event, index);
        else if (!strcmp(store->selected[i].name, store->table.id))
            values[i] = (struct outbox_value){.as.integer = (int64_t)event->order, .type = OUTBOX_INT};
        else
            values[i] = (struct outbox_value){.type = OUTBOX_NULL};
    }
    return NULL;
}
