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

static struct outbox_value value_at(const struct sql_capture_event *event, uint32_t index)
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
            values[i] = value_at(event, index);
        else if (!strcmp(store->selected[i].name, store->table.id))
            values[i] = (struct outbox_value){.as.integer = (int64_t)event->order, .type = OUTBOX_INT};
        else
            values[i] = (struct outbox_value){.type = OUTBOX_NULL};
    }
    return NULL;
}

/* ---- the spool --------------------------------------------------------------------------------------------------- */

/* As many digits as read back. */
static void append_real(struct obx_sql_text *sql, const struct outbox_value *value)
{
    char text[40];
    snprintf(text, sizeof text, "%.*g", value->size == OUTBOX_FLOAT_SINGLE ? 9 : 17, value->as.real);
    obx_sql_text_puts(sql, text);
}

static void append_value(struct obx_sql_text *sql, const struct outbox_value *value)
{
    const struct outbox_bytes bytes = {value->as.data, value->size};
    switch (value->type) {
    case OUTBOX_TEXT:
        mys_append_string(sql, bytes);
        return;
    case OUTBOX_BYTES:
    case OUTBOX_UUID:
        mys_append_hex(sql, bytes);
        return;
    case OUTBOX_FLOAT:
        append_real(sql, value);
        return;
    case OUTBOX_TIME:
        obx_sql_text_puts(sql, "TIMESTAMPADD(MICROSECOND, ");
        obx_sql_text_int(sql, value->as.integer);
        obx_sql_text_puts(sql, ", TIMESTAMP('1970-01-01'))");
        return;
    case OUTBOX_INT:
    case OUTBOX_BOOL:
        obx_sql_text_int(sql, value->as.integer);
        return;
    default:
        obx_sql_text_puts(sql, "NULL");
        return;
    }
}

static void append_row(const struct mys_capture *capture, struct obx_sql_text *sql,
                       const struct sql_capture_event *event)
{
    obx_sql_text_puts(sql, "(");
    obx_sql_text_int(sql, (int64_t)event->order);
    for (uint32_t i = 0; i < capture->wanted_count; i++) {
        const struct outbox_value value = value_at(event, i);
        if (capture->wanted[i].absent)
            continue;
        obx_sql_text_puts(sql, ", ");
        append_value(sql, &value);
    }
    obx_sql_text_puts(sql, ")");
}

static void append_insert(const struct sql_store *store, struct obx_sql_text *sql)
{
    const struct mys_capture *capture = &mys_store_in(store)->capture;
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " (%n", store->table.id);
    for (uint32_t i = 0; i < capture->wanted_count; i++)
        if (!capture->wanted[i].absent)
            obx_sql_text_format(sql, ", %n", capture->wanted[i].name);
    obx_sql_text_puts(sql, ") VALUES ");
}

/* A row that is there already stays as it is. False: no row of the span is an event. */
static bool append_span(const struct sql_store *store, struct obx_sql_text *sql, const struct outbox_span *span,
                        bool first)
{
    const struct mys_capture *capture = &mys_store_in(store)->capture;
    if (!span->count || !sql_capture_is_event(span->batch))
        return false;
    const struct sql_capture_event *event = sql_capture_event_at(span->batch, span->first);
    if (first)
        append_insert(store, sql);
    for (uint32_t i = 0; i < span->count; i++, event = event->next) {
        obx_sql_text_puts(sql, first && !i ? "" : ", ");
        append_row(capture, sql, event);
    }
    return true;
}

bool mys_put_spool(struct sql_request *request)
{
    struct sql_op *op = sql_op_of(request);
    const struct sql_store *store = op->store;
    const struct outbox_spool *spool = op->in;
    bool any = false;
    mys_append_fence(op, request->sql, NULL);
    for (uint32_t i = 0; i < spool->span_count; i++)
        any |= append_span(store, request->sql, &spool->spans[i], !any);
    if (any)
        obx_sql_text_format(request->sql, " ON DUPLICATE KEY UPDATE %n = %n; ", store->table.id, store->table.id);
    obx_sql_text_puts(request->sql, "COMMIT");
    return true;
}
