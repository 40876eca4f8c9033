/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/spool.c - events as rows of the spool, or of the dead-letter table
 *
 * The session takes what the log had: dates without a month, and JSON that MariaDB did not check. A column that the
 * log lacks has its default value. What the spool refuses nevertheless, such as a value for a column that is shorter
 * there, is a dead letter: a value is never changed to fit.
 */
#include <string.h>

#include "mysql/store.h"
#include "sql/columns.h"
#include "sql/server/table.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* As many digits as read back. */
static void append_real(struct obx_sql_text *sql, const struct outbox_value *value)
{
    char text[40];
    snprintf(text, sizeof text, "%.*g", value->size == OUTBOX_FLOAT_SINGLE ? 9 : 17, value->as.real);
    obx_sql_text_puts(sql, text);
}

/* Digits are twice the size: an event that the application could send would not fit into a packet. The session has no
 * mode that changes what a backslash is. */
static void append_escaped(struct obx_sql_text *sql, struct outbox_bytes bytes)
{
    const char *at = bytes.data, *end = at + bytes.size;
    obx_sql_text_puts(sql, "'");
    while (at < end) {
        const char *run = at;
        while (at < end && *at && *at != '\'' && *at != '\\')
            at++;
        obx_sql_text_add(sql, run, (size_t)(at - run));
        if (at == end)
            break;
        const char escaped[] = {'\\', *at ? *at : '0'};
        obx_sql_text_add(sql, escaped, sizeof escaped);
        at++;
    }
    obx_sql_text_puts(sql, "'");
}

static void append_bytes(struct obx_sql_text *sql, uint32_t type, struct outbox_bytes bytes)
{
    enum { LARGE = 1 << 20 };
    if (bytes.size > LARGE) {
        obx_sql_text_puts(sql, type == OUTBOX_TEXT ? "_utf8mb4 " : "_binary ");
        append_escaped(sql, bytes);
    } else if (type == OUTBOX_TEXT) {
        mys_append_string(sql, bytes);
    } else {
        mys_append_hex(sql, bytes);
    }
}

static void append_value(struct obx_sql_text *sql, const struct outbox_value *value)
{
    const struct outbox_bytes bytes = {value->as.data, value->size};
    switch (value->type) {
    case OUTBOX_TEXT:
    case OUTBOX_BYTES:
    case OUTBOX_UUID:
        append_bytes(sql, value->type, bytes);
        return;
    case OUTBOX_FLOAT:
        append_real(sql, value);
        return;
    case OUTBOX_TIME:
        obx_sql_text_puts(sql, "'");
        mys_temporal_print(sql, value->as.integer);
        obx_sql_text_puts(sql, "'");
        return;
    case OUTBOX_INT:
    case OUTBOX_BOOL:
        obx_sql_text_int(sql, value->as.integer);
        return;
    default:
        obx_sql_text_puts(sql, value->size == MYS_NULL_ABSENT ? "DEFAULT" : "NULL");
        return;
    }
}

/* ---- the spool --------------------------------------------------------------------------------------------------- */

