/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/logical.c - messages of pgoutput -> committed events
 *
 *   Begin -> Message, Relation, Insert ... -> Commit
 *
 * A transaction comes after its commit, so its events go to the queue in parts: a large one needs no more memory than
 * others. A full queue pauses the stream. The server sends keepalives with the place up to which it has decoded: an
 * outbox without events is passed up to there.
 *
 * Failure modes: those of the stream; a message that cannot be read; a row that cannot be an event (OUTBOX_E_SCHEMA).
 */
#include <string.h>

#include "../store.h"

enum { PART_BYTES = 256 << 10, TRANSACTIONAL = 1 };

/* ---- the fields of a message ------------------------------------------------------------------------------------- */

struct outbox_bytes pg_message_bytes(struct pg_message *message, size_t size)
{
    struct outbox_bytes bytes = {message->at, size};
    if (message->failed || size > message->left) {
        message->failed = true;
        return (struct outbox_bytes){0};
    }
    message->at += size;
    message->left -= size;
    return bytes;
}

uint64_t pg_message_int(struct pg_message *message, unsigned size)
{
    const unsigned char *at = pg_message_bytes(message, size).data;
    uint64_t value = 0;
    for (unsigned i = 0; at && i < size; i++)
        value = value << 8 | at[i];
    return value;
}

