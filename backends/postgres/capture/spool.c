/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/spool.c - events of the log as rows of the table: one statement over arrays
 *
 * The ids are the numbers of the events. Each part goes into the column that the configuration names, cast to its type;
 * a column that the table does not have is left out. All names are qualified: the application's triggers are fired.
 *
 * What the table refuses nevertheless, such as a second row with a value of a unique key, is a dead letter.
 */
#include <stdio.h>
#include <string.h>

#include "../store.h"

enum { ARRAYS = 1 + PG_PARTS, REASON = ARRAYS }; /* the ids, and the parts; of a dead letter the reason, too */

static const struct sql_column *column_of(const struct sql_store *store, int part)
{
    return sql_column_of(store, obx_sql_columns[part]);
}

static bool is_bytea(const struct sql_store *store, int part)
{
    const struct sql_column *column = column_of(store, part);
    return column && !strcmp(column->base, PG_BASE_BYTEA);
}

static uint32_t array_type(const struct sql_store *store, int part)
{
    return part == PG_PART_CREATED_AT ? PG_OID_INT8 : is_bytea(store, part) ? PG_OID_BYTEA : PG_OID_TEXT;
}

static void append_value(const struct sql_store *store, int part, struct obx_sql_text *sql)
{
    if (part == PG_PART_CREATED_AT)
        obx_sql_text_puts(sql, "('1970-01-01 00:00:00+00'::pg_catalog.timestamptz OPERATOR(pg_catalog.+) "
                               "(e.f6 OPERATOR(pg_catalog.*) '1 microsecond'::pg_catalog.interval))");
    else
        obx_sql_text_format(sql, "e.f%d", part);
    obx_sql_text_puts(sql, "::");
    pg_append_type(sql, column_of(store, part)->type);
}

/* dead: the columns have the logical names. */
static void append_columns(const struct sql_store *store, struct obx_sql_text *sql, bool dead)
{
    for (int i = 0; i < PG_PARTS; i++)
        if (column_of(store, i))
            obx_sql_text_format(sql, ", %n", dead ? obx_sql_columns[i] : column_of(store, i)->name);
}

static void append_values(const struct sql_store *store, struct obx_sql_text *sql)
{
    for (int i = 0; i < PG_PARTS; i++)
        if (column_of(store, i)) {
            obx_sql_text_puts(sql, ", ");
            append_value(store, i, sql);
        }
}

static void append_arrays(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, " FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.int8[])");
    for (int i = 0; i < PG_PARTS; i++)
        obx_sql_text_format(sql, ", pg_catalog.unnest($%d::pg_catalog.%s)", i + 2,
                            i == PG_PART_CREATED_AT ? "int8[]"
                            : is_bytea(store, i)    ? "bytea[]"
                                                    : "text[]");
}

static void append_insert(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " (%n", store->table.id);
    append_columns(store, sql, false);
    obx_sql_text_format(sql, ")%s SELECT e.id", store->driver->insert_as_given);
    append_values(store, sql);
    append_arrays(store, sql);
    /* A copy that is there stays. Any other conflict is an error: the position must not pass an event without a copy.
     */
    obx_sql_text_puts(sql, ") e(id, f0, f1, f2, f3, f4, f5, f6) WHERE NOT EXISTS (SELECT 1 FROM ");
    sql_append_outbox(store, sql);
    obx_sql_text_format(sql, " t WHERE t.%n OPERATOR(pg_catalog.=) e.id)", store->table.id);
}

/* Once: the dead letter may have been committed, and the answer lost. */
static void append_dead(const struct sql_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "INSERT INTO ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, " (outbox_id, topic, reason, attempts");
    append_columns(store, sql, true);
    obx_sql_text_puts(sql, ") SELECT e.id, '', e.reason, 0");
    append_values(store, sql);
    append_arrays(store, sql);
    obx_sql_text_puts(sql,
                      ", pg_catalog.unnest($9::pg_catalog.text[])) e(id, f0, f1, f2, f3, f4, f5, f6, reason) WHERE "
                      "NOT EXISTS (SELECT 1 FROM ");
    sql_append_dead(store, sql);
    obx_sql_text_puts(sql, " d WHERE d.outbox_id OPERATOR(pg_catalog.=) e.id)");
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

static struct outbox_bytes uuid_text(const unsigned char *id, char text[37])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[id[i] >> 4];
        *at++ = digits[id[i] & 15];
    }
    *at = '\0';
    return (struct outbox_bytes){text, 36};
}

