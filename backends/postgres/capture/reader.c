/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/reader.c - the log -> committed events
 *
 * Reading begins at the position's restart: from there on all events of transactions that were open are in the log.
 * Transactions whose commit the position has passed are dropped; of the first one after it, the events that are passed.
 * A full queue pauses the stream: the server waits. Nothing is allocated per event.
 */
#include <string.h>

#include "../store.h"

enum { OPEN_BYTES = 8 << 20 };

static struct pg_store *store_of(void *arg)
{
    return arg;
}

void pg_capture_fail(struct pg_store *store, const struct outbox_error *error)
{
    struct outbox_error kept = *error;
    pg_capture_end(&store->sql);
    sql_capture_fail(&store->sql, &kept);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

bool pg_capture_is_ours(const struct pg_capture *capture, const struct pg_wal_message *message)
{
    size_t size = strlen(capture->prefix);
    return message->database == capture->database && message->prefix.size == size &&
           !memcmp(message->prefix.data, capture->prefix, size);
}

struct sql_capture_event *pg_capture_event(struct pg_store *store, const struct pg_wal_message *message, uint64_t lsn)
{
    struct sql_capture_event *event =
        sql_capture_event_new(&store->sql.capture.queue.memory, (uint32_t)message->content.size);
    if (!event)
        return NULL;
    event->order = lsn;
    memcpy(event->data, message->content.data, message->content.size);
    return event;
}

bool pg_capture_no_memory(struct pg_store *store)
{
    struct outbox_error error;
    pg_fail(&error, OUTBOX_E_NO_MEMORY, "read the server's log: out of memory");
    pg_capture_fail(store, &error);
    return false;
}

static bool on_message(struct pg_store *store, const struct pg_wal_message *message, uint64_t lsn)
{
    struct pg_capture *capture = &store->capture;
    if (!pg_capture_is_ours(capture, message))
        return true;
    struct sql_capture_event *event = pg_capture_event(store, message, lsn);
    return (event && pg_open_add(&capture->open, message->xid, capture->pages.timeline, event)) ||
           pg_capture_no_memory(store);
}

/* ---- ends of transactions ---------------------------------------------------------------------------------------- */

/* Where reading must begin to find all that is not passed, if it is passed up to here. */
static void restart_of(const struct pg_capture *capture, uint64_t end, uint64_t xid, uint64_t marks[SQL_CAPTURE_MARKS])
{
    struct pg_open_place oldest = pg_open_oldest(&capture->open);
    marks[PG_MARK_RESTART] = oldest.lsn ? oldest.lsn : pg_wal_restart_at(end);
    marks[PG_MARK_TIMELINE_XID] = (uint64_t)(oldest.lsn ? oldest.timeline : capture->pages.timeline) << 32 | xid;
}

bool pg_capture_commit(struct pg_store *store, struct sql_capture_list *events, const uint64_t marks[SQL_CAPTURE_MARKS],
                       uint64_t index, bool whole)
{
    struct pg_capture *capture = &store->capture;
    uint64_t skipped = sql_capture_list_skip(&store->sql.capture.queue.memory, events, capture->skip);
    capture->skip = whole ? 0 : capture->skip - skipped;
    return sql_capture_commit(&store->sql, events, marks, index + skipped, whole);
}

static bool on_end(struct pg_store *store, const struct pg_wal_end *end, const struct pg_wal_record *record)
{
    struct pg_capture *capture = &store->capture;
    struct pg_open_ended ended = pg_open_end(&capture->open, end);
    uint64_t marks[SQL_CAPTURE_MARKS] = {[PG_MARK_PASSED] = record->lsn + 1};
    if (!ended.first.lsn || !end->commits)
        return true;
    if (record->lsn < capture->begun_passed) {
        sql_capture_list_drop(&store->sql.capture.queue.memory, &ended.events);
        return true;
    }
    restart_of(capture, record->end, end->xid, marks);
    if (!ended.spilled)
        return pg_capture_commit(store, &ended.events, marks, 0, true);
    pg_again_begin(store, &ended, end, record, marks);
    return false; /* until that is done */
}

static bool on_record(void *arg, const struct pg_wal_record *record)
{
    struct pg_store *store = arg;
    struct pg_wal_meaning meaning;
    struct outbox_error error;
    switch (pg_wal_record_read(record, store->capture.pages.major, &meaning)) {
    case PG_WAL_MESSAGE:
        return on_message(store, &meaning.message, record->lsn);
    case PG_WAL_END:
        return on_end(store, &meaning.end, record);
    case PG_WAL_RUNNING:
        pg_open_prune(&store->capture.open, &meaning.running);
        return true;
    case PG_WAL_UNKNOWN:
        pg_fail(&error, OUTBOX_E_UNSUPPORTED,
                "read the server's log: at %X/%X: the end of a transaction has an unknown form",
                (unsigned)(record->lsn >> 32), (unsigned)record->lsn);
        pg_capture_fail(store, &error);
        return false;
    case PG_WAL_OTHER:
        break;
    }
    return true;
}

/* ---- the stream -------------------------------------------------------------------------------------------------- */

int pg_capture_server_fits(const struct pg_store *store, struct outbox_error *error)
{
    const struct pg_capture *capture = &store->capture;
    if (!strcmp(capture->stream.server.system, capture->system))
        return OUTBOX_OK;
    return pg_fail(error, OUTBOX_E_SCHEMA,
                   "read the server's log: this server is %s, and the position is of server %s: a dump was restored, "
                   "or the dsn leads elsewhere; to begin at the end of this log, set log_position to '' and run "
                   "'outbox init'; see docs/CAPTURE-POSTGRES.md",
                   capture->stream.server.system, capture->system);
}

static int format_fits(const struct pg_store *store, struct outbox_error *error)
{
    const struct pg_log_server *server = &store->capture.stream.server;
    if (!pg_wal_magic(server->major))
        return pg_fail(error, OUTBOX_E_UNSUPPORTED,
                       "read the server's log: the format of PostgreSQL %u is not known; 14 to 18 are", server->major);
    if (server->segment < PG_WAL_PAGE || server->segment & (server->segment - 1))
        return pg_fail(error, OUTBOX_E_UNSUPPORTED, "read the server's log: wal_segment_size is unknown");
    return OUTBOX_OK;
}

static void on_opened(void *arg)
{
    struct pg_store *store = store_of(arg);
    struct pg_capture *capture = &store->capture;
    struct outbox_error error;
    if (pg_capture_server_fits(store, &error) || format_fits(store, &error)) {
        pg_capture_fail(store, &error);
        return;
    }
    capture->pages.major = capture->stream.server.major;
    capture->pages.segment = capture->stream.server.segment;
    pg_wal_pages_begin(&capture->pages, capture->position.restart);
    pg_log_start(&capture->stream, capture->pages.lsn, capture->position.timeline);
}

static void advance(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    uint64_t end = pg_wal_pages_end(&capture->pages);
    uint64_t marks[SQL_CAPTURE_MARKS] = {[PG_MARK_PASSED] = end};
    restart_of(capture, end, 0, marks);
    if (!capture->reading_again && end >= capture->begun_passed)
        sql_capture_advance(&store->sql, marks);
}

static void read_bytes(struct pg_store *store, const unsigned char *bytes, size_t size)
{
    struct pg_capture *capture = &store->capture;
    struct outbox_error error;
    if (!pg_wal_pages_read(&capture->pages, bytes, size, &error) && error.code)
        pg_capture_fail(store, &error);
}

/* Stops after a commit whose transaction must be read again: its events come before the rest of the input. Returns how
 * many bytes were read. */
static size_t read_some(struct pg_store *store, const unsigned char *bytes, size_t size)
{
    uint64_t begin = store->capture.pages.lsn;
    read_bytes(store, bytes, size);
    return store->capture.reading_again ? (size_t)(store->capture.pages.lsn - begin) : size;
}

static bool keep_rest(struct pg_store *store, const unsigned char *bytes, size_t size)
{
    struct pg_capture *capture = &store->capture;
    capture->rest_at = 0;
    capture->rest_size = (uint32_t)size;
    if (!obx_sql_grow(store->sql.host, (void **)&capture->rest, &capture->rest_room, (uint32_t)size + 1, 1))
        return pg_capture_no_memory(store);
    memcpy(capture->rest, bytes, size);
    return true;
}

static void on_data(void *arg, const unsigned char *bytes, size_t size)
{
    struct pg_store *store = store_of(arg);
    size_t used = read_some(store, bytes, size);
    if (used < size)
        keep_rest(store, bytes + used, size - used);
    else if (store->sql.capture.reading && sql_capture_is_full(&store->sql))
        pg_log_pause(&store->capture.stream);
}

void pg_capture_drained(void *arg)
{
    struct pg_store *store = arg;
    sql_capture_progress(&store->sql);
}

static void on_drained(void *arg)
{
    advance(arg);
    pg_capture_drained(arg);
}

void pg_capture_failed(void *arg, const struct outbox_error *error)
{
    pg_capture_fail(arg, error);
}

static const struct pg_log_events events = {
    .opened = on_opened, .data = on_data, .drained = on_drained, .failed = pg_capture_failed};

void pg_capture_after_again(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    uint32_t left = capture->rest_size - capture->rest_at;
    if (left)
        capture->rest_at += (uint32_t)read_some(store, capture->rest + capture->rest_at, left);
    if (capture->reading_again || capture->stream.state == PG_LOG_CLOSED)
        return;
    capture->rest_at = capture->rest_size = 0;
    on_drained(store);
    if (!sql_capture_is_full(&store->sql))
        pg_log_resume(&capture->stream);
}

/* ---- begin and end ----------------------------------------------------------------------------------------------- */

/* Nothing is visible until this server has answered: another one may have before. */
void pg_capture_begin_at_position(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    capture->skip = store->sql.capture.passed_index;
    capture->begun_passed = capture->position.passed;
    capture->xmin = capture->xmax = capture->log_end = 0;
    capture->running_count = 0;
}

void pg_capture_begin(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    struct pg_capture *capture = &store->capture;
    pg_capture_begin_at_position(store);
    capture->pages.host = sql->host;
    capture->pages.record = on_record;
    capture->pages.arg = store;
    pg_open_begin(&capture->open, &sql->capture.queue.memory, OPEN_BYTES);
    pg_log_open(&capture->stream, store, &events, store);
}

void pg_capture_end(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    struct pg_capture *capture = &store->capture;
    pg_log_close(&capture->stream);
    pg_again_end(store);
    capture->rest_at = capture->rest_size = 0;
    if (capture->open.memory)
        pg_open_clear(&capture->open);
}

void pg_capture_go_on(struct sql_store *sql)
{
    struct pg_store *store = pg_store_of(sql);
    if (store->capture.reading_again)
        pg_again_go_on(store);
    else
        pg_log_resume(&store->capture.stream);
}
