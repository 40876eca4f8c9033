/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/stream.c - see stream.h */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../store.h"

#define MS UINT64_C(1000000)
#define SILENCE_NS (10000 * MS) /* without an answer: then the stream is dead */
enum {
    REPORT_US = 2000000, /* well below wal_sender_timeout */
    BUSY_US = 200000,    /* until the slot is tried again */
    DATA_HEAD = 25,      /* 'w', where it begins, where the log ends, when it was sent; then the log */
    KEEPALIVE_SIZE = 18, /* 'k', where the log ends, when it was sent, whether to answer */
    REPORT_SIZE = 34     /* 'r', what was written, flushed, applied, when it is sent, whether to answer */
};
static const char what[] = "read the server's log";

static bool is_logical(const struct pg_log_stream *stream)
{
    return stream->events->put_slot != NULL;
}

static uint64_t now_of(const struct pg_log_stream *stream)
{
    return stream->conn.lane.host->now(stream->conn.lane.host);
}

void pg_log_close(struct pg_log_stream *stream)
{
    const struct outbox_host *host = stream->conn.lane.host;
    if (stream->state == PG_LOG_CLOSED)
        return;
    stream->state = PG_LOG_CLOSED;
    host->timer_close(stream->timer);
    stream->timer = NULL;
    pg_conn_close(&stream->conn.lane, NULL); /* there is no request on it */
}

static void fail(struct pg_log_stream *stream, const struct outbox_error *error)
{
    struct outbox_error kept = *error;
    if (stream->state == PG_LOG_CLOSED)
        return;
    pg_log_close(stream);
    stream->events->failed(stream->arg, &kept);
}

static void fail_conn(struct pg_log_stream *stream)
{
    struct outbox_error error;
    pg_error_of_conn(&error, what, stream->conn.pg);
    if (error.code != OUTBOX_E_NO_MEMORY && error.code != OUTBOX_E_SCHEMA)
        error.code = OUTBOX_E_NOT_CONNECTED;
    fail(stream, &error);
}

/* ---- reports to the server --------------------------------------------------------------------------------------- */

static void report(struct pg_log_stream *stream, bool wants_answer)
{
    enum { EPOCH = 946684800 }; /* 2000-01-01 */
    char text[REPORT_SIZE] = {'r'};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    pg_put_int8(text + 1, is_logical(stream) ? stream->confirmed : stream->next);
    if (is_logical(stream)) {
        pg_put_int8(text + 9, stream->confirmed);
        stream->confirmed = stream->recorded;
    }
    pg_put_int8(text + 25, (uint64_t)((t.tv_sec - EPOCH) * 1000000 + t.tv_nsec / 1000));
    text[REPORT_SIZE - 1] = wants_answer;
    stream->answer_due = stream->answer_due || wants_answer;
    if (PQputCopyData(stream->conn.pg, text, sizeof text) == 1)
        pg_conn_flush(&stream->conn); /* if not, the answer will not come */
}

static void inspect_slot(struct pg_log_stream *stream);

/* A connection may die silently. A paused stream hears nothing. A server that decodes a transaction with many
 * savepoints is silent for minutes: it would begin again on each new connection. Then TCP alone notices that the
 * connection died. */
static bool is_silent(const struct pg_log_stream *stream)
{
    bool decodes = is_logical(stream) && stream->state == PG_LOG_STREAMING;
    return !stream->paused && !decodes && now_of(stream) - stream->heard_ns > SILENCE_NS;
}