static void append_row(const struct mys_capture *capture, struct obx_sql_text *sql,
                       const struct sql_capture_event *event)
{
    obx_sql_text_puts(sql, "(");
    obx_sql_text_int(sql, (int64_t)event->order);
    for (uint32_t i = 0; i < capture->wanted_count; i++) {
        const struct outbox_value value = mys_event_value(event, i);
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

/* False: no row of the span is an event. */
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

/* A row that is there already stays as it is. A row of another event, with the same value in another unique key, is an
 * error, whose text is that of the cast. */
static void append_conflict(const struct sql_store *store, struct obx_sql_text *sql)
{
    const char *id = store->table.id;
    obx_sql_text_format(sql,
                        " ON DUPLICATE KEY UPDATE %n = IF(%n = VALUES(%n), %n, 'another event in the spool has the "
                        "same value in a unique key'); ",
                        id, id, id, id);
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
        append_conflict(store, request->sql);
    obx_sql_text_puts(request->sql, "COMMIT");
    return true;
}

/* ---- an event that the spool refuses ----------------------------------------------------------------------------- */

void mys_name_event(const struct sql_store *store, const struct sql_capture_event *event,
                    const struct outbox_error *why, char *text, size_t size)
{
    const struct mys_capture *capture = &mys_store_in(store)->capture;
    const char *name = obx_sql_column(&store->column_names, "event_id");
    struct obx_sql_text id = sql_text(store);
    for (uint32_t i = 0; i < capture->wanted_count; i++) {
        const struct outbox_value value = mys_event_value(event, i);
        bool is_text = value.type == OUTBOX_TEXT, has_bytes = is_text || value.type == OUTBOX_BYTES;
        if (strcmp(capture->wanted[i].name, name) != 0 || (!has_bytes && value.type != OUTBOX_UUID))
            continue;
        if (is_text)
            obx_sql_text_add(&id, value.as.data, value.size);
        else
            mys_append_hex(&id, (struct outbox_bytes){value.as.data, value.size});
    }
    const char *name_of = id.size ? obx_sql_text_get(&id) : "without an id";
    snprintf(text, size, "%.*s: %.*s", OUTBOX_CUT(name_of, 80), OUTBOX_CUT(why->text, 140));
    obx_sql_text_free(&id);
}

static const struct outbox_value *value_of(const struct mys_capture *capture, const struct sql_capture_event *event,
                                           const char *name, struct outbox_value *value)
{
    for (uint32_t i = 0; i < capture->wanted_count; i++) {
        if (strcmp(capture->wanted[i].name, name) != 0)
            continue;
        *value = mys_event_value(event, i);
        return value;
    }
    return NULL;
}

/* The event as a row with the columns of the spool. */
static void append_event(const struct sql_store *store, struct obx_sql_text *sql, const struct sql_capture_event *event)
{
    const struct mys_capture *capture = &mys_store_in(store)->capture;
    obx_sql_text_puts(sql, " FROM (SELECT ");
    obx_sql_text_int(sql, (int64_t)event->order);
    obx_sql_text_format(sql, " AS %n", store->table.id);
    for (uint32_t i = 0; i < store->table.column_count; i++) {
        const struct sql_column *column = &store->table.columns[i];
        struct outbox_value value;
        if (!strcmp(column->name, store->table.id) || column->generated)
            continue;
        const struct outbox_value *found = value_of(capture, event, column->name, &value);
        bool json = !strcmp(column->base, "json"), absent = !found || found->type == OUTBOX_NULL;
        obx_sql_text_puts(sql, json && !absent ? ", CAST(" : ", ");
        if (absent)
            obx_sql_text_puts(sql, "NULL");
        else
            append_value(sql, found);
        obx_sql_text_format(sql, json && !absent ? " AS JSON) AS %n" : " AS %n", column->name);
    }
    obx_sql_text_puts(sql, ") AS refused");
}

/* Once: the dead letter may have been committed, and the answer lost. */
bool mys_put_dead_event(struct sql_request *request)
{
    struct sql_op *op = sql_op_of(request);
    const struct sql_store *store = op->store;
    const struct outbox_span *span = ((const struct outbox_spool *)op->in)->spans;
    const struct sql_capture_event *event = sql_capture_event_at(span->batch, span->first);
    const struct outbox_dead_row row = {.position = {.major = event->order}, .topic = {"", 0}, .reason = op->reason};
    mys_append_fence(op, request->sql, NULL);
    mys_append_dead_copy(store, request->sql, &row);
    append_event(store, request->sql, event);
    obx_sql_text_puts(request->sql, " WHERE NOT EXISTS (SELECT 1 FROM ");
    sql_append_dead(store, request->sql);
    obx_sql_text_puts(request->sql, " WHERE outbox_id = ");
    obx_sql_text_int(request->sql, (int64_t)event->order);
    obx_sql_text_puts(request->sql, "); COMMIT");
    return true;
}