struct outbox_bytes pg_message_text(struct pg_message *message)
{
    const unsigned char *end = message->left ? memchr(message->at, '\0', message->left) : NULL;
    struct outbox_bytes text = pg_message_bytes(message, end ? (size_t)(end - message->at) + 1 : SIZE_MAX);
    text.size -= text.data != NULL;
    return text;
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

static void fail(struct pg_store *store, const char *why)
{
    struct outbox_error error;
    uint64_t at = store->capture.again_marks[PG_MARK_PASSED];
    pg_fail(&error, OUTBOX_E_SCHEMA, "read the server's log: in the transaction that commits at %X/%X: %s",
            (unsigned)(at >> 32), (unsigned)at, why);
    pg_capture_fail(store, &error);
}

static uint64_t restart_mark(const struct pg_store *store, uint32_t xid)
{
    return (uint64_t)store->capture.stream.server.timeline << 32 | xid;
}

/* Where its commit begins, when it was, its id. */
static void on_begin(struct pg_store *store, struct pg_message *message)
{
    struct pg_capture *capture = &store->capture;
    uint64_t commit = pg_message_int(message, 8);
    capture->logical.committed_us = (int64_t)pg_message_int(message, 8);
    capture->logical.in_transaction = true;
    capture->logical.passed = commit < capture->begun_passed;
    capture->again_index = 0;
    capture->again_marks[PG_MARK_PASSED] = commit + 1;
    capture->again_marks[PG_MARK_RESTART] = capture->logical.slot_restart;
    capture->again_marks[PG_MARK_TIMELINE_XID] = restart_mark(store, (uint32_t)pg_message_int(message, 4));
}

/* Flags, where it begins, where it ends. */
static void on_commit(struct pg_store *store, struct pg_message *message)
{
    struct pg_capture *capture = &store->capture;
    pg_message_int(message, 1);
    pg_message_int(message, 8);
    uint64_t end = pg_message_int(message, 8);
    capture->logical.in_transaction = false;
    if (end > capture->logical.reached)
        capture->logical.reached = end;
    if (capture->again_index || capture->again_events.count)
        pg_again_give(store, true);
}

static void add(struct pg_store *store, struct sql_capture_event *event)
{
    struct pg_capture *capture = &store->capture;
    sql_capture_list_append(&capture->again_events, event);
    if (capture->again_events.bytes >= PART_BYTES)
        pg_again_give(store, false);
}

/* Flags, its place, prefix, content. Without the flag it would come from a transaction that is rolled back, too. */
static void on_emitted(struct pg_store *store, struct pg_message *message)
{
    struct pg_capture *capture = &store->capture;
    struct pg_wal_message emitted = {.database = capture->database};
    uint64_t flags = pg_message_int(message, 1), lsn = pg_message_int(message, 8);
    emitted.prefix = pg_message_text(message);
    emitted.content = pg_message_bytes(message, (size_t)pg_message_int(message, 4));
    if (message->failed || flags != TRANSACTIONAL || !pg_capture_is_ours(capture, &emitted) || capture->logical.passed)
        return;
    struct sql_capture_event *event = pg_capture_event(store, &emitted, lsn);
    if (event)
        add(store, event);
    else
        pg_capture_no_memory(store);
}

static void on_insert(struct pg_store *store, struct pg_message *message)
{
    const char *why = NULL;
    if (store->capture.logical.passed)
        return;
    struct sql_capture_event *event = pg_row_insert(store, message, &why);
    if (why)
        fail(store, why);
    else if (event)
        add(store, event);
}

/* ---- the stream -------------------------------------------------------------------------------------------------- */

static void read_message(struct pg_store *store, struct pg_message *message)
{
    switch (pg_message_int(message, 1)) {
    case 'B':
        on_begin(store, message);
        break;
    case 'C':
        on_commit(store, message);
        break;
    case 'M':
        on_emitted(store, message);
        break;
    case 'R':
        pg_row_relation(store, message);
        break;
    case 'I':
        on_insert(store, message);
        break;
    default:
        break; /* origins, types of columns */
    }
}

static void on_data(void *arg, const unsigned char *bytes, size_t size)
{
    struct pg_store *store = arg;
    struct pg_message message = {.at = bytes, .left = size};
    read_message(store, &message);
    if (!store->sql.capture.reading)
        return;
    if (message.failed)
        fail(store, "a message of the server has an unknown form");
    else if (sql_capture_is_full(&store->sql))
        pg_log_pause(&store->capture.stream);
}

static void on_reached(void *arg, uint64_t lsn)
{
    struct pg_store *store = arg;
    struct pg_logical *logical = &store->capture.logical;
    if (lsn > logical->reached)
        logical->reached = lsn;
    const uint64_t marks[SQL_CAPTURE_MARKS] = {[PG_MARK_PASSED] = logical->reached,
                                               [PG_MARK_RESTART] = logical->slot_restart,
                                               [PG_MARK_TIMELINE_XID] = restart_mark(store, 0)};
    if (!logical->in_transaction && logical->reached >= store->capture.begun_passed)
        sql_capture_advance(&store->sql, marks);
}

static void on_opened(void *arg)
{
    struct pg_store *store = arg;
    struct outbox_error error;
    const char *refusal = store->capture_rows ? pg_rows_refusal(store) : NULL;
    if (refusal)
        pg_fail(&error, OUTBOX_E_SCHEMA, "read the server's log: rows of %s cannot be captured: %s",
                store->sql.table_name, refusal);
    if (refusal || pg_capture_server_fits(store, &error))
        pg_capture_fail(store, &error);
    else
        pg_slot_start(store);
}

static const struct pg_log_events events = {.put_slot = pg_slot_put,
                                            .slot_result = pg_slot_result,
                                            .opened = on_opened,
                                            .data = on_data,
                                            .reached = on_reached,
                                            .drained = pg_capture_drained,
                                            .failed = pg_capture_failed};

/* ---- for the store ----------------------------------------------------------------------------------------------- */

static void begin(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    store->capture.logical = (struct pg_logical){0}; /* the server repeats the columns */
    pg_capture_begin_at_position(store);
    pg_log_open(&store->capture.stream, store, &events, store);
}

static bool has_reached(const struct sql_store *sql)
{
    const struct pg_capture *capture = &pg_store_in(sql)->capture;
    return capture->stream.state == PG_LOG_STREAMING && capture->logical.reached >= capture->log_end;
}

static void recorded(struct sql_store *sql)
{
    struct pg_capture *capture = &pg_store_of(sql)->capture;
    capture->recorded = capture->position;
    capture->stream.recorded = capture->position.passed;
}

const struct sql_capture_source pg_capture_logical = {
    .put_take_over = pg_capture_put_take_over,
    .read_position = pg_capture_read_position,
    .begin = begin,
    .end = pg_capture_end,
    .go_on = pg_capture_go_on,
    .pass = pg_capture_pass,
    .put_position = pg_capture_put_position,
    .recorded = recorded,
    .worth_recording = pg_capture_worth_recording,
    .put_horizon = pg_capture_put_horizon,
    .horizon_result = pg_capture_horizon_result,
    .is_visible = pg_capture_is_visible,
    .has_reached = has_reached,
    .decode = pg_capture_decode,
    .put_spool = pg_capture_put_spool,
    .put_dead = pg_capture_put_dead,
    .name_event = pg_capture_name_event,
    .put_distance = pg_capture_put_distance,
    .distance_result = pg_capture_distance_result,
    .can_relieve = pg_slot_can_relieve,
};