static void on_timer(void *arg)
{
    struct pg_log_stream *stream = arg;
    struct outbox_error error;
    if (is_silent(stream)) {
        pg_fail(&error, OUTBOX_E_NOT_CONNECTED, "%s: %s", what,
                stream->slot_busy ? "another session has the slot and does not end" : "the server does not answer");
        fail(stream, &error);
        return;
    }
    stream->conn.lane.host->timer_set(stream->timer, REPORT_US);
    if (stream->state == PG_LOG_STREAMING)
        report(stream, !stream->paused);
    else if (stream->state == PG_LOG_OPENED)
        inspect_slot(stream);
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static void on_data(struct pg_log_stream *stream, const char *data, int size)
{
    struct outbox_error error;
    if (!is_logical(stream) && pg_get_int8(data + 1) != stream->next) {
        pg_fail(&error, OUTBOX_E_BUG, "%s: the server has left a part of it out", what);
        fail(stream, &error);
        return;
    }
    stream->next += (uint64_t)(size - DATA_HEAD);
    stream->events->data(stream->arg, (const unsigned char *)data + DATA_HEAD, (size_t)(size - DATA_HEAD));
}

static void on_keepalive(struct pg_log_stream *stream, const char *data)
{
    if (data[KEEPALIVE_SIZE - 1])
        report(stream, false);
    if (is_logical(stream))
        stream->events->reached(stream->arg, pg_get_int8(data + 1));
}

static void on_message(struct pg_log_stream *stream, const char *data, int size)
{
    stream->heard_ns = now_of(stream);
    stream->answer_due = false;
    if (data[0] == 'w' && size > DATA_HEAD)
        on_data(stream, data, size);
    else if (data[0] == 'k' && size >= KEEPALIVE_SIZE)
        on_keepalive(stream, data);
}

/* The timeline has ended: the server gives the next one when both sides have ended the copy. Or it failed: then there
 * is no copy to be ended, and its reason comes next. */
static void turn(struct pg_log_stream *stream)
{
    stream->state = PG_LOG_TURNING;
    if (PQputCopyEnd(stream->conn.pg, NULL) == 1)
        pg_conn_flush(&stream->conn);
}

/* What came before it was given. */
static void fail_warned(struct pg_log_stream *stream)
{
    struct outbox_error error;
    pg_log_lost(stream, stream->recorded, stream->warning, &error);
    fail(stream, &error);
}

/* False: no complete message now, or the stream has ended. */
static bool read_data(struct pg_log_stream *stream)
{
    char *data = NULL;
    if (stream->paused)
        return false;
    int size = PQgetCopyData(stream->conn.pg, &data, 1);
    if (*stream->warning) {
        PQfreemem(data);
        fail_warned(stream);
        return false;
    }
    if (size > 0) {
        on_message(stream, data, size);
        PQfreemem(data);
    } else if (size == -1) {
        turn(stream);
    } else if (size < 0) {
        fail_conn(stream);
    }
    return size != 0;
}

/* ---- answers to commands ----------------------------------------------------------------------------------------- */

static void send(struct pg_log_stream *stream, const char *command, enum pg_log_state state)
{
    stream->state = state;
    if (PQsendQuery(stream->conn.pg, command) == 1)
        pg_conn_flush(&stream->conn);
    else
        fail_conn(stream);
}

static void on_identity(struct pg_log_stream *stream, const PGresult *result)
{
    struct pg_log_server *server = &stream->server;
    snprintf(server->system, sizeof server->system, "%.*s", OUTBOX_CUT(pg_text(result, 0, 0), 31));
    server->timeline = (uint32_t)strtoul(pg_text(result, 0, 1), NULL, 10);
    snprintf(server->end, sizeof server->end, "%.*s", OUTBOX_CUT(pg_text(result, 0, 2), 23));
    server->major = (unsigned)PQserverVersion(stream->conn.pg) / 10000;
}

/* "16MB" */
static void on_segment_size(struct pg_log_stream *stream, const PGresult *result)
{
    char *unit;
    unsigned long size = strtoul(pg_text(result, 0, 0), &unit, 10);
    stream->server.segment = (uint32_t)(size << (*unit == 'G' ? 30 : *unit == 'M' ? 20 : 0));
}

/* Again and again, while another session has the slot. */
static void inspect_slot(struct pg_log_stream *stream)
{
    struct obx_sql_text sql = {.host = stream->conn.lane.host};
    struct outbox_error error;
    stream->slot_busy = false;
    if (stream->events->put_slot(stream->arg, &sql) && !sql.failed) {
        send(stream, obx_sql_text_get(&sql), PG_LOG_MEASURING);
    } else {
        pg_fail(&error, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
        fail(stream, &error);
    }
    obx_sql_text_free(&sql);
}

/* The place of the next timeline: it begins where the old one ends. */
static bool on_next_timeline(struct pg_log_stream *stream, const PGresult *result)
{
    stream->timeline = (uint32_t)strtoul(pg_text(result, 0, 0), NULL, 10);
    return stream->timeline && pg_wal_position(pg_text(result, 0, 1)) == stream->next;
}

static void on_tuples(struct pg_log_stream *stream, const PGresult *result)
{
    struct outbox_error error;
    if (stream->state == PG_LOG_IDENTIFYING)
        on_identity(stream, result);
    else if (stream->state == PG_LOG_MEASURING && is_logical(stream))
        stream->events->slot_result(stream->arg, result);
    else if (stream->state == PG_LOG_MEASURING)
        on_segment_size(stream, result);
    else if (stream->state != PG_LOG_TURNING || !on_next_timeline(stream, result)) {
        pg_fail(&error, OUTBOX_E_SCHEMA,
                "%s: the timeline ends at another place than the log that was read; the server's history is another",
                what);
        fail(stream, &error);
    }
}

/* The command is complete. */
static void next_command(struct pg_log_stream *stream)
{
    struct outbox_error error;
    if (stream->state == PG_LOG_IDENTIFYING && is_logical(stream)) {
        inspect_slot(stream);
    } else if (stream->state == PG_LOG_IDENTIFYING) {
        send(stream, "SHOW wal_segment_size", PG_LOG_MEASURING);
    } else if (stream->state == PG_LOG_STARTING && stream->slot_busy) {
        stream->state = PG_LOG_OPENED;
        stream->conn.lane.host->timer_set(stream->timer, BUSY_US);
    } else if (stream->state == PG_LOG_MEASURING) {
        stream->state = PG_LOG_OPENED;
        stream->events->opened(stream->arg);
    } else if (stream->state == PG_LOG_TURNING && stream->timeline) {
        pg_log_start(stream, stream->next, stream->timeline);
    } else if (stream->state == PG_LOG_TURNING) {
        pg_fail(&error, OUTBOX_E_NOT_CONNECTED, "%s: the server has ended it", what);
        fail(stream, &error);
    }
}

void pg_log_lost(const struct pg_log_stream *stream, uint64_t from, const char *why, struct outbox_error *error)
{
    pg_fail(error, OUTBOX_E_SCHEMA,
            "%s from %X/%X on: %s; events that were committed from there up to %s, the present end of the log, may be "
            "lost: see docs/CAPTURE-POSTGRES.md, \"A position that the log does not have\"",
            what, (unsigned)(from >> 32), (unsigned)from, why ? why : "the server does not have it",
            stream->server.end);
}

/* 58P01: the file is gone. 42704: the slot or its publication is. 55000 and others without a class of their own: the
 * position is not of this server's log, or the slot is lost. */
static bool is_of_position(const char *state)
{
    return !strcmp(state, "58P01") || !strcmp(state, "42704") || !strcmp(state, "XX000") || !strcmp(state, "55000");
}

static void on_refusal(struct pg_log_stream *stream, const PGresult *result)
{
    struct outbox_error error;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    pg_error_of_result(&error, what, result);
    bool starts =
        stream->state == PG_LOG_STARTING || stream->state == PG_LOG_STREAMING || stream->state == PG_LOG_TURNING;
    if (stream->state == PG_LOG_STARTING && state && !strcmp(state, "55006")) {
        stream->slot_busy = true;
        return;
    }
    if (starts && state && is_of_position(state))
        pg_log_lost(stream, is_logical(stream) ? stream->recorded : stream->next, text, &error);
    else if (state && (!strncmp(state, "57P", 3) || !strncmp(state, "08", 2)))
        error.code = OUTBOX_E_NOT_CONNECTED;
    fail(stream, &error);
}

static bool read_answer(struct pg_log_stream *stream)
{
    struct outbox_error error;
    if (PQisBusy(stream->conn.pg))
        return false;
    PGresult *result = PQgetResult(stream->conn.pg);
    ExecStatusType status = PQresultStatus(result);
    if (!result) {
        enum pg_log_state before = stream->state;
        next_command(stream);
        return stream->state != before && stream->state != PG_LOG_OPENED;
    }
    if (status == PGRES_COPY_BOTH) {
        stream->state = PG_LOG_STREAMING;
        stream->heard_ns = now_of(stream);
    } else if (status == PGRES_TUPLES_OK) {
        on_tuples(stream, result);
    } else if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
        on_refusal(stream, result);
    } else if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) { /* libpq would give it again and again */
        pg_fail(&error, OUTBOX_E_NOT_CONNECTED, "%s: the server began another COPY", what);
        fail(stream, &error);
    }
    PQclear(result);
    return true;
}

