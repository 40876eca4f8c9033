/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/rows.c - an inserted row, as pgoutput sends it -> an event with the envelope of envelope.h
 *
 * Values are texts as the server prints them, with the settings of dsn.c. Copies that this store has inserted, whose
 * ids are numbers of events, are left out. Columns that have no part in the envelope are not read: a route that needs
 * one is refused when the reading begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../store.h"

enum { ID = PG_PARTS, VALUES = PG_ROW_VALUES };
#define PG_BASE_UUID "2950"
#define PG_BASE_TIMESTAMP "1114"
#define PG_BASE_TIMESTAMPTZ "1184"

bool pg_row_has_base(const struct pg_store *store, int part, const char *base)
{
    const struct sql_column *column = sql_column_of(&store->sql, obx_sql_columns[part]);
    return column && !strcmp(column->base, base);
}

const char *pg_rows_refusal(const struct pg_store *store)
{
    if (!pg_row_has_base(store, PG_PART_EVENT_ID, PG_BASE_UUID))
        return "its event id is no uuid";
    if (sql_column_of(&store->sql, "created_at") && !pg_row_has_base(store, PG_PART_CREATED_AT, PG_BASE_TIMESTAMP) &&
        !pg_row_has_base(store, PG_PART_CREATED_AT, PG_BASE_TIMESTAMPTZ))
        return "its created_at is neither timestamptz nor timestamp";
    for (uint32_t i = 0; i < store->sql.selected_count; i++) {
        if (store->capture.parts[i] == PG_PARTS)
            return "the route needs a column that is none of the eight of an outbox";
        const struct sql_column *column = sql_column_of(&store->sql, obx_sql_columns[store->capture.parts[i]]);
        if (column && column->generated) /* a table of Debezium lacks some */
            return "the route needs a generated column, which the log does not have";
    }
    return NULL;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* 'N', and of each column 'n' or 't', its size, its text. */
static void read_values(const struct pg_row_columns *columns, struct pg_message *message, struct outbox_bytes *values)
{
    pg_message_int(message, 1);
    unsigned count = (unsigned)pg_message_int(message, 2);
    for (unsigned i = 0; i < count; i++) {
        struct outbox_bytes value = {0};
        uint64_t kind = pg_message_int(message, 1);
        if (kind == 't')
            value = pg_message_bytes(message, (size_t)pg_message_int(message, 4));
        else if (kind != 'n')
            message->failed = true;
        for (int v = 0; v < VALUES; v++)
            if (columns->of[v] == (int)i)
                values[v] = value;
    }
}

/* ---- texts -> parts ---------------------------------------------------------------------------------------------- */

static int digit(unsigned char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "6f", hyphens between bytes are left out. False: there are not exactly so many bytes. */
static bool read_hex(struct outbox_bytes text, unsigned char *to, size_t size)
{
    const unsigned char *at = text.data, *end = at + text.size;
    while (size && end - at >= 2) {
        int high = digit(at[0]), low = digit(at[1]);
        if (*at == '-') {
            at++;
            continue;
        }
        if (high < 0 || low < 0)
            return false;
        *to++ = (unsigned char)(high << 4 | low);
        at += 2;
        size--;
    }
    return !size && at == end;
}

/* "2026-11-29 20:15:00.123456+00": microseconds since 2000-01-01. */
static bool read_time(struct outbox_bytes text, int64_t *us)
{
    struct tm t = {0};
    char copy[40];
    int used = 0;
    int64_t fraction = 0, unit = 1000000;
    if (text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    /* NOLINTNEXTLINE(cert-err34-c): the server prints numbers that fit */
    if (sscanf(copy, "%d-%d-%d %d:%d:%d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec,
               &used) != 6)
        return false;
    t.tm_year -= 1900;
    t.tm_mon--;
    for (const char *at = copy + used; copy[used] == '.' && at[1] >= '0' && at[1] <= '9'; at++)
        fraction += (at[1] - '0') * (unit /= 10);
    *us = (int64_t)timegm(&t) * 1000000 + fraction - PG_ENVELOPE_EPOCH_US;
    return true;
}

static bool is_bytea(const struct pg_store *store, int part)
{
    return store->capture.logical.columns.bytea[part];
}

/* "\x6f6b" */
static bool is_hex(struct outbox_bytes value)
{
    return value.size >= 2 && value.size % 2 == 0 && !memcmp(value.data, "\\x", 2);
}

static size_t size_of(const struct pg_store *store, int part, struct outbox_bytes value)
{
    return is_bytea(store, part) && value.size >= 2 ? (value.size - 2) / 2 : value.size;
}

/* ---- the envelope ------------------------------------------------------------------------------------------------ */

static const struct {
    uint8_t part, null_flag;
} sized[] = {{PG_PART_AGGREGATE_TYPE, PG_ENVELOPE_NO_AGGREGATE_TYPE},
             {PG_PART_AGGREGATE_ID, PG_ENVELOPE_NO_AGGREGATE_ID},
             {PG_PART_TYPE, PG_ENVELOPE_NO_TYPE},
             {PG_PART_HEADERS, PG_ENVELOPE_NO_HEADERS},
             {PG_PART_PAYLOAD, PG_ENVELOPE_NO_PAYLOAD}}; /* whose size is the rest */
enum { SIZED = sizeof sized / sizeof *sized };

/* NULL: the value of a bytea column is no hex. */
static unsigned char *put_part(const struct pg_store *store, int part, struct outbox_bytes value, unsigned char *at)
{
    size_t size = size_of(store, part, value);
    if (part != PG_PART_PAYLOAD) {
        for (int shift = 24; shift >= 0; shift -= 8)
            *at++ = (unsigned char)(size >> shift);
    }
    if (!is_bytea(store, part) || !value.data)
        memcpy(at, value.data ? value.data : "", size);
    else if (!is_hex(value) || !read_hex((struct outbox_bytes){(const char *)value.data + 2, value.size - 2}, at, size))
        return NULL;
    return at + size;
}

static const char *put_envelope(const struct pg_store *store, const struct outbox_bytes *values, unsigned char *data)
{
    struct outbox_bytes id = values[PG_PART_EVENT_ID], created = values[PG_PART_CREATED_AT];
    int64_t us = store->capture.logical.committed_us;
    unsigned char *at = data + PG_ENVELOPE_HEAD;
    data[0] = PG_ENVELOPE_VERSION;
    data[1] = 0;
    if (!id.data || !read_hex(id, data + 2, 16))
        return "the event id of a row is null";
    if (created.data && !read_time(created, &us))
        return "the time of a row cannot be read";
    pg_put_int8((char *)data + 18, (uint64_t)us);
    for (int i = 0; i < SIZED; i++) {
        data[1] |= values[sized[i].part].data ? 0 : sized[i].null_flag;
        at = put_part(store, sized[i].part, values[sized[i].part], at);
        if (!at)
            return "a value of a bytea column is no hex: the column had another type when the row was written";
    }
    return NULL;
}

static bool is_copy(struct outbox_bytes id)
{
    char text[24] = "";
    memcpy(text, id.data, id.size < sizeof text ? id.size : sizeof text - 1);
    return strtoll(text, NULL, 10) > SQL_CAPTURE_BASE;
}

struct sql_capture_event *pg_row_insert(struct pg_store *store, struct pg_message *message, const char **why)
{
    const struct pg_row_columns *columns = &store->capture.logical.columns;
    struct outbox_bytes values[VALUES] = {{0}};
    size_t size = PG_ENVELOPE_HEAD + (size_t)(SIZED - 1) * 4;
    uint32_t relation = (uint32_t)pg_message_int(message, 4);
    *why = NULL;
    if (!store->capture_rows || !relation || relation != columns->relation)
        return NULL;
    read_values(columns, message, values);
    if (message->failed)
        return NULL;
    if (values[ID].data && is_copy(values[ID]))
        return NULL;
    if (*columns->refusal)
        *why = columns->refusal;
    else if (!values[ID].data)
        *why = "a row has no id: the publication must have all columns of the table";
    if (*why)
        return NULL;
    for (int i = 0; i < SIZED; i++)
        size += size_of(store, sized[i].part, values[sized[i].part]);
    struct sql_capture_event *event = sql_capture_event_new(&store->sql.capture.queue.memory, (uint32_t)size);
    if (!event)
        pg_capture_no_memory(store);
    else if ((*why = put_envelope(store, values, event->data))) {
        sql_capture_event_drop(&store->sql.capture.queue.memory, event);
        return NULL;
    }
    return event;
}