/* A message that is no event: kept as it is. */
static struct pg_envelope unreadable(const struct sql_capture_event *event)
{
    static const unsigned char id[16];
    static const char name[] = "outbox.unreadable";
    const struct outbox_bytes text = {name, sizeof name - 1};
    return (struct pg_envelope){.parts = {[PG_PART_EVENT_ID] = {id, sizeof id},
                                          [PG_PART_AGGREGATE_TYPE] = text,
                                          [PG_PART_AGGREGATE_ID] = text,
                                          [PG_PART_TYPE] = text,
                                          [PG_PART_PAYLOAD] = {event->data, event->size}}};
}

static void append_event(const struct sql_capture_event *event, struct pg_buf *arrays)
{
    struct pg_envelope envelope;
    char id[37];
    if (pg_envelope_read(event->data, event->size, &envelope))
        envelope = unreadable(event);
    pg_array_int8(&arrays[0], (int64_t)event->order);
    pg_array_bytes(&arrays[1], uuid_text(envelope.parts[PG_PART_EVENT_ID].data, id));
    for (int i = PG_PART_AGGREGATE_TYPE; i < PG_PART_CREATED_AT; i++)
        pg_array_bytes(&arrays[1 + i], envelope.parts[i]);
    pg_array_int8(&arrays[1 + PG_PART_CREATED_AT], envelope.created_us);
}

/* Rows of the table are there already. */
static uint32_t count_events(const struct outbox_spool *spool)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < spool->span_count; s++)
        if (sql_capture_is_event(spool->spans[s].batch))
            count += spool->spans[s].count;
    return count;
}

static void append_span(const struct outbox_span *span, struct pg_buf *arrays)
{
    const struct sql_capture_event *event = sql_capture_event_at(span->batch, span->first);
    for (uint32_t i = 0; i < span->count; i++, event = event->next)
        append_event(event, arrays);
}

static void begin_arrays(const struct sql_store *store, struct pg_buf *arrays, uint32_t rows)
{
    for (int a = 0; a < ARRAYS; a++) {
        arrays[a].host = store->host;
        pg_array_begin(&arrays[a], a ? array_type(store, a - 1) : PG_OID_INT8, rows);
    }
}

bool pg_capture_put_spool(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const struct outbox_spool *spool = sql_op_of(request)->in;
    struct pg_buf arrays[ARRAYS] = {{0}};
    struct obx_sql_text sql = {.host = store->host};
    append_insert(store, &sql);
    begin_arrays(store, arrays, count_events(spool));
    for (uint32_t s = 0; s < spool->span_count; s++)
        if (sql_capture_is_event(spool->spans[s].batch))
            append_span(&spool->spans[s], arrays);
    return pg_send_arrays(request, &sql, arrays, ARRAYS);
}

/* ---- an event that the table refuses ----------------------------------------------------------------------------- */

bool pg_capture_put_dead(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const struct sql_op *op = sql_op_of(request);
    const struct outbox_spool *spool = op->in; /* one event */
    struct pg_buf arrays[ARRAYS + 1] = {[REASON] = {.host = store->host}};
    struct obx_sql_text sql = {.host = store->host};
    append_dead(store, &sql);
    begin_arrays(store, arrays, 1);
    append_span(spool->spans, arrays);
    pg_array_begin(&arrays[REASON], PG_OID_TEXT, 1);
    pg_array_bytes(&arrays[REASON], (struct outbox_bytes){op->reason, strlen(op->reason)});
    return pg_send_arrays(request, &sql, arrays, ARRAYS + 1);
}

void pg_capture_name_event(const struct sql_store *store, const struct sql_capture_event *event,
                           const struct outbox_error *why, char *text, size_t size)
{
    struct pg_envelope envelope;
    char id[37] = "without an id";
    (void)store;
    if (!pg_envelope_read(event->data, event->size, &envelope))
        uuid_text(envelope.parts[PG_PART_EVENT_ID].data, id);
    snprintf(text, size, "%s: %.*s", id, OUTBOX_CUT(why->text, 140));
}