static bool read_one(struct pg_log_stream *stream)
{
    if (!pg_conn_is_open(&stream->conn.lane) || stream->state == PG_LOG_CLOSED || stream->state == PG_LOG_OPENED)
        return false;
    return stream->state == PG_LOG_STREAMING ? read_data(stream) : read_answer(stream);
}

static void readable(struct pg_conn *conn)
{
    struct pg_log_stream *stream = (struct pg_log_stream *)(void *)conn;
    while (read_one(stream))
        ;
    if (stream->state == PG_LOG_STREAMING)
        stream->events->drained(stream->arg);
}

/* ---- its begin, and pauses --------------------------------------------------------------------------------------- */

static void lost(struct sql_lane *lane, const struct outbox_error *error)
{
    fail((struct pg_log_stream *)(void *)pg_conn_of(lane), error);
}

static void connected(struct sql_lane *lane, const struct outbox_error *error)
{
    struct pg_log_stream *stream = (struct pg_log_stream *)(void *)pg_conn_of(lane);
    if (error->code) {
        fail(stream, error);
        return;
    }
    stream->heard_ns = now_of(stream);
    send(stream, "IDENTIFY_SYSTEM", PG_LOG_IDENTIFYING);
}

void pg_log_start_slot(struct pg_log_stream *stream, uint64_t lsn, const char *command)
{
    stream->next = lsn;
    stream->timeline = 0; /* of the next one; not known */
    send(stream, command, PG_LOG_STARTING);
}

