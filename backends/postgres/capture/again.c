/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/again.c - a large transaction, whose events are read from the log a second time
 *
 * Its events were dropped while it was open. Its commit names its subtransactions, so now each message of them is known
 * to be committed. A second stream reads from the first event to the commit record, and gives the events to the queue
 * in parts; a full queue pauses it. The main stream is paused until then: commits keep their order.
 *
 * Memory: the ids of the subtransactions, and one part. Failure modes: those of the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "../store.h"

enum { PART_BYTES = 256 << 10 };

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool is_of_transaction(const struct pg_capture *capture, uint32_t xid)
{
    return bsearch(&xid, capture->again_xids, capture->again_count, sizeof xid, compare);
}

static bool note_xids(struct pg_store *store, const struct pg_wal_end *end)
{
    struct pg_capture *capture = &store->capture;
    capture->again_count = end->subxid_count + 1;
    if (!obx_sql_grow(store->sql.host, (void **)&capture->again_xids, &capture->again_room, capture->again_count,
                      sizeof *capture->again_xids))
        return false;
    capture->again_xids[0] = end->xid;
    for (uint32_t i = 0; i < end->subxid_count; i++)
        capture->again_xids[i + 1] = pg_wal_xid_at(end->subxids, i);
    qsort(capture->again_xids, capture->again_count, sizeof *capture->again_xids, compare);
    return true;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

bool pg_again_give(struct pg_store *store, bool whole)
{
    struct pg_capture *capture = &store->capture;
    uint64_t index = capture->again_index;
    capture->again_index += capture->again_events.count;
    return pg_capture_commit(store, &capture->again_events, capture->again_marks, index, whole);
}

static void finish(struct pg_store *store)
{
    if (!pg_again_give(store, true))
        return;
    pg_log_close(&store->capture.again);
    store->capture.reading_again = false;
    store->capture.again_finished = true;
    store->sql.host->post(store->sql.host, &store->capture.again_done);
}

static bool on_message(struct pg_store *store, const struct pg_wal_message *message, uint64_t lsn)
{
    struct pg_capture *capture = &store->capture;
    if (!pg_capture_is_ours(capture, message) || !is_of_transaction(capture, message->xid))
        return true;
    struct sql_capture_event *event = pg_capture_event(store, message, lsn);
    if (!event) {
        return pg_capture_no_memory(store);
    }
    sql_capture_list_append(&capture->again_events, event);
    return capture->again_events.bytes < PART_BYTES || pg_again_give(store, false);
}

static bool on_record(void *arg, const struct pg_wal_record *record)
{
    struct pg_store *store = arg;
    struct pg_wal_meaning meaning;
    if (record->lsn >= store->capture.again_end) {
        finish(store);
        return false;
    }
    if (pg_wal_record_read(record, store->capture.again_pages.major, &meaning) != PG_WAL_MESSAGE)
        return true;
    return on_message(store, &meaning.message, record->lsn);
}

/* ---- the stream -------------------------------------------------------------------------------------------------- */

/* A failover between the two connections: the places of the main stream are of another log. */
static bool is_other_server(const struct pg_capture *capture)
{
    const struct pg_log_server *main = &capture->stream.server, *again = &capture->again.server;
    return strcmp(main->system, again->system) || main->timeline != again->timeline;
}

static void fail_other_server(struct pg_store *store)
{
    const struct pg_log_server *main = &store->capture.stream.server, *again = &store->capture.again.server;
    struct outbox_error error;
    pg_fail(&error, OUTBOX_E_NOT_CONNECTED,
            "read a large transaction again: the server is %s on timeline %u now, and the log was read from %s on "
            "timeline %u: the relay connects again",
            again->system, again->timeline, main->system, main->timeline);
    pg_capture_fail(store, &error);
}

static void on_opened(void *arg)
{
    struct pg_store *store = arg;
    struct pg_capture *capture = &store->capture;
    if (is_other_server(capture)) {
        fail_other_server(store);
        return;
    }
    capture->again_pages.major = capture->again.server.major;
    capture->again_pages.segment = capture->again.server.segment;
    pg_wal_pages_begin(&capture->again_pages, capture->again_from);
    pg_log_start(&capture->again, capture->again_pages.lsn, capture->again_timeline);
}

static void on_data(void *arg, const unsigned char *bytes, size_t size)
{
    struct pg_store *store = arg;
    struct pg_capture *capture = &store->capture;
    struct outbox_error error;
    if (!pg_wal_pages_read(&capture->again_pages, bytes, size, &error) && error.code)
        pg_capture_fail(store, &error);
    else if (capture->reading_again && sql_capture_is_full(&store->sql))
        pg_log_pause(&capture->again);
}

static const struct pg_log_events events = {
    .opened = on_opened, .data = on_data, .drained = pg_capture_drained, .failed = pg_capture_failed};

/* The stream was closed in a function that it called: the rest is done by the loop. */
static void on_finished(struct outbox_task *task)
{
    struct pg_store *store = task->arg;
    bool finished = store->capture.again_finished; /* false: the reading was ended meanwhile */
    store->capture.again_finished = false;
    if (finished)
        pg_capture_after_again(store);
}

void pg_again_begin(struct pg_store *store, const struct pg_open_ended *ended, const struct pg_wal_end *end,
                    const struct pg_wal_record *record, const uint64_t marks[SQL_CAPTURE_MARKS])
{
    struct pg_capture *capture = &store->capture;
    if (!note_xids(store, end)) {
        pg_capture_no_memory(store);
        return;
    }
    store->sql.host->log(store->sql.host, OUTBOX_LOG_DEBUG, "transaction %u is large: its events are read again",
                         end->xid);
    capture->reading_again = true;
    capture->again_from = ended->first.lsn;
    capture->again_timeline = ended->first.timeline;
    capture->again_end = record->lsn;
    capture->again_index = 0;
    memcpy(capture->again_marks, marks, sizeof capture->again_marks);
    capture->again_pages.host = store->sql.host;
    capture->again_pages.record = on_record;
    capture->again_pages.arg = store;
    capture->again_done.run = on_finished; /* its other fields are the host's, once it was posted */
    capture->again_done.arg = store;
    pg_log_pause(&capture->stream);
    pg_log_open(&capture->again, store, &events, store);
}

void pg_again_end(struct pg_store *store)
{
    struct pg_capture *capture = &store->capture;
    pg_log_close(&capture->again);
    sql_capture_list_drop(&store->sql.capture.queue.memory, &capture->again_events);
    capture->reading_again = capture->again_finished = false;
}

void pg_again_go_on(struct pg_store *store)
{
    pg_log_resume(&store->capture.again);
}