void pg_log_start(struct pg_log_stream *stream, uint64_t lsn, uint32_t timeline)
{
    char sql[96];
    snprintf(sql, sizeof sql, "START_REPLICATION PHYSICAL %X/%X TIMELINE %u", (unsigned)(lsn >> 32), (unsigned)lsn,
             timeline);
    pg_log_start_slot(stream, lsn, sql);
}

void pg_log_pause(struct pg_log_stream *stream)
{
    stream->paused = true;
    pg_conn_hold(&stream->conn, true);
}

void pg_log_resume(struct pg_log_stream *stream)
{
    if (!stream->paused)
        return;
    stream->paused = false;
    stream->heard_ns = now_of(stream);
    if (!pg_conn_is_open(&stream->conn.lane))
        return;
    pg_conn_hold(&stream->conn, false);
    readable(&stream->conn); /* what libpq has received already */
}

void pg_log_open(struct pg_log_stream *stream, struct pg_store *store, const struct pg_log_events *events, void *arg)
{
    const struct outbox_host *host = store->sql.host;
    struct outbox_error error;
    stream->conn = (struct pg_conn){.lane = {.driver = store->sql.driver,
                                             .host = host,
                                             .store = &store->sql,
                                             .name = "log",
                                             .connected = connected,
                                             .lost = lost},
                                    .readable = readable};
    stream->events = events;
    stream->arg = arg;
    stream->state = PG_LOG_CONNECTING;
    stream->paused = stream->answer_due = stream->slot_busy = false;
    stream->warning[0] = '\0';
    stream->heard_ns = host->now(host);
    pg_target_choose(&store->target, store->sql.candidate, is_logical(stream) ? PG_FOR_SLOT : PG_FOR_LOG);
    if (host->timer_open(host, on_timer, stream, &stream->timer)) {
        pg_fail(&error, OUTBOX_E_NO_MEMORY, "%s: no timer", what);
        fail(stream, &error);
        return;
    }
    host->timer_set(stream->timer, REPORT_US);
    if (pg_conn_open(&stream->conn, store->target.keywords, store->target.values, pg_connect_us(store), &error))
        fail(stream, &error);
}
